"""Taking up a stream that broke off after its first content, where that is honest.

What is left of the plan is walked on: whoever is next is asked for the rest of the
answer, or made to repeat it in silence as far as the caller has it. The caller sees
one stream. How two halves are fitted together is decided in `continuation.py`.
"""

import dataclasses
from datetime import timedelta

from holdfast.delivered import Delivered, Held
from holdfast.errors import GatewayError
from holdfast.model import Capability, Outcome, PlanStep, Usage
from holdfast.standpoint import OUT_OF_TOUCH
from holdfast_executor import answer
from holdfast_executor.attempts import Progress, Record, is_late
from holdfast_executor.calling import Caller
from holdfast_executor.chat import Chat
from holdfast_executor.continuation import (
    Splice,
    Way,
    continued,
    may_be_taken_up,
)
from holdfast_executor.dialects import ProviderError, StreamDecoder
from holdfast_executor.execution import Walk
from holdfast_executor.guardrails.guard import Guard
from holdfast_executor.guardrails.stream import Source
from holdfast_executor.lessons import Lessons
from holdfast_executor.streaming import open_stream

_BYTES_PER_TOKEN = 4
"""The usual rule of thumb for English, where a provider has said nothing."""

_OTHER = ProviderError(
    Outcome.CAPABILITY_MISSING, "it answers otherwise than the answer began"
)
_SILENT = ProviderError(
    Outcome.SERVER_ERROR, "the stream ended before it said anything new"
)
_UNABLE = frozenset({Outcome.REJECTED, Outcome.CAPABILITY_MISSING})
"""What a deployment says that takes no beginning of an answer."""


class TakenUp:
    """A stream that goes on where another one broke off. As an `OpenStream` is."""

    def __init__(self, stream: Source, splice: Splice, held: Held, new: bytes) -> None:
        """Go on with a stream.

        Args:
            stream: Has said something new.
            splice: Fits it to what the caller has.
            held: What that is.
            new: The first events that the caller does not have.
        """
        self.record: Record = stream.record
        self.response = stream.response
        self.decoder: StreamDecoder = stream.decoder
        self.first_token: timedelta = stream.first_token
        self._stream = stream
        self._splice = splice
        self._held = held
        self._new = new

    @property
    def failure(self) -> ProviderError | None:
        """Why the stream broke off, once it has."""
        return self._stream.failure

    async def read(self) -> bytes:
        """Return what is new to the caller, waiting for some; nothing at the end."""
        new, self._new = self._new, b""
        while not new:
            events = await self._stream.read()
            if not events:
                break
            new = self._splice.take(events)
        return new

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the usage of the answer that the caller has; empty if unknown."""
        usage = self.decoder.usage
        if usage is None:
            return b""
        if self._splice.way is Way.CONTINUE:
            output_tokens = usage.output_tokens + self._held.pieces
            usage = dataclasses.replace(usage, output_tokens=output_tokens)
        return answer.usage_event(
            answer_id=self._held.answer_id,
            created=self._held.created,
            model=self.record.step.response_model,
            usage=answer.usage_object(usage, cost_usd_nanos),
        )

    async def close(self) -> None:
        """Read no more, and let go of the provider."""
        await self._stream.close()


class Rescue:
    """What is known of one caller's stream, and what can be done if it breaks."""

    def __init__(
        self,
        caller: Caller,
        chat: Chat,
        progress: Progress,
        lessons: Lessons,
        guard: Guard,
    ) -> None:
        """Begin with nothing delivered.

        Args:
            caller: Calls deployments.
            chat: What was asked.
            progress: Of the request.
            lessons: What earlier requests taught.
            guard: What streams pass through before anything is done with them.
        """
        self.delivered = Delivered()
        self._caller = caller
        self._chat = chat
        self._progress = progress
        self._lessons = lessons
        self._guard = guard
        self._refuse_beginnings: set[str] = set()
        self._is_lost = False

    @property
    def mark(self) -> dict[str, str]:
        """What the error says besides, where nobody could be reached any more."""
        return {OUT_OF_TOUCH: "true"} if self._is_lost else {}

    def usage(self, stream: Source) -> Usage:
        """Say what a stream that broke off has used, by what came of it at least."""
        return self._estimated(stream.decoder, self.delivered.read().pieces)

    def _estimated(self, decoder: StreamDecoder, pieces: int) -> Usage:
        reported = decoder.usage
        if reported is None:
            return Usage(len(self._chat.body) // _BYTES_PER_TOKEN, pieces)
        output_tokens = max(reported.output_tokens, pieces)
        return dataclasses.replace(reported, output_tokens=output_tokens)

    async def resume(self, held: Held) -> TakenUp | None:
        """Go on with a stream whose executor is gone; None if nobody can.

        Args:
            held: What the caller has of it.
        """
        self.delivered = Delivered(held)
        return await self.take_up(None)

    async def take_up(self, broken: Source | None) -> TakenUp | None:
        """Have another deployment go on with a stream; None if none can.

        Args:
            broken: Its attempt has ended. None: another executor had it.
        """
        order = self._progress.order
        held = self.delivered.read()
        if (
            not order.plan.limits.rescue_streams
            or held.obstacle
            or is_late(order.deadline)
            or not may_be_taken_up(self._chat)
        ):
            return None
        steps = self._steps(broken)
        if not steps or len(self._progress.attempts) >= order.plan.limits.max_attempts:
            return None
        plan = dataclasses.replace(order.plan, steps=steps)
        rest = dataclasses.replace(order, plan=plan)
        progress = dataclasses.replace(
            self._progress,
            order=rest,
            broken_off=broken.record.step.deployment.id if broken else "",
        )

        async def call(record: Record) -> TakenUp | ProviderError:
            return await self._open(record, held)

        try:
            return await Walk(progress, call, self._lessons).go()
        except GatewayError as error:
            self._is_lost = OUT_OF_TOUCH in error.metadata
            return None

    def _steps(self, broken: Source | None) -> tuple[PlanStep, ...]:
        """Say who may go on: all that are untried, then the one that broke off.

        Not if it fell silent: its next silence would cost as much time.
        """
        tried = {attempt.deployment_id for attempt in self._progress.attempts}
        steps = [
            step
            for step in self._progress.order.plan.steps
            if step.deployment.id not in tried
        ]
        failure = None if broken is None else broken.failure
        if broken and failure and failure.outcome is not Outcome.TIMED_OUT:
            steps.append(broken.record.step)
        return tuple(steps)

    async def _open(self, record: Record, held: Held) -> TakenUp | ProviderError:
        """Have one deployment go on."""
        deployment = record.step.deployment
        way = Way.REPLAY
        chat = self._chat
        if (
            held.text.strip()
            and Capability.ASSISTANT_PREFIX in deployment.capabilities
            and deployment.id not in self._refuse_beginnings
        ):
            way = Way.CONTINUE
            chat = continued(chat, held.text, held.pieces)
        trace_id = self._progress.order.plan.trace_id
        stream = await open_stream(self._caller, chat, record, trace_id)
        if not isinstance(stream, ProviderError):
            # The caller has what was let through, and that is what is repeated.
            before = held.text if way is Way.CONTINUE else ""
            passed = self._guard.around(stream, before)
            return await self._joined(passed, Splice(held, way), held)
        if stream.outcome not in _UNABLE:
            return stream
        # About what we made of the request, not about what the caller asked.
        may_replay = way is Way.CONTINUE
        self._refuse_beginnings.add(deployment.id)
        return dataclasses.replace(
            stream, outcome=Outcome.CAPABILITY_MISSING, ask_again=may_replay
        )

    async def _joined(
        self, stream: Source, splice: Splice, held: Held
    ) -> TakenUp | ProviderError:
        """Read a stream until it says something that the caller does not have."""
        new = b""
        try:
            while not new and not splice.differs:
                events = await stream.read()
                if not events:
                    break
                new = splice.take(events)
        except BaseException:
            await stream.close()
            raise
        if new and not splice.differs:
            return TakenUp(stream, splice, held, new)
        await stream.close()
        stream.record.usage = self._estimated(stream.decoder, splice.pieces)
        return _OTHER if splice.differs else stream.failure or _SILENT
