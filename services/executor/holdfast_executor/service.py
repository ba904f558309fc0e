"""The executor itself: an `Executor` for whoever lives in the same process."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta

import structlog

from holdfast import convert
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.delivered import Held
from holdfast.errors import StreamInterruptedError
from holdfast.model import Attempt, Finished, SessionAffinity
from holdfast.ports import ExecuteRequest, ExecuteResponse, Resolver
from holdfast.pricing import usd
from holdfast.signing import PlanKeys
from holdfast_executor.attempts import Empty, Order, Progress, Record
from holdfast_executor.calling import Caller
from holdfast_executor.chat import Chat
from holdfast_executor.delivery import Delivery, ended_attempt
from holdfast_executor.dialects import ProviderError
from holdfast_executor.ending import Ending, TellFinished
from holdfast_executor.execution import Walk
from holdfast_executor.guardrails.guard import Guard
from holdfast_executor.guardrails.judging import Judging
from holdfast_executor.guardrails.stream import Source
from holdfast_executor.lessons import Lessons
from holdfast_executor.rescue import Rescue
from holdfast_executor.structured.checker import Checker
from holdfast_executor.structured.form import Form, Forms
from holdfast_executor.structured.streams import Beginning
from holdfast_executor.structured.under_way import UnderWay
from holdfast_executor.surfaces import (
    CHATS,
    SURFACE_NAMES,
    ask_streamed,
    errand,
    natively,
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


_SILENT_AT_MOST_S = 15.0
"""How long a stream whose answer is held back shows nothing at all. Then its head is
sent, so that the edge keeps the connection open: proxies close after 60 s of silence,
impatient clients after 30 s."""


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
        resolver: Resolver | None = None,
        silent_at_most_s: float = _SILENT_AT_MOST_S,
    ) -> None:
        """Put the parts together.

        Args:
            plan_keys: What plans are verified with.
            caller: Calls deployments.
            tell: Takes each attempt as it ends.
            answering: Takes a probe that has begun to be answered.
            finished: Takes each request as it ends.
            lessons: What earlier requests taught. None: nothing yet.
            resolver: Makes plans for guardrails' judges. None: they fail.
            silent_at_most_s: How long a stream whose answer is held back shows
                nothing, in seconds.
        """
        self._plan_keys = plan_keys
        self._caller = caller
        self._tell = tell
        self._answering = answering
        self._finished = finished
        self._lessons = lessons or Lessons()
        self._forms = Forms(Checker(), self._lessons.forms)
        self._judging = Judging(resolver, self._unguarded)
        self._silent_at_most_s = silent_at_most_s

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        """Execute a request and return the whole answer.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            RequestMalformedError: The body is no request of its surface.
            ExecutionError: No deployment answered, or a guardrail let nothing
                through.
        """
        return await self._execute(self._order(request, deadline), request)

    async def _unguarded(
        self, request: ExecuteRequest, deadline: float
    ) -> ExecuteResponse:
        """Execute a judge's request: it is not asked about itself."""
        order = self._order(request, deadline)
        plan = dataclasses.replace(order.plan, guardrails=())
        return await self._execute(Order(plan, order.deadline), request)

    async def _execute(self, order: Order, request: ExecuteRequest) -> ExecuteResponse:
        progress = Progress(order, self._told, _now_ms, earlier=request.attempts)
        with self._ending(progress, request, streamed=False) as ending:
            guard = Guard(
                progress, self._judging, answers_in_words=request.surface in CHATS
            )
            admitted = await guard.admitted(request.body)
            ending.asks(admitted)
            asked = errand(
                request.surface, admitted, self._forms, self._lessons.batches
            )
            if asked.form is not None:
                await asked.form.prepare()

            async def call(record: Record) -> Answer | Empty[Answer] | ProviderError:
                return await asked.ask(self._caller, record, order.plan.trace_id)

            arrange = None if asked.form is None else asked.form.arranged
            answer = await Walk(progress, call, self._lessons, arrange=arrange).go()
            record, decoded = answer.record, answer.decoded
            try:
                body = await guard.released(decoded.body)
            finally:
                progress.end(
                    ended_attempt(
                        progress,
                        record,
                        guard.outcome,
                        answer.http_status,
                        usage=decoded.usage,
                    )
                )
            _serves(ending, progress, record)
            guard.raise_if_blocked()
            ending.keep(body)
        cost = record.total_cost_usd_nanos(decoded.usage)
        return ExecuteResponse(body, _served(progress, record, cost), progress.attempts)

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[pb.ExecuteStreamResponse, None]:
        """Execute a request and stream the answer: `served`, chunks, `completed`.

        Of an answer that another executor began there is `taken_up`, and of the
        chunks the rest.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            RequestMalformedError: The body is no request of its surface.
            ExecutionError: No deployment answered, the one that had begun broke
                off, or a guardrail let nothing more through.
        """
        order = self._order(request, deadline)
        progress = Progress(
            order,
            self._told,
            _now_ms,
            earlier=request.attempts,
        )
        with self._ending(progress, request, streamed=True) as ending:
            guard = Guard(progress, self._judging)
            admitted = await guard.admitted(request.body)
            ending.asks(admitted)
            chat = streamed_chat(request.surface, admitted)
            form = await self._form_of(chat)

            async def call(
                record: Record,
            ) -> Beginning | Empty[Beginning] | ProviderError:
                return await ask_streamed(
                    self._caller, chat, form, record, order.plan.trace_id
                )

            arrange = None if form is None else form.arranged
            walk = Walk[Beginning](progress, call, self._lessons, _close, arrange)
            rescue = Rescue(self._caller, chat, progress, self._lessons, guard)
            is_served = request.held is not None
            stream: Source
            if request.held is not None:
                stream = await _resumed(rescue, request.held, progress)
            elif form is None:
                stream = guard.around(await walk.go())
            else:
                async with UnderWay(walk.go()) as going:
                    if not await going.ends_within(self._silent_at_most_s):
                        yield _begun(progress)
                        is_served = True
                    stream = guard.around(await going.result())
            self._tell_of_probe(order, stream.record)
            delivery = Delivery(stream, rescue, progress)
            try:
                events = await delivery.read() if guard.reads_ahead else b""
                guard.raise_if_blocked()
                ending.begins()
                yield _begun(progress, stream.record, is_known=is_served)
                while events := events or await delivery.read():
                    if delivery.stream is not stream:
                        stream = delivery.stream
                        yield _begun(progress, stream.record, is_known=True)
                    ending.keep(events)
                    yield _chunks(events)
                    events = b""
            finally:
                await delivery.end()
                _serves(ending, progress, delivery.stream.record)
            guard.raise_if_blocked()
            delivery.raise_if_broken()
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

    def _tell_of_probe(self, order: Order, record: Record) -> None:
        """Tell at once of a probe that is answered; of any other attempt later."""
        if record.is_probe:
            self._answering(order, record)

    async def _form_of(self, chat: Chat) -> Form | None:
        """Return the form that an answer is to have, ready to be checked."""
        form = self._forms.of(chat)
        if form is not None:
            await form.prepare()
        return form

    def _ending(
        self, progress: Progress, request: ExecuteRequest, *, streamed: bool
    ) -> Ending:
        return Ending(
            progress,
            self._finished,
            surface=SURFACE_NAMES.get(request.surface, ""),
            streamed=streamed,
        )

    def _order(self, request: ExecuteRequest, deadline: float | None) -> Order:
        plan = natively(self._plan_keys.verify(request.plan), request.surface)
        if deadline is None:
            now = asyncio.get_running_loop().time()
            deadline = now + plan.limits.request_timeout.total_seconds()
        return Order(plan, deadline, request.may_hand_on)

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
            self._lessons.strays.learn(
                next(
                    step.deployment
                    for step in order.plan.steps
                    if step.deployment.id == attempt.deployment_id
                ),
                attempt.observed_geography,
            )
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


def _begun(
    progress: Progress, record: Record | None = None, *, is_known: bool = False
) -> pb.ExecuteStreamResponse:
    """Say who serves a stream; where nobody does yet, who is being asked.

    Args:
        progress: Of the request.
        record: The attempt that serves it. None: none does yet.
        is_known: Whether the caller has been told who serves, by now maybe another.
    """
    served = _served(progress, record or progress.begun[-1], None)
    if is_known:
        return pb.ExecuteStreamResponse(taken_up=served)
    return pb.ExecuteStreamResponse(served=served)


def _served(progress: Progress, record: Record, cost: int | None) -> pb.Served:
    deployment = record.step.deployment
    affinity = _affinity(progress, deployment.id)
    plan = progress.order.plan
    return pb.Served(
        deployment_id=deployment.id,
        provider_id=deployment.provider_id,
        geography=deployment.geography,
        session_affinity=plan_pb2.SessionAffinity.ValueType(affinity.value),
        attempt_count=progress.made,
        ordinal=record.ordinal,
        cost_usd_nanos=cost,
        revision=plan.revision,
        warning_budget_id=plan.reservation.warning if plan.reservation else "",
    )


async def _close(stream: Beginning) -> None:
    await stream.close()


async def _resumed(rescue: Rescue, held: Held, progress: Progress) -> Source:
    """Go on with an answer that another executor began.

    Raises:
        StreamInterruptedError: Nobody can.
    """
    stream = await rescue.resume(held)
    if stream is None:
        plan_id = progress.order.plan.plan_id
        raise StreamInterruptedError(
            "The stream broke off with the executor that passed it on, and nobody "
            "could go on with it. What has arrived is not the whole answer; ask again.",
            attempts=progress.attempts,
            plan_id=plan_id,
            attempt_count=str(len(progress.attempts)),
            deployment_id="",
            delivered_tokens=str(held.pieces),
            cost_usd=usd(sum(each.cost_usd_nanos for each in progress.attempts)),
            **rescue.mark,
        )
    return stream
