"""A stream that has passed through the guardrails. As an `OpenStream` is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from holdfast.model import Outcome
from holdfast_executor.attempts import Record
from holdfast_executor.dialects import ProviderError, StreamDecoder
from holdfast_executor.guardrails.passage import Passage, Said
from holdfast_executor.transport import HttpResponse

_BLOCKED = ProviderError(Outcome.BLOCKED, "a guardrail blocked the answer")


class Source(Protocol):
    """A stream that has begun to answer; see `holdfast_executor.streaming`."""

    record: Record
    response: HttpResponse
    decoder: StreamDecoder
    first_token: timedelta

    @property
    def failure(self) -> ProviderError | None:
        """Why the stream broke off, once it has."""

    async def read(self) -> bytes:
        """Return the events that have arrived, waiting for some; nothing at the end."""

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the usage that the provider has reported; empty if none."""

    async def close(self) -> None:
        """Read no more, and let go of the provider."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What decides over an answer.

    Attributes:
        is_shut: Tells whether what was found so far blocks it.
        judge: Has a whole answer judged; `is_shut` then says what came of it.
        holds_all: Whether nothing may go out before that.
    """

    is_shut: Callable[[], bool]
    judge: Callable[[Said], Awaitable[None]]
    holds_all: bool = False


class GuardedStream:
    """Passes on what the guardrails let through."""

    def __init__(self, stream: Source, passage: Passage, gate: Gate) -> None:
        """Guard a stream.

        Args:
            stream: Has begun to answer.
            passage: What its events go through.
            gate: Says whether they may go on.
        """
        self.record = stream.record
        self.response = stream.response
        self.decoder = stream.decoder
        self.first_token = stream.first_token
        self._stream = stream
        self._passage = passage
        self._gate = gate
        self._waiting: list[bytes] = []
        self._is_over = False
        self._blocked: ProviderError | None = None

    @property
    def failure(self) -> ProviderError | None:
        """Why the stream broke off, once it has, or that it was blocked."""
        return self._blocked or self._stream.failure

    async def read(self) -> bytes:
        """Return the events that may go on, waiting for some; nothing at the end.

        None goes on before the first with a text: until then an answer that is
        blocked is an error like any other.
        """
        while not self._is_over:
            events = await self._stream.read()
            if events:
                self._waiting.append(self._passage.take(events))
            else:
                self._is_over = True
                if self._stream.failure is not None:
                    return b""
                self._waiting.append(self._passage.finish())
                if not self._gate.is_shut():
                    await self._gate.judge(self._passage.said)
            if self._gate.is_shut():
                self._blocked = _BLOCKED
                self._is_over = True
                return b""
            goes_on = self._passage.has_said and not self._gate.holds_all
            if self._is_over or goes_on:
                passed = b"".join(self._waiting)
                self._waiting.clear()
                if passed:
                    return passed
        return b""

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the usage that the provider has reported; empty if none."""
        return self._stream.usage_event(cost_usd_nanos)

    async def close(self) -> None:
        """Read no more, and let go of the provider."""
        await self._stream.close()
