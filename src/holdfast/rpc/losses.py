"""Tells the resolver what a lost executor cannot tell any more.

Of a stream whose executor is gone it is known who gave it, under which plan, and what
had arrived. That is what its attempt is put down as, and what budgets are charged.
"""

import asyncio
import dataclasses
from dataclasses import dataclass
from datetime import timedelta

import structlog

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.errors import GatewayError
from holdfast.model import Attempt, Finished, Outcome, Plan, Usage
from holdfast.ports import (
    AttemptReport,
    ReportAttemptsRequest,
    ResolveModelRequest,
    Resolver,
)
from holdfast.pricing import cost_usd_nanos
from holdfast.signing import SignedPlan

_log = structlog.get_logger("holdfast.rpc")

_PATIENCE_S = 30.0
"""How long a report waits for a resolver, in seconds: one that went with the executor
is started again by then."""

_PAUSE_S = 1.0

_WORDS = "the executor was lost; its usage is estimated from what had arrived"


@dataclass(frozen=True, slots=True)
class Loss:
    """What is known of an attempt whose executor is gone.

    Attributes:
        served: Who gave the answer, as the executor had said.
        began_ms: When it was asked, in Unix milliseconds.
        lasted: Until it was lost.
        input_tokens: Of the request, estimated.
        output_tokens: That had arrived, estimated.
    """

    plan: Plan
    served: executor_pb.Served
    began_ms: int
    lasted: timedelta
    input_tokens: int
    output_tokens: int

    @property
    def attempt(self) -> Attempt:
        """The attempt, as it is put down."""
        served = self.served
        usage = Usage(self.input_tokens, self.output_tokens)
        steps = {step.deployment.id: step for step in self.plan.steps}
        step = steps.get(served.deployment_id)
        pricing = None if step is None else step.deployment.pricing
        return Attempt(
            served.ordinal,
            served.deployment_id,
            Outcome.EXECUTOR_LOST,
            error_message=_WORDS,
            start_time_ms=self.began_ms,
            duration=self.lasted,
            usage=usage,
            cost_usd_nanos=cost_usd_nanos(usage, pricing) if pricing else 0,
            step_reason=None if step is None else step.reason,
        )

    @property
    def report(self) -> AttemptReport:
        """What the resolver is told of the attempt."""
        return dataclasses.replace(_about(self.plan), attempts=(self.attempt,))

    def ending(self, surface: int, error_reason: str, began_ms: int) -> AttemptReport:
        """Write what it is told where the request ends with it, as its plan has it.

        Args:
            surface: Which API it was written in.
            error_reason: Why there is no whole answer under this plan.
            began_ms: When the request began, in Unix milliseconds.
        """
        attempt = self.attempt
        unended = Unended(
            surface=surface,
            streamed=True,
            error_reason=error_reason,
            began_ms=began_ms,
            ended_ms=self.began_ms + self.lasted // timedelta(milliseconds=1),
            attempt_count=self.served.attempt_count,
            deployment_id=attempt.deployment_id,
            cost_usd_nanos=attempt.cost_usd_nanos,
        )
        return unended.report(self.plan)


@dataclass(frozen=True, slots=True)
class Unended:
    """A request under a plan, of which no executor tells that it has ended.

    Attributes:
        surface: Which API it was written in.
        error_reason: Why there is no whole answer under the plan.
        began_ms: When it began, in Unix milliseconds.
        ended_ms: When it ended, likewise.
        deployment_id: Which had begun to answer. Empty: none had.
    """

    surface: int
    streamed: bool
    error_reason: str
    began_ms: int
    ended_ms: int
    attempt_count: int
    deployment_id: str = ""
    cost_usd_nanos: int = 0

    def report(self, plan: Plan) -> AttemptReport:
        """Write what the resolver is told of its end."""
        finished = Finished(
            trace_id=plan.trace_id,
            requested_model=plan.requested_model,
            surface=_name(self.surface),
            streamed=self.streamed,
            start_time_ms=self.began_ms,
            duration=timedelta(milliseconds=max(0, self.ended_ms - self.began_ms)),
            parent_span_id=plan.parent_span_id,
            revision=plan.revision,
            deployment_id=self.deployment_id,
            error_reason=self.error_reason,
            session_affinity=plan.session_affinity,
            attempt_count=self.attempt_count,
            cost_usd_nanos=self.cost_usd_nanos,
            tags=plan.tags,
        )
        return dataclasses.replace(_about(plan), finished=finished)


def _about(plan: Plan) -> AttemptReport:
    return AttemptReport(
        plan.caller,
        plan.plan_id,
        plan.session_key,
        plan.bound_deployment_id,
        (),
        plan.limits.retry_after_cap,
        requested_model=plan.requested_model,
        reservation=plan.reservation,
        trace_id=plan.trace_id,
    )


def _name(surface: int) -> str:
    """Say what a surface is called in traces: without whose it is."""
    known = executor_pb.Surface.Name(executor_pb.Surface.ValueType(surface))
    return known.split("_", 2)[2].lower()


class Losses:
    """Tells a resolver of losses, off the request's path, and has plans made anew."""

    def __init__(self, resolver: Resolver) -> None:
        """Tell this one."""
        self._resolver = resolver
        self._telling: set[asyncio.Task[None]] = set()

    def tell(self, report: AttemptReport) -> None:
        """Tell, as soon as somebody takes it."""
        task = asyncio.create_task(self._tell(report))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def resolve(
        self, asked: ResolveModelRequest, deadline: float | None
    ) -> SignedPlan:
        """Have a plan made anew.

        Raises:
            GatewayError: There is none, by now.
        """
        return await self._resolver.resolve_model(asked, deadline=deadline)

    async def close(self) -> None:
        """Tell no more."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _tell(self, report: AttemptReport) -> None:
        now = asyncio.get_running_loop().time
        until = now() + _PATIENCE_S
        while True:
            try:
                await self._resolver.report_attempts(ReportAttemptsRequest((report,)))
            except GatewayError as error:
                if now() + _PAUSE_S >= until:
                    _log.warning("loss_not_reported", reason=error.reason)
                    return
                await asyncio.sleep(_PAUSE_S)
            else:
                return
