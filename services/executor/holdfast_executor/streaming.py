"""An attempt whose answer is streamed.

The attempt has succeeded once its first content is there. From then on the
answer is this deployment's: a break ends it with an error and never looks like
its end.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta

from holdfast.model import Outcome
from holdfast_executor.calling import (
    OUTCOMES,
    Caller,
    bounded,
    context,
    dialect_of,
    first_content_limit,
)
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import ProviderError, StreamDecoder, refused
from holdfast_executor.execution import Record
from holdfast_executor.transport import HttpResponse, TransportError

_LINGER_S = 5.0
"""How long a provider may take to send its usage once the answer is whole.
The caller has its answer by then; only the price of it is still to come."""


@dataclass(slots=True)
class OpenStream:
    """A stream that has begun to answer.

    Attributes:
        held: The chunks up to and including the first content.
        first_token: How long that took.
        failure: Why the stream broke off, once it has.
    """

    record: Record
    response: HttpResponse
    decoder: StreamDecoder
    held: list[bytes]
    first_token: timedelta
    failure: ProviderError | None = None

    async def chunks(self) -> AsyncGenerator[list[bytes], None]:
        """Yield what arrives, as it arrives; `failure` says if it broke off."""
        if self.held:
            yield self.held
        decoder = self.decoder
        try:
            while decoder.failure is None:
                block = await self._next_block()
                chunks = decoder.feed(block) if block else decoder.finish()
                if chunks:
                    yield chunks
                if not block:
                    break
        except TransportError as error:
            self.failure = ProviderError(OUTCOMES[error.kind], error.message)
        except TimeoutError:
            self.failure = ProviderError(
                Outcome.TIMED_OUT, "the stream fell silent before its end"
            )
        finally:
            await self.response.close()
        # Whole is whole, however the connection ended after it.
        if decoder.is_complete and decoder.failure is None:
            self.failure = None
        elif decoder.failure is not None:
            self.failure = decoder.failure
        elif self.failure is None:
            self.failure = ProviderError(
                Outcome.CONNECTION_FAILED, "the stream ended before the answer did"
            )

    async def _next_block(self) -> bytes:
        """Wait for more, for as long as the limits allow."""
        idle = self.record.limits.idle_timeout.total_seconds()
        if self.decoder.is_complete:
            idle = min(idle, _LINGER_S)
        async with asyncio.timeout(bounded(self.record, idle)):
            return await self.response.next_block()


async def open_stream(
    caller: Caller, chat: Chat, record: Record, trace_id: str
) -> OpenStream | ProviderError:
    """Call a deployment and read its stream up to the first content."""
    loop = asyncio.get_running_loop()
    limit = first_content_limit(record)
    response = await caller.send(chat, record, limit)
    if isinstance(response, ProviderError):
        return response
    decoder = dialect_of(record).decode_stream(context(record, trace_id))
    ends = min(record.start + limit, record.deadline)
    held: list[bytes] = []
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
