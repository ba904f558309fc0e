"""An attempt whose answer is streamed and is to have a form.

It is held back until it is known to fit, and until then a failure falls back unseen.
Or, where the caller wants it early, it is passed on as it comes, without the event that
says why it ended, and judged then.
"""

import re
from datetime import timedelta
from functools import partial

from holdfast_executor.attempts import Record
from holdfast_executor.calling import Caller, translated
from holdfast_executor.dialects import ProviderError
from holdfast_executor.streaming import OpenStream, open_stream
from holdfast_executor.structured.collected import Choice, Collected
from holdfast_executor.structured.form import Form, Reply

_BLOCK_BYTES = 64 * 1024
"""Of events that are handed on at once."""

_ENDING = re.compile(rb'"finish_reason"\s*:\s*"')
"""What is in an event that says why an answer ended. Where a text says so too, an event
is held back a little longer."""

_END = b"\n\n"


class HeldStream:
    """A whole answer that fits, delivered as a stream. As an `OpenStream` is."""

    failure: ProviderError | None = None

    def __init__(self, stream: OpenStream, collected: Collected) -> None:
        """Deliver an answer.

        Args:
            stream: Which it came in, read to its end.
            collected: What it is.
        """
        self.record: Record = stream.record
        self.response = stream.response
        self.decoder = stream.decoder
        self.first_token: timedelta = stream.first_token
        self._stream = stream
        self._events = collected.events()

    async def read(self) -> bytes:
        """Return more of the events; nothing at the end."""
        block = bytearray()
        for event in self._events:
            block += event
            if len(block) >= _BLOCK_BYTES:
                break
        return bytes(block)

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the usage that the provider has reported; empty if none."""
        return self._stream.usage_event(cost_usd_nanos)

    async def close(self) -> None:
        """Let go of the provider."""
        await self._stream.close()


class WatchedStream:
    """An answer that is passed on as it comes. As an `OpenStream` is.

    Attributes:
        failure: Why it is no answer, once that is known.
    """

    def __init__(self, stream: OpenStream, form: Form) -> None:
        """Pass on a stream.

        Args:
            stream: Has its first content.
            form: What it is to fit.
        """
        self.record: Record = stream.record
        self.response = stream.response
        self.decoder = stream.decoder
        self.first_token: timedelta = stream.first_token
        self.failure: ProviderError | None = None
        self._stream = stream
        self._form = form
        self._collected = Collected()
        self._last = b""
        self._is_over = False

    async def read(self) -> bytes:
        """Return the events that have arrived, waiting for some; nothing at the end."""
        while not self._is_over:
            events = await self._stream.read()
            if not events:
                self._is_over = True
                return await self._ending()
            self._collected.add(events)
            if passed := self._without_end(events):
                return passed
        return b""

    def _without_end(self, events: bytes) -> bytes:
        """Hold back what says why the answer ended, and all that follows."""
        if not self._last:
            ending = _ENDING.search(events)
            if ending is None:
                return events
            before = events.rfind(_END, 0, ending.start())
            cut = before + len(_END) if before >= 0 else 0
            self._last, events = events[cut:], events[:cut]
            return events
        self._last += events
        return b""

    async def _ending(self) -> bytes:
        self.failure = self._stream.failure
        if self.failure is not None:
            return b""
        deployment = self.record.step.deployment
        replies = _replies(self._collected)
        judged = await self._form.judged(deployment, replies)
        if isinstance(judged, ProviderError):
            self.failure = judged
            return b""
        for reply, text in zip(replies, judged, strict=True):
            if text is not None and text.strip() != reply.content.strip():
                # It would have had to be mended, and has gone out.
                self.failure = self._form.unmended(reply.content)
                return b""
        return self._last

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the usage that the provider has reported; empty if none."""
        return self._stream.usage_event(cost_usd_nanos)

    async def close(self) -> None:
        """Read no more, and let go of the provider."""
        await self._stream.close()


Beginning = OpenStream | HeldStream | WatchedStream
"""A stream of which the caller has nothing yet."""


async def open_formed(
    caller: Caller, form: Form, record: Record, trace_id: str
) -> HeldStream | WatchedStream | ProviderError:
    """Ask one deployment; return its answer once it fits, or has begun."""
    deployment = record.step.deployment
    chat = translated(partial(form.chat_for, deployment))
    if isinstance(chat, ProviderError):
        return chat
    stream = await open_stream(caller, chat, record, trace_id)
    if isinstance(stream, ProviderError):
        return form.refused(stream, deployment)
    if form.wish.as_it_comes and stream.decoder.has_content:
        return WatchedStream(stream, form)
    return await _held(stream, form)


async def _held(stream: OpenStream, form: Form) -> HeldStream | ProviderError:
    """Read a stream to its end, and see whether it fits."""
    collected = Collected()
    try:
        while events := await stream.read():
            collected.add(events)
    except BaseException:
        stream.record.usage = stream.decoder.usage
        raise
    finally:
        await stream.close()
    failure = stream.failure
    if failure is None:
        replies = _replies(collected)
        deployment = stream.record.step.deployment
        judged = await form.judged(deployment, replies)
        if not isinstance(judged, ProviderError):
            _become(collected, judged)
            return HeldStream(stream, collected)
        failure = judged
    stream.record.usage = stream.decoder.usage
    return failure


def _replies(collected: Collected) -> list[Reply]:
    return [_reply(choice) for _, choice in sorted(collected.choices.items())]


def _reply(choice: Choice) -> Reply:
    texts = choice.texts
    content = texts.get("content", "")
    return Reply(
        content,
        choice.finish_reason,
        choice.calls(),
        refuses=not content
        and ("refusal" in texts or choice.finish_reason == "content_filter"),
    )


def _become(collected: Collected, judged: list[str | None]) -> None:
    for (_, choice), text in zip(
        sorted(collected.choices.items()), judged, strict=True
    ):
        if text is not None and text != choice.texts.get("content"):
            choice.become(text)
