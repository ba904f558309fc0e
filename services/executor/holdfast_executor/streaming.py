"""An attempt whose answer is streamed.

The attempt has succeeded once its first content is there. From then on the
answer is this deployment's: a break ends it with an error and never looks like
its end.
"""

import asyncio
from datetime import timedelta

from holdfast.model import Outcome
from holdfast_executor.attempts import Record
from holdfast_executor.calling import (
    OUTCOMES,
    Caller,
    Outgoing,
    context,
    dialect_of,
    first_content_limit,
)
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import ProviderError, StreamDecoder, refused
from holdfast_executor.transport import HttpResponse, TransportError
from holdfast_executor.watchdog import Watchdog

_LINGER_S = 5.0
"""How long a provider may take to send its usage once the answer is whole.
The caller has its answer by then; only the price of it is still to come."""


class OpenStream:
    """A stream that has begun to answer.

    Attributes:
        first_token: How long the first content took.
        failure: Why the stream broke off, once it has.
    """

    def __init__(
        self,
        record: Record,
        response: HttpResponse,
        decoder: StreamDecoder,
        held: bytes,
        first_token: timedelta,
    ) -> None:
        """Go on with a stream.

        Args:
            record: The attempt that it answers.
            response: Where the rest comes from.
            decoder: Reads it, and has read its beginning.
            held: The events up to and including the first content.
            first_token: How long that took.
        """
        self.record = record
        self.response = response
        self.decoder = decoder
        self.first_token = first_token
        self.failure: ProviderError | None = None
        self._held = held
        self._ended = False
        self._idle_s = record.limits.idle_timeout.total_seconds()
        self._watchdog = Watchdog()

    async def read(self) -> bytes:
        """Return the events that have arrived, waiting for some.

        Nothing at the end; `failure` then says if the stream broke off.
        """
        events, self._held = self._held, b""
        broken: ProviderError | None = None
        decoder = self.decoder
        try:
            while not events and not self._ended and decoder.failure is None:
                idle = self._idle_s
                if decoder.is_complete:
                    idle = min(idle, _LINGER_S)
                if block := await self._watchdog.wait(
                    self.response.next_block, idle, self.record.deadline
                ):
                    events = decoder.feed(block)
                else:
                    self._ended = True
                    events = decoder.finish()
        except TransportError as error:
            broken = ProviderError(OUTCOMES[error.kind], error.message)
        except TimeoutError:
            broken = ProviderError(
                Outcome.TIMED_OUT, "the stream fell silent before its end"
            )
        if not events:
            self._settle(broken)
        return events

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the usage that the provider has reported; empty if none."""
        return self.decoder.usage_event(cost_usd_nanos)

    async def close(self) -> None:
        """Read no more, and let go of the provider."""
        self._watchdog.close()
        await self.response.close()

    def _settle(self, broken: ProviderError | None) -> None:
        decoder = self.decoder
        if decoder.failure is not None:
            self.failure = decoder.failure
        # Whole is whole, however the connection ended after it.
        elif not decoder.is_complete:
            self.failure = broken or ProviderError(
                Outcome.CONNECTION_FAILED, "the stream ended before the answer did"
            )


async def open_stream(
    caller: Caller, chat: Chat, record: Record, trace_id: str
) -> OpenStream | ProviderError:
    """Call a deployment and read its stream up to the first content."""
    loop = asyncio.get_running_loop()
    limit = first_content_limit(record)
    response = await caller.send(Outgoing.chat(chat, record), record, limit)
    if isinstance(response, ProviderError):
        return response
    decoder = dialect_of(record).decode_stream(context(record, trace_id))
    ends = min(record.start + limit, record.deadline)
    held = b""
    failure: ProviderError | None = None
    try:
        async with asyncio.timeout_at(ends):
            while not decoder.has_content and decoder.failure is None:
                block = await response.next_block()
                held += decoder.feed(block) if block else decoder.finish()
                if not block:
                    break
    except TransportError as error:
        failure = ProviderError(OUTCOMES[error.kind], error.message, response.status)
    except TimeoutError:
        failure = ProviderError(
            Outcome.TIMED_OUT,
            "the stream showed no content in time",
            response.status,
        )
    except BaseException:
        record.usage = decoder.usage
        await response.close()
        raise
    if decoder.is_refusal and record.limits.fall_back_on_content_filter:
        await response.close()
        return refused(response.status)
    failure = decoder.failure or failure
    # A stream may be whole without a word: a model that chose to say nothing.
    if failure is None and not decoder.has_content and not decoder.is_complete:
        failure = ProviderError(
            Outcome.SERVER_ERROR,
            "the stream ended without an answer",
            response.status,
        )
    if failure is not None and not (decoder.has_content or decoder.is_complete):
        await response.close()
        return failure
    since = timedelta(seconds=loop.time() - record.start)
    return OpenStream(record, response, decoder, held, since)
