"""Streams of server-sent events: what all dialects that have them do alike.

A dialect says what one event means; this reads events out of bytes, stops at the
first failure, and writes the usage at the end.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from holdfast.model import Outcome, Usage
from holdfast_executor.answer import usage_event, usage_object
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import ProviderError
from holdfast_executor.sse import Event, EventParser, EventTooLargeError


class EventStream(ABC):
    """One stream being read. See `StreamDecoder` for what its attributes mean."""

    def __init__(self, context: AnswerContext) -> None:
        """Begin before the first byte."""
        self.has_content = False
        self.is_complete = False
        self.is_refusal = False
        self.says_nothing = False
        self.usage: Usage | None = None
        self.failure: ProviderError | None = None
        self.answer_id = context.answer_id
        self._context = context
        self._parser = EventParser()
        self._written: list[bytes] = []

    def feed(self, block: bytes) -> bytes:
        """Take bytes, cut anywhere, and return the events they complete."""
        if self.failure is not None:
            return b""
        try:
            events = self._parser.feed(block)
        except EventTooLargeError as error:
            self.failure = ProviderError(
                Outcome.SERVER_ERROR, str(error), http_status=200
            )
            return b""
        return self._read(events)

    def finish(self) -> bytes:
        """Take the end of the stream and return what was held back."""
        return self._read(self._parser.finish())

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the event with the usage, nothing if none was reported."""
        if self.usage is None:
            return b""
        return usage_event(
            answer_id=self.answer_id,
            created=self._context.created,
            model=self._context.model,
            usage=usage_object(self.usage, cost_usd_nanos),
        )

    def _read(self, events: Iterable[Event]) -> bytes:
        for event in events:
            if self.failure is not None:
                break
            self._take(event)
        written, self._written = self._written, []
        return b"".join(written)

    @abstractmethod
    def _take(self, event: Event) -> None:
        """Take one event: put what it says into `_written`, or say what failed."""
