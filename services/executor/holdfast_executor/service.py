"""The executor itself: an `Executor` for whoever lives in the same process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

import msgspec
import structlog

from holdfast import convert
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.errors import (
    RequestMalformedError,
    StreamInterruptedError,
)
from holdfast.model import Attempt, Outcome, SessionAffinity, Usage
from holdfast.pricing import cost_usd_nanos
from holdfast.signing import PlanKeys
from holdfast_executor.calling import Caller
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import ProviderError
from holdfast_executor.execution import (
    Order,
    Progress,
    Record,
    Walk,
    is_late,
    safe_words,
)
from holdfast_executor.streaming import OpenStream, open_stream
from holdfast_executor.unary import Answer, ask

_log = structlog.get_logger("holdfast.executor")

Tell = Callable[[Order, Attempt], None]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ExecutorService:
    """Carries out plans that bear the resolver's signature."""

    def __init__(self, plan_keys: PlanKeys, caller: Caller, tell: Tell) -> None:
        """Put the parts together.

        Args:
            plan_keys: What plans are verified with.
            caller: Calls deployments.
            tell: Takes each attempt as it ends.
        """
        self._plan_keys = plan_keys
        self._caller = caller
        self._tell = tell

    async def execute(
        self, request: pb.ExecuteRequest, *, deadline: float | None = None
    ) -> pb.ExecuteResponse:
        """Execute a request and return the whole answer.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            RequestMalformedError: The body is no request of its surface.
            ExecutionError: No deployment answered.
        """
        order = self._order(request.plan, deadline)
        chat = _chat(request.surface, request.body, stream=False)
        progress = Progress(order, self._told, _now_ms)

        async def call(record: Record) -> Answer | ProviderError:
            return await ask(self._caller, chat, record, order.trace_id)

        answer = await Walk(progress, call).go()
        decoded = answer.decoded
        progress.end(
            _attempt(
                progress,
                answer.record,
                Outcome.SUCCEEDED,
                answer.http_status,
                usage=decoded.usage,
            )
        )
        return pb.ExecuteResponse(
            body=decoded.body,
            attempts=[convert.attempt_to_wire(a) for a in progress.attempts],
            served=_served(
                order, answer.record, _total_cost(answer.record, decoded.usage)
            ),
        )

    async def execute_stream(
        self, request: pb.ExecuteStreamRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[pb.ExecuteStreamResponse, None]:
        """Execute a request and stream the answer: `served`, chunks, `completed`.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            RequestMalformedError: The body is no request of its surface.
            ExecutionError: No deployment answered, or the one that had begun
                broke off.
        """
        order = self._order(request.plan, deadline)
        chat = _chat(request.surface, request.body, stream=True)
        progress = Progress(order, self._told, _now_ms)

        async def call(record: Record) -> OpenStream | ProviderError:
            return await open_stream(self._caller, chat, record, order.trace_id)

        stream = await Walk(progress, call).go()
        record = stream.record
        outcome = Outcome.CANCELLED
        try:
            yield pb.ExecuteStreamResponse(served=_served(order, record, None))
            async with contextlib.aclosing(stream.chunks()) as pieces:
                async for events in pieces:
                    yield pb.ExecuteStreamResponse(chunks=pb.Chunks(events=events))
            if stream.failure is None:
                outcome = Outcome.SUCCEEDED
            elif not is_late(order.deadline):
                # Else it was the caller's time that ran out, not the deployment's.
                outcome = Outcome.INTERRUPTED
        finally:
            await stream.response.close()
            progress.end(
                _attempt(
                    progress,
                    record,
                    outcome,
                    stream.response.status,
                    usage=stream.decoder.usage,
                    first_token=stream.first_token,
                    message=safe_words(stream.failure) if stream.failure else "",
                )
            )
        if stream.failure is not None:
            raise _interrupted(order, record, stream.failure, progress)
        cost = _total_cost(record, stream.decoder.usage)
        if chat.include_usage and (chunk := stream.decoder.usage_chunk(cost)):
            yield pb.ExecuteStreamResponse(chunks=pb.Chunks(events=[chunk]))
        yield pb.ExecuteStreamResponse(
            completed=pb.Completed(
                attempts=[convert.attempt_to_wire(a) for a in progress.attempts],
                cost_usd_nanos=cost,
            )
        )

    def _order(self, signed: plan_pb2.SignedPlan, deadline: float | None) -> Order:
        plan = self._plan_keys.verify(signed)
        limits = convert.limits_from_wire(plan.limits)
        now = asyncio.get_running_loop().time()
        latest = now + limits.request_timeout.total_seconds()
        return Order(
            plan_id=plan.plan_id,
            trace_id=plan.trace_id,
            caller=convert.caller_from_wire(plan.caller),
            steps=map(convert.step_from_wire, plan.steps),
            policies=tuple(convert.policy_from_wire(p) for p in plan.policies),
            limits=limits,
            session_key=plan.session_key,
            session_affinity=SessionAffinity(plan.session_affinity),
            bound_deployment_id=plan.bound_deployment_id,
            deadline=latest if deadline is None else deadline,
        )

    def _told(self, order: Order, attempt: Attempt) -> None:
        _log.info(
            "attempt_finished",
            trace_id=order.trace_id,
            plan_id=order.plan_id,
            ordinal=attempt.ordinal,
            deployment_id=attempt.deployment_id,
            outcome=attempt.outcome.name,
            http_status=attempt.http_status,
            duration_ms=attempt.duration // timedelta(milliseconds=1),
        )
        self._tell(order, attempt)


def _chat(surface: int, body: bytes, *, stream: bool) -> Chat:
    if surface != pb.SURFACE_OPENAI_CHAT_COMPLETIONS:
        raise RequestMalformedError(
            f"Surface {surface} is none that this version serves.", field="surface"
        )
    try:
        chat = Chat.parse(body)
    except msgspec.DecodeError as error:
        raise RequestMalformedError(
            f"The body is no chat completions request: {error}.", field="body"
        ) from error
    if chat.stream is not stream:
        asked = "Execute" if chat.stream is False else "ExecuteStream"
        raise RequestMalformedError(
            f"`stream` in the body says otherwise than the call; use {asked}.",
            field="stream",
        )
    return chat


def _served(order: Order, record: Record, cost: int | None) -> pb.Served:
    deployment = record.step.deployment
    affinity = order.session_affinity
    if affinity is SessionAffinity.KEPT and deployment.id != order.bound_deployment_id:
        affinity = SessionAffinity.MOVED
    return pb.Served(
        deployment_id=deployment.id,
        provider_id=deployment.provider_id,
        geography=deployment.geography,
        session_affinity=plan_pb2.SessionAffinity.ValueType(affinity.value),
        attempt_count=record.ordinal,
        cost_usd_nanos=cost,
    )


def _total_cost(record: Record, usage: Usage | None) -> int | None:
    """Price the answer and the failed attempts before it; None if unknown."""
    pricing = record.step.deployment.pricing
    if usage is None or pricing is None:
        return None
    return record.earlier_cost_usd_nanos + cost_usd_nanos(usage, pricing)


def _interrupted(
    order: Order, record: Record, failure: ProviderError, progress: Progress
) -> StreamInterruptedError:
    deployment_id = record.step.deployment.id
    return StreamInterruptedError(
        f"The stream of {deployment_id} broke off: {failure.message}. "
        "What has arrived is not the whole answer; ask again.",
        attempts=progress.attempts,
        plan_id=order.plan_id,
        attempt_count=str(len(progress.attempts)),
        deployment_id=deployment_id,
    )


def _attempt(  # noqa: PLR0913 - each is one fact about the attempt
    progress: Progress,
    record: Record,
    outcome: Outcome,
    http_status: int,
    *,
    usage: Usage | None,
    first_token: timedelta | None = None,
    message: str = "",
) -> Attempt:
    pricing = record.step.deployment.pricing
    return Attempt(
        record.ordinal,
        record.step.deployment.id,
        outcome,
        http_status,
        message,
        record.start_time_ms,
        progress.since(record),
        first_token,
        None,
        usage,
        cost_usd_nanos(usage, pricing) if usage and pricing else 0,
    )
