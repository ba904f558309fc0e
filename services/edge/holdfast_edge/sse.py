"""Writing a streamed answer as server-sent events.

Nothing is sent until the executor has committed to a deployment, so that a
failure before the first content is an error like any other. After it a failure
is told in the stream's last event, and `[DONE]` is not sent: a truncated answer
never looks like success.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from starlette.types import Send

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.errors import (
    DeadlineExceededError,
    GatewayError,
    StreamInterruptedError,
)
from holdfast_edge import errors
from holdfast_edge.headers import Header
from holdfast_edge.presence import CallerGoneError, CallerPresence
from holdfast_edge.served import served_headers

Steps = AsyncGenerator[executor_pb.ExecuteStreamResponse, None]

_DONE = b"data: [DONE]\n\n"

_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies of the nginx family gather an answer before they pass it on,
    # unless it says this.
    (b"x-accel-buffering", b"no"),
)


async def relay(
    start: Callable[[], Awaitable[Steps]],
    send: Send,
    presence: CallerPresence,
    *,
    trace_id: str,
    first_content_by: float | None,
) -> None:
    """Pass a streamed answer on as it comes.

    Args:
        start: Has the answer begun. What it returns is closed in any case.
        send: Towards the caller.
        presence: Tells whether the caller is still there.
        trace_id: What an error names.
        first_content_by: When the answer must have begun, on the event loop's
            clock. None for no limit.

    Raises:
        CallerGoneError: The caller went away.
        GatewayError: It failed before the first content.
    """
    relayed = _Relay(send)
    try:
        async with presence:
            await relayed.run(start, first_content_by)
        last = _DONE
    except CallerGoneError:
        raise
    except GatewayError as error:
        if not relayed.begun:
            raise
        last = errors.render(error, trace_id).event
    except Exception as exception:
        if not relayed.begun:
            raise
        last = errors.render_unexpected(exception, trace_id).event
    except asyncio.CancelledError:
        if relayed.begun:
            await _end(send, errors.render(errors.shutting_down(), trace_id).event)
        raise
    await _end(send, last)


class _Relay:
    """One answer on its way, and how far it has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
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
        async for step in steps:
            if step.HasField("chunks"):
                await self._write(step.chunks.events)
            elif step.HasField("served"):
                limit.reschedule(None)
                await self._begin(step.served)
            elif step.HasField("completed"):
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

    async def _write(self, events: Sequence[bytes]) -> None:
        """Send events in one write: each write costs as much as several events."""
        if not self.begun:
            raise StreamInterruptedError("The stream began without saying who serves.")
        body = b"".join([_event(event) for event in events])
        if body:
            await self._send(
                {"type": "http.response.body", "body": body, "more_body": True}
            )


def _event(data: bytes) -> bytes:
    if b"\n" in data or b"\r" in data:
        # Line ends are the framing's own, and mean nothing between JSON's
        # tokens, which is the only place they can be.
        data = b" ".join(data.splitlines())
    return b"data: " + data + b"\n\n"


async def _end(send: Send, last: bytes) -> None:
    await send({"type": "http.response.body", "body": last, "more_body": False})
