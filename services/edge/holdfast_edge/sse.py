"""Writing a streamed answer as server-sent events.

Nothing is sent until the executor has committed to a deployment, so that a
failure before the first content is an error like any other. After it a failure
is told in the stream's last event, and `[DONE]` is not sent: a truncated answer
never looks like success.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol

from starlette.types import Send

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.errors import (
    DeadlineExceededError,
    GatewayError,
    StreamInterruptedError,
)
from holdfast_edge import errors
from holdfast_edge.headers import Header
from holdfast_edge.keep_alive import LOOKS_EVERY_S, KeepAlive
from holdfast_edge.presence import CallerGoneError, CallerPresence
from holdfast_edge.served import served_headers

Steps = AsyncGenerator[executor_pb.ExecuteStreamResponse, None]

_DONE = b"data: [DONE]\n\n"


class Writer(Protocol):
    """Writes one streamed answer in the format of an API.

    Attributes:
        feed: Translates whole events of a streamed chat. None: they are what the
            caller expects.
    """

    feed: Callable[[bytes], bytes] | None

    def end(self) -> bytes:
        """Write what stands last in an answer that is whole."""

    def failed(self, error: GatewayError, trace_id: str) -> bytes:
        """Write what stands last in one that is not."""


class ChatEvents:
    """OpenAI's own events, as the executor writes them."""

    feed: Callable[[bytes], bytes] | None = None

    def end(self) -> bytes:
        """Say that it is whole."""
        return _DONE

    def failed(self, error: GatewayError, trace_id: str) -> bytes:
        """Say why it is not."""
        return errors.render(error, trace_id).event


AS_IT_IS = ChatEvents()
"""It keeps nothing of one answer, so one does for all."""

_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies of the nginx family gather an answer before they pass it on,
    # unless it says this.
    (b"x-accel-buffering", b"no"),
)


async def relay(  # noqa: PLR0913 - each is for the caller to say
    start: Callable[[], Awaitable[Steps]],
    send: Send,
    presence: CallerPresence,
    *,
    trace_id: str,
    first_content_by: float | None,
    writer: Writer = AS_IT_IS,
    settle: Callable[[], Awaitable[None]] | None = None,
    looks_every_s: float = LOOKS_EVERY_S,
) -> None:
    """Pass a streamed answer on as it comes.

    Args:
        start: Has the answer begun. What it returns is closed in any case.
        send: Towards the caller.
        presence: Tells whether the caller is still there.
        trace_id: What an error names.
        first_content_by: When the answer must have begun, on the event loop's
            clock. None for no limit.
        writer: Writes the events as the caller's API has them.
        settle: What is still to be done before the last of a whole answer is sent.
        looks_every_s: How often to look whether a stream that has begun is
            silent, and keep its connection open.

    Raises:
        CallerGoneError: The caller went away.
        GatewayError: It failed before the first content.
    """
    relayed = _Relay(send, writer, looks_every_s)
    try:
        async with presence:
            await relayed.run(start, first_content_by)
        last = writer.end()
        if settle is not None:
            await settle()
    except CallerGoneError:
        raise
    except GatewayError as error:
        if not relayed.begun:
            raise
        last = writer.failed(error, trace_id)
    except Exception as exception:
        if not relayed.begun:
            raise
        last = writer.failed(errors.unexpected(exception, trace_id), trace_id)
    except asyncio.CancelledError:
        if relayed.begun:
            await _end(send, writer.failed(errors.shutting_down(), trace_id))
        raise
    await _end(send, last)


class _Relay:
    """One answer on its way, and how far it has come."""

    def __init__(self, send: Send, writer: Writer, looks_every_s: float) -> None:
        self._send = send
        self._feed = writer.feed
        self._looks_every_s = looks_every_s
        self._keep_alive: KeepAlive | None = None
        self.begun = False

    async def run(
        self,
        start: Callable[[], Awaitable[Steps]],
        first_content_by: float | None,
    ) -> None:
        try:
            async with asyncio.timeout_at(first_content_by) as limit:
                steps = await start()
                try:
                    completed = await self._pass_on(steps, limit)
                finally:
                    if self._keep_alive is not None:
                        self._keep_alive.close()
                    # Which cancels what the executor does upstream.
                    await steps.aclose()
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceededError(
                "The time that the caller waits ran out before any deployment answered."
            ) from None
        if not completed:
            raise StreamInterruptedError(
                "The stream ended before the answer was whole."
            )

    async def _pass_on(self, steps: Steps, limit: asyncio.Timeout) -> bool:
        """Send what comes, and say whether it was whole."""
        completed = False
        send, feed = self._send, self._feed
        keep_alive: KeepAlive | None = None
        async for step in steps:
            kind = step.WhichOneof("step")
            if kind == "chunks":
                if keep_alive is None:
                    raise StreamInterruptedError(
                        "The stream began without saying who serves."
                    )
                events = step.chunks.events
                if events and (events := feed(events) if feed else events):
                    await send(
                        {
                            "type": "http.response.body",
                            "body": events,
                            "more_body": True,
                        }
                    )
                    keep_alive.is_quiet = False
            elif kind == "served":
                limit.reschedule(None)
                await self._begin(step.served)
                keep_alive = self._keep_alive = KeepAlive(send, self._looks_every_s)
            elif kind == "completed":
                completed = True
        return completed

    async def _begin(self, served: executor_pb.Served) -> None:
        self.begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [*_HEADERS, *served_headers(served)],
            }
        )


async def _end(send: Send, last: bytes) -> None:
    await send({"type": "http.response.body", "body": last, "more_body": False})
