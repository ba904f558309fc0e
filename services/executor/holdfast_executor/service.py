"""The executor itself: an `Executor` for whoever lives in the same process."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

import structlog

from holdfast import convert
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.errors import StreamInterruptedError
from holdfast.model import Attempt, Finished, Outcome, SessionAffinity
from holdfast.ports import ExecuteRequest, ExecuteResponse
from holdfast.pricing import usd
from holdfast.signing import PlanKeys, SignedPlan
from holdfast_executor.attempts import Empty, Order, Progress, Record
from holdfast_executor.calling import Caller
from holdfast_executor.delivery import Delivery, ended_attempt
from holdfast_executor.dialects import ProviderError
from holdfast_executor.ending import Ending, TellFinished
from holdfast_executor.execution import Walk
from holdfast_executor.lessons import Lessons
from holdfast_executor.rescue import Rescue
from holdfast_executor.streaming import OpenStream
from holdfast_executor.surfaces import (
    SURFACE_NAMES,
    ask_streamed,
    asking,
    streamed_chat,
)
from holdfast_executor.unary import Answer

_log = structlog.get_logger("holdfast.executor")

Tell = Callable[[Order, Attempt], None]
Answering = Callable[[Order, Record], None]


def _nobody(_order: Order, _record: Record) -> None:
    """Stand for nobody who wants to know."""


def _untold(_order: Order, _finished: Finished) -> None:
    """Stand for nobody who wants to know."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ExecutorService:
    """Carries out plans that bear the resolver's signature."""

    def __init__(  # noqa: PLR0913 - each is for the caller to choose
        self,
        plan_keys: PlanKeys,
        caller: Caller,
        tell: Tell,
        *,
        answering: Answering = _nobody,
        finished: TellFinished = _untold,
        lessons: Lessons | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            plan_keys: What plans are verified with.
            caller: Calls deployments.
            tell: Takes each attempt as it ends.
            answering: Takes a probe that has begun to be answered.
            finished: Takes each request as it ends.
            lessons: What earlier requests taught. None: nothing yet.
        """
        self._plan_keys = plan_keys
        self._caller = caller
        self._tell = tell
        self._answering = answering
        self._finished = finished
        self._lessons = lessons or Lessons()

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        """Execute a request and return the whole answer.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            RequestMalformedError: The body is no request of its surface.
            ExecutionError: No deployment answered.
        """
        order = self._order(request.plan, deadline)
        ask = asking(request.surface, request.body)
        progress = Progress(order, self._told, _now_ms)

        async def call(record: Record) -> Answer | Empty[Answer] | ProviderError:
            return await ask(self._caller, record, order.plan.trace_id)

        with self._ending(progress, request, streamed=False) as ending:
            answer = await Walk(progress, call, self._lessons).go()
            record, decoded = answer.record, answer.decoded
            progress.end(
                ended_attempt(
                    progress,
                    record,
                    Outcome.SUCCEEDED,
                    answer.http_status,
                    usage=decoded.usage,
                )
            )
            _serves(ending, progress, record)
            ending.keep(decoded.body)
        cost = record.total_cost_usd_nanos(decoded.usage)
        return ExecuteResponse(
            decoded.body, _served(progress, record, cost), progress.attempts
        )

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[pb.ExecuteStreamResponse, None]:
        """Execute a request and stream the answer: `served`, chunks, `completed`.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            RequestMalformedError: The body is no request of its surface.
            ExecutionError: No deployment answered, or the one that had begun
                broke off.
        """
        order = self._order(request.plan, deadline)
        chat = streamed_chat(request.surface, request.body)
        progress = Progress(order, self._told, _now_ms)

        async def call(
            record: Record,
        ) -> OpenStream | Empty[OpenStream] | ProviderError:
            return await ask_streamed(self._caller, chat, record, order.plan.trace_id)

        with self._ending(progress, request, streamed=True) as ending:
            stream = await Walk(progress, call, self._lessons, OpenStream.close).go()
            if stream.record.is_probe:
                self._answering(order, stream.record)
            rescue = Rescue(self._caller, chat, progress, self._lessons)
            delivery = Delivery(stream, rescue, progress)
            try:
                ending.begins()
                yield pb.ExecuteStreamResponse(
                    served=_served(progress, stream.record, None)
                )
                while events := await delivery.read():
                    ending.keep(events)
                    yield _chunks(events)
            finally:
                await delivery.end()
                _serves(ending, progress, delivery.stream.record)
            if delivery.failure is not None:
                raise _interrupted(delivery, progress)
            cost = delivery.cost_usd_nanos
            if chat.include_usage and (events := delivery.stream.usage_event(cost)):
                yield _chunks(events)
            ending.answered()
            yield pb.ExecuteStreamResponse(
                completed=pb.Completed(
                    attempts=[convert.attempt_to_wire(a) for a in progress.attempts],
                    cost_usd_nanos=cost,
                )
            )

    def _ending(
        self, progress: Progress, request: ExecuteRequest, *, streamed: bool
    ) -> Ending:
        return Ending(
            progress,
            self._finished,
            surface=SURFACE_NAMES[request.surface],
            streamed=streamed,
            body=request.body,
        )

    def _order(self, signed: SignedPlan, deadline: float | None) -> Order:
        plan = self._plan_keys.verify(signed)
        if deadline is None:
            now = asyncio.get_running_loop().time()
            deadline = now + plan.limits.request_timeout.total_seconds()
        return Order(plan, deadline)

    def _told(self, order: Order, attempt: Attempt) -> None:
        _log.info(
            "attempt_finished",
            trace_id=order.plan.trace_id,
            plan_id=order.plan.plan_id,
            ordinal=attempt.ordinal,
            deployment_id=attempt.deployment_id,
            outcome=attempt.outcome.name,
            http_status=attempt.http_status,
            duration_ms=attempt.duration // timedelta(milliseconds=1),
        )
        if attempt.observed_geography:
            self._lessons.strays[attempt.deployment_id] += 1
            _log.error(
                "residency_contradicted",
                trace_id=order.plan.trace_id,
                deployment_id=attempt.deployment_id,
                observed_geography=attempt.observed_geography,
            )
        self._tell(order, attempt)


def _chunks(events: bytes) -> pb.ExecuteStreamResponse:
    response = pb.ExecuteStreamResponse()
    # Half the cost of handing a message over to another one's constructor.
    response.chunks.events = events
    return response


def _serves(ending: Ending, progress: Progress, record: Record) -> None:
    step = record.step
    affinity = _affinity(progress, step.deployment.id)
    ending.serves(step.deployment.id, step.response_model, affinity)


def _affinity(progress: Progress, served_id: str) -> SessionAffinity:
    """Say how the session bore on who served in the end."""
    plan = progress.order.plan
    affinity = plan.session_affinity
    if affinity is SessionAffinity.KEPT and served_id != plan.bound_deployment_id:
        return SessionAffinity.MOVED
    return affinity


def _served(progress: Progress, record: Record, cost: int | None) -> pb.Served:
    deployment = record.step.deployment
    affinity = _affinity(progress, deployment.id)
    return pb.Served(
        deployment_id=deployment.id,
        provider_id=deployment.provider_id,
        geography=deployment.geography,
        session_affinity=plan_pb2.SessionAffinity.ValueType(affinity.value),
        attempt_count=len(progress.begun),
        cost_usd_nanos=cost,
    )


def _interrupted(delivery: Delivery, progress: Progress) -> StreamInterruptedError:
    failure = delivery.failure
    deployment_id = delivery.stream.record.step.deployment.id
    cost = sum(attempt.cost_usd_nanos for attempt in progress.attempts)
    return StreamInterruptedError(
        f"The stream of {deployment_id} broke off: "
        f"{failure.message if failure else 'nobody knows why'}. "
        "What has arrived is not the whole answer; ask again.",
        attempts=progress.attempts,
        plan_id=progress.order.plan.plan_id,
        attempt_count=str(len(progress.attempts)),
        deployment_id=deployment_id,
        delivered_tokens=str(delivery.delivered_tokens),
        cost_usd=usd(cost),
    )
