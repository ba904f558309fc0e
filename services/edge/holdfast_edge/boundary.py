"""Where requests come in and every failure becomes an answer.

Nothing gets past here: each answer bears a trace id, each error has OpenAI's
shape, and a fault of our own is logged once, without what the request held.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.errors import GatewayError
from holdfast_edge import errors
from holdfast_edge.body import Inbound
from holdfast_edge.headers import Head
from holdfast_edge.metrics import CALLER_GONE_STATUS, EdgeMetrics
from holdfast_edge.presence import CallerGoneError

_log = structlog.get_logger()

UNROUTED = "none"
"""The surface of a request that no route takes."""


def random_trace_id() -> str:
    """Make up a W3C trace id: 32 hex digits."""
    return secrets.token_hex(16)


class Boundary:
    """The outermost application: the routes, and what goes for all of them.

    Args:
        app: The routes.
        not_served: Says what is served instead, for a path or method that is
            not.
        metrics: Where requests are counted.
        new_trace_id: Makes up trace ids.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        not_served: Callable[[Scope], GatewayError],
        metrics: EdgeMetrics,
        new_trace_id: Callable[[], str] = random_trace_id,
    ) -> None:
        self._app = app
        self._not_served = not_served
        self._metrics = metrics
        self._new_trace_id = new_trace_id

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        head = Head.read(scope["headers"], self._new_trace_id)
        scope["app"] = self
        head.attach(scope)
        answer = _Answer(send, head.trace_id)
        self._metrics.in_flight += 1
        try:
            await self._serve(
                scope, head, Inbound(receive, has_body=head.has_body), answer
            )
        except CallerGoneError:
            answer.status = CALLER_GONE_STATUS
        finally:
            self._metrics.in_flight -= 1
            self._metrics.finished(
                getattr(scope.get("endpoint"), "surface", UNROUTED),
                answer.status,
                time.perf_counter() - started,
            )

    async def _serve(
        self, scope: Scope, head: Head, inbound: Inbound, answer: "_Answer"
    ) -> None:
        refusal: errors.Rendered
        try:
            head.check()
            await self._app(scope, inbound, answer)
        except CallerGoneError:
            raise
        except GatewayError as error:
            refusal = errors.render(error, head.trace_id)
        except HTTPException:
            refusal = errors.render(self._not_served(scope), head.trace_id)
        except Exception as exception:  # noqa: BLE001 - the outermost boundary
            refusal = errors.render_unexpected(exception, head.trace_id)
        except asyncio.CancelledError:
            refusal = errors.render(errors.shutting_down(), head.trace_id)
            await answer.refuse(refusal, inbound, head)
            raise
        else:
            return
        await answer.refuse(refusal, inbound, head)


class _Answer:
    """What is sent to the caller.

    Attributes:
        status: Zero until the answer has begun.
    """

    def __init__(self, send: Send, trace_id: str) -> None:
        self._send = send
        self._trace_id = trace_id.encode()
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send what comes next."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"x-holdfast-trace-id", self._trace_id),
            ]
        try:
            await self._send(message)
        except OSError as gone:
            raise CallerGoneError from gone

    async def refuse(
        self, rendered: errors.Rendered, inbound: Inbound, head: Head
    ) -> None:
        """Send an error, and let a client that is still sending come to read it.

        An answer that has begun cannot become an error: it is left incomplete,
        and the server closes the connection.
        """
        if self.status:
            _log.error("answer_broken_off", trace_id=head.trace_id)
            return
        # A client that waits to be told to send its body will not send it now.
        unread = not inbound.ended
        headers = [*rendered.headers, (b"connection", b"close")] if unread else None
        await self(
            {
                "type": "http.response.start",
                "status": rendered.status,
                "headers": headers or rendered.headers,
            }
        )
        body = {"type": "http.response.body", "body": rendered.body}
        if not unread:
            await self(body)
            return
        await self({**body, "more_body": True})
        if b"expect" not in head.headers:
            await inbound.drain()
        await self({"type": "http.response.body", "body": b"", "more_body": False})
