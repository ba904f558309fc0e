"""Carry out a plan: call its deployments in turn until one answers. Read this first.

Knows nothing of HTTP or gRPC. What it means to call a deployment is passed in,
so that a test can say in one line how each call ends. The loop is the same
whether the answer comes whole or as a stream: a streamed attempt has succeeded
once its first content is there, and until then a failure falls back unseen.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

import structlog

from holdfast.errors import DeadlineExceededError, GatewayError, PlanRefusedError
from holdfast.model import (
    Attempt,
    Caller,
    Limits,
    Outcome,
    PlanStep,
    ScopedPolicy,
    SessionAffinity,
)
from holdfast.outcome import CONSEQUENCES, Then
from holdfast.policy import objection
from holdfast_executor.dialects import ProviderError
from holdfast_executor.verdict import verdict

_log = structlog.get_logger("holdfast.executor")

_RETRIABLE = frozenset(
    {Outcome.RATE_LIMITED, Outcome.SERVER_ERROR, Outcome.CONNECTION_FAILED}
)
"""What may be asked of the same deployment again. A silent one is not: its next
silence would cost as much time as this one."""

_BACKOFF = timedelta(milliseconds=250)
"""Before the same deployment is asked again, doubling; what SDKs begin with too."""


@dataclass(frozen=True, slots=True)
class Order:
    """A plan as the executor needs it: what to try, for whom, and how hard.

    Attributes:
        steps: Read as they are needed: most are not.
        deadline: When the request ends, on the event loop's clock.
    """

    plan_id: str
    trace_id: str
    caller: Caller
    steps: Iterable[PlanStep]
    policies: tuple[ScopedPolicy, ...]
    limits: Limits
    session_key: str
    session_affinity: SessionAffinity
    bound_deployment_id: str
    deadline: float


@dataclass(slots=True)
class Record:
    """What is known of one attempt while it is made.

    Attributes:
        earlier_cost_usd_nanos: What the failed attempts before it cost.
    """

    step: PlanStep
    ordinal: int
    limits: Limits
    deadline: float
    start_time_ms: int
    start: float
    earlier_cost_usd_nanos: int = 0


_Answer = TypeVar("_Answer")

Call = Callable[[Record], Awaitable[_Answer | ProviderError]]
"""Calls a deployment; a failure is a value, not an exception."""


@dataclass(slots=True)
class Progress:
    """The attempts of one request so far, and whom to tell of each.

    Attributes:
        tell: Takes each attempt as it ends.
    """

    order: Order
    tell: Callable[[Order, Attempt], None]
    now_ms: Callable[[], int]
    attempts: list[Attempt] = field(default_factory=list)

    def begin(self, step: PlanStep) -> Record:
        """Note that an attempt starts."""
        return Record(
            step,
            len(self.attempts) + 1,
            self.order.limits,
            self.order.deadline,
            self.now_ms(),
            asyncio.get_running_loop().time(),
            sum(attempt.cost_usd_nanos for attempt in self.attempts),
        )

    def end(self, attempt: Attempt) -> None:
        """Note how an attempt ended, and tell."""
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
            )
        )

    def since(self, record: Record) -> timedelta:
        """Say how long an attempt has been going on."""
        now = asyncio.get_running_loop().time()
        return timedelta(seconds=max(0.0, now - record.start))


_ABANDONED = ProviderError(Outcome.CANCELLED, "the caller went away")
_UNREADABLE = ProviderError(
    Outcome.PARSE_FAILED, "the provider's answer could not be read"
)

_MOST_WORDS = 200
"""Characters of a failure's message in an attempt, as attempt.proto bounds it."""


def safe_words(error: ProviderError) -> str:
    """Say what went wrong without what a provider said of it.

    A provider's words are for the caller: they may quote the prompt, and an
    attempt is kept and shown to others.
    """
    own_words = error.message if error.http_status == 0 else error.code
    return own_words[:_MOST_WORDS]


_EARLY_S = 0.001
"""What a timer may ring early: uvloop counts in whole milliseconds."""


def is_late(deadline: float) -> bool:
    """Tell whether a request's own time has run out."""
    return asyncio.get_running_loop().time() >= deadline - _EARLY_S


class Walk(Generic[_Answer]):
    """One request's way through the steps of its plan."""

    def __init__(self, progress: Progress, call: Call[_Answer]) -> None:
        """Begin before the first step.

        Args:
            progress: Where attempts are noted. An answer's own attempt is left
                to whoever takes the answer, since it has not ended yet.
            call: Calls one deployment.
        """
        self._progress = progress
        self._order = progress.order
        self._call = call
        self._window = 0
        self._failures: list[ProviderError] = []

    async def go(self) -> _Answer:
        """Call each step's deployment in turn until one answers.

        Raises:
            GatewayError: None did; the kind says why.
        """
        refused = 0
        for step in self._order.steps:
            if len(self._progress.attempts) >= self._order.limits.max_attempts:
                break
            if self._too_small(step):
                continue
            if (rule := objection(self._order.policies, step.deployment)) is not None:
                refused += 1
                _log.error(
                    "step_refused",
                    plan_id=self._order.plan_id,
                    deployment_id=step.deployment.id,
                    rule=rule,
                )
                continue
            answer = await self._try(step)
            if not isinstance(answer, ProviderError):
                return answer
            if self._is_late():
                raise self._late()
            if self._ends(answer, step):
                break
        if refused and not self._failures:
            raise PlanRefusedError(
                "No step of the plan obeys the policies it bears.", key_id=""
            )
        raise self._verdict()

    async def _try(self, step: PlanStep) -> _Answer | ProviderError:
        """Call a step's deployment, as often as the limits say."""
        limits = self._order.limits
        tries = 0
        while True:
            record = self._progress.begin(step)
            try:
                answer = await self._call(record)
            except Exception:  # noqa: BLE001 - another deployment may answer yet
                _log.exception(
                    "attempt_crashed",
                    plan_id=self._order.plan_id,
                    deployment_id=step.deployment.id,
                )
                answer = _UNREADABLE
            except BaseException:
                self._progress.fail(record, _ABANDONED)
                raise
            if not isinstance(answer, ProviderError):
                return answer
            if self._is_late():
                # The caller's time ran out, not the deployment's.
                answer = dataclasses.replace(answer, outcome=Outcome.CANCELLED)
            self._progress.fail(record, answer)
            self._failures.append(answer)
            tries += 1
            wait = max(
                answer.retry_after or timedelta(), _BACKOFF * (1 << min(tries, 8) - 1)
            )
            if (
                tries > limits.retries_per_deployment
                or answer.outcome not in _RETRIABLE
                or wait > limits.retry_after_cap
                or len(self._progress.attempts) >= limits.max_attempts
                or not await self._slept(wait)
            ):
                return answer

    async def _slept(self, wait: timedelta) -> bool:
        """Wait, unless the request would end meanwhile."""
        seconds = wait.total_seconds()
        if asyncio.get_running_loop().time() + seconds >= self._order.deadline:
            return False
        await asyncio.sleep(seconds)
        return True

    def _too_small(self, step: PlanStep) -> bool:
        """Skip what takes no more tokens than what was already too small."""
        window = step.deployment.context_window_tokens
        return bool(self._window and window and window <= self._window)

    def _ends(self, failure: ProviderError, step: PlanStep) -> bool:
        """Tell whether a failure ends the request, by the one table of outcomes."""
        then = CONSEQUENCES[failure.outcome].then
        if then is Then.LARGER_WINDOW:
            window = step.deployment.context_window_tokens
            self._window = max(self._window, window)
            return False
        if then is Then.NEXT_IF_POLICY_SAYS:
            return not self._order.limits.fall_back_on_content_filter
        return then is Then.RETURN

    def _is_late(self) -> bool:
        return is_late(self._order.deadline)

    def _late(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            "The request's time ran out before any deployment answered; "
            "allow it more, or ask for less.",
            attempts=self._progress.attempts,
            plan_id=self._order.plan_id,
            attempt_count=str(len(self._progress.attempts)),
        )

    def _verdict(self) -> GatewayError:
        return verdict(
            self._order.plan_id, self._failures, tuple(self._progress.attempts)
        )
