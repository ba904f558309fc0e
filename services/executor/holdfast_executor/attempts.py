"""One request's attempts: what is known of each while it is made, and how it ended."""

import asyncio
import dataclasses
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from holdfast.model import (
    Allowance,
    Attempt,
    GuardrailResult,
    Limits,
    Plan,
    PlanStep,
    StepReason,
    Usage,
)
from holdfast.pricing import cache_saving_usd_nanos, cost_usd_nanos
from holdfast.spans import attempt_span_id
from holdfast_executor.dialects import ProviderError
from holdfast_executor.residency import Evidence, observed_elsewhere

_PROBE_PATIENCE = 0.5
"""What part of its first-token limit a probe gets: whoever has been silent may
be silent still, and somebody waits for what comes next."""

_PROBE_SHARE = 1 / 3
"""And of the time that is left to the request, of which the rest is for whoever
answers if the probe is not."""


@dataclass(frozen=True, slots=True)
class Order:
    """A plan that is being carried out.

    Attributes:
        deadline: When the request ends, on the event loop's clock.
        may_hand_on: Whether another executor is asked if this one reaches nobody.
    """

    plan: Plan
    deadline: float
    may_hand_on: bool = False


@dataclass(slots=True)
class Record:
    """What is known of one attempt while it is made.

    Attributes:
        earlier_cost_usd_nanos: What the failed attempts before it cost.
        session_key: The session it is of. Empty for none.
        credential: What it was called with, once that is known.
        tried_credentials: What the deployment refused in this request.
        patience_s: The longest until there is content, whatever the limits say.
        allowance: What the provider said is left of a rate limit, if little is.
        usage: What it has used, where that is known though it failed.
        choice_count: How many answers were asked for.
        azure_region: What Azure said of where it was worked on, if it did.
        left_out: The caller's fields that the dialect has no counterpart for.
        traceparent: Names its span to whom it calls, as W3C Trace Context has it.
            Empty: it is not named.
    """

    step: PlanStep
    ordinal: int
    limits: Limits
    deadline: float
    start_time_ms: int
    start: float
    earlier_cost_usd_nanos: int = 0
    session_key: str = ""
    credential: str = ""
    tried_credentials: frozenset[str] = frozenset()
    patience_s: float = math.inf
    allowance: Allowance | None = None
    usage: Usage | None = None
    choice_count: int = 1
    azure_region: str = ""
    left_out: tuple[str, ...] = ()
    traceparent: str = ""

    def observed_geography(self, usage: Usage | None) -> str:
        """Say where it was worked on, if not where its deployment promises."""
        deployment = self.step.deployment
        return observed_elsewhere(Evidence(deployment, self.azure_region, usage))

    @property
    def is_probe(self) -> bool:
        """Whether it finds out for all whether a deployment is well again."""
        return self.step.reason is StepReason.PROBE

    def cost_usd_nanos(self, usage: Usage | None) -> int:
        """Price what it has used. Zero if that, or the price, is unknown."""
        pricing = self.step.deployment.pricing
        return cost_usd_nanos(usage, pricing) if usage and pricing else 0

    def cache_saving_usd_nanos(self, usage: Usage | None) -> int:
        """Price what the prompt cache saved. Zero if usage or price is unknown."""
        pricing = self.step.deployment.pricing
        return cache_saving_usd_nanos(usage, pricing) if usage and pricing else 0

    def total_cost_usd_nanos(self, usage: Usage | None) -> int | None:
        """Price it with the failed attempts before it; None if unknown."""
        if usage is None or self.step.deployment.pricing is None:
            return None
        return self.earlier_cost_usd_nanos + self.cost_usd_nanos(usage)


_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Empty(Generic[_Answer]):
    """An answer without a word, which is served only if nobody has a better one.

    Attributes:
        record: The attempt that it answers.
        usage: What it has used.
        close: Lets go of it.
    """

    answer: _Answer
    record: Record
    usage: Usage | None
    close: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Progress:
    """The attempts of one request so far, and whom to tell of each.

    Attributes:
        tell: Takes each attempt as it ends.
        attempts: Those that have ended, in that order.
        begun: All that were begun.
        ended: The ordinals of attempts that have ended though their answers are
            served yet.
        guardrail_results: What guardrails have found so far.
        earlier: How many attempts another executor made of the request.
        broken_off: The id of the deployment whose stream is being taken up. It is
            asked after all others: it may well break off again. Empty: there is none.
    """

    order: Order
    tell: Callable[[Order, Attempt], None]
    now_ms: Callable[[], int]
    attempts: list[Attempt] = field(default_factory=list)
    begun: list[Record] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    guardrail_results: list[GuardrailResult] = field(default_factory=list)
    earlier: int = 0
    broken_off: str = ""

    def begin(
        self, step: PlanStep, tried_credentials: frozenset[str] = frozenset()
    ) -> Record:
        """Note that an attempt starts."""
        ordinal = self.made + 1
        record = Record(
            step,
            ordinal,
            self.order.plan.limits,
            self.order.deadline,
            self.now_ms(),
            asyncio.get_running_loop().time(),
            sum(attempt.cost_usd_nanos for attempt in self.attempts),
            self.order.plan.session_key,
            tried_credentials=tried_credentials,
            traceparent=traceparent(self.order.plan, ordinal),
        )
        if record.is_probe:
            first = record.limits.first_token_timeout * _PROBE_PATIENCE
            record.limits = dataclasses.replace(
                record.limits, first_token_timeout=first
            )
            record.patience_s = (record.deadline - record.start) * _PROBE_SHARE
        self.begun.append(record)
        return record

    @property
    def made(self) -> int:
        """How many attempts were begun of the request, by whatever executor."""
        return self.earlier + len(self.begun)

    def is_under_way(self, record: Record) -> bool:
        """Tell whether an attempt that was begun has not ended."""
        return all(attempt.ordinal != record.ordinal for attempt in self.attempts)

    def under_way(self) -> list[Record]:
        """Say which attempts were begun and have not ended."""
        return [record for record in self.begun if self.is_under_way(record)]

    def end(self, attempt: Attempt) -> None:
        """Note how an attempt ended, and tell."""
        if attempt.ordinal in self.ended:
            return
        self.attempts.append(attempt)
        self.tell(self.order, attempt)

    def fail(self, record: Record, error: ProviderError) -> None:
        """Note that an attempt failed."""
        self.end(
            Attempt(
                record.ordinal,
                record.step.deployment.id,
                error.outcome,
                error.http_status,
                safe_words(error),
                record.start_time_ms,
                duration=self.since(record),
                retry_after=error.retry_after,
                usage=record.usage,
                cost_usd_nanos=record.cost_usd_nanos(record.usage),
                credential=record.credential,
                allowance=record.allowance,
                observed_geography=record.observed_geography(record.usage)
                if error.http_status
                else "",
                left_out=record.left_out,
                step_reason=record.step.reason,
                cache_saving_usd_nanos=record.cache_saving_usd_nanos(record.usage),
            )
        )

    def since(self, record: Record) -> timedelta:
        """Say how long an attempt has been going on."""
        now = asyncio.get_running_loop().time()
        return timedelta(seconds=max(0.0, now - record.start))


def traceparent(plan: Plan, ordinal: int) -> str:
    """Name an attempt's span: version, trace, span, and that it is recorded."""
    return f"00-{plan.trace_id}-{attempt_span_id(plan.plan_id, ordinal)}-01"


_MOST_WORDS = 200
"""Characters of a failure's message in an attempt, as attempt.proto bounds it."""


def safe_words(error: ProviderError) -> str:
    """Say what went wrong without what a provider said of it.

    A provider's words are for the caller: they may quote the prompt, and an
    attempt is kept and shown to others.
    """
    is_own = error.http_status == 0 or error.unfit is not None
    own_words = error.message if is_own else error.code
    return own_words[:_MOST_WORDS]


_EARLY_S = 0.001
"""What a timer may ring early: uvloop counts in whole milliseconds."""


def is_late(deadline: float) -> bool:
    """Tell whether a request's own time has run out."""
    return asyncio.get_running_loop().time() >= deadline - _EARLY_S
