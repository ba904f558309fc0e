"""Where requests come in and every failure becomes an answer.

Nothing gets past here: each answer bears a trace id, each error has OpenAI's
shape, and a fault of our own is logged once, without what the request held.
"""

import asyncio
import dataclasses
import secrets
import time
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.errors import GatewayError
from holdfast_edge import errors
from holdfast_edge.auth import shown_key
from holdfast_edge.body import Inbound
from holdfast_edge.console.sessions import Sessions
from holdfast_edge.headers import TRACE_ID_HEADERS, Head
from holdfast_edge.messages.errors import ANTHROPIC_VERSION, anthropic_shape
from holdfast_edge.metrics import CALLER_GONE_STATUS, EdgeMetrics
from holdfast_edge.presence import CallerGoneError

_log = structlog.get_logger()

_SIGNING_IN = "/console"
"""What is below needs nobody signed in, and ends a session that is no longer good."""

_V2 = ("/v2/", "/v3/traces")
"""Below which errors have what the SDKs of that API look for. Traces are the same
under both of their names."""

UNROUTED = "none"
"""The surface of a request that no route takes."""


def random_trace_id() -> str:
    """Make up a W3C trace id: 32 hex digits.

    It begins with the time in seconds, as those of AWS X-Ray do: what is kept by trace
    is written at its end then. Sampling goes by the other end.
    """
    return f"{int(time.time()):08x}{secrets.token_hex(12)}"


class Boundary:
    """The outermost application: the routes, and what goes for all of them.

    Args:
        app: The routes.
        not_served: Says what is served instead, for a path or method that is
            not.
        metrics: Where requests are counted.
        sessions: Whom browsers speak for.
        new_trace_id: Makes up trace ids.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        not_served: Callable[[Scope], GatewayError],
        metrics: EdgeMetrics,
        sessions: Sessions,
        new_trace_id: Callable[[], str] = random_trace_id,
    ) -> None:
        self._app = app
        self._not_served = not_served
        self._metrics = metrics
        self._sessions = sessions
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

    def _signed_in(self, scope: Scope, head: Head) -> Head:
        """Say who a browser speaks for, where it shows no key of its own."""
        if scope["path"].startswith(_SIGNING_IN) or shown_key(head):
            return head
        digest = self._sessions.admit(head, scope["method"])
        if digest is None:
            return head
        head = dataclasses.replace(head, session_digest=digest)
        head.attach(scope)
        return head

    async def _serve(
        self, scope: Scope, head: Head, inbound: Inbound, answer: "_Answer"
    ) -> None:
        refusal: GatewayError
        try:
            head.check()
            if b"cookie" in head.headers:
                head = self._signed_in(scope, head)
            await self._app(scope, inbound, answer)
        except CallerGoneError:
            raise
        except GatewayError as error:
            refusal = error
        except HTTPException:
            refusal = self._not_served(scope)
        except Exception as exception:  # noqa: BLE001 - the outermost boundary
            refusal = errors.unexpected(exception, head.trace_id)
        except asyncio.CancelledError:
            shutting_down = errors.shutting_down()
            await answer.refuse(_rendered(scope, shutting_down, head), inbound, head)
            raise
        else:
            return
        await answer.refuse(_rendered(scope, refusal, head), inbound, head)


def _rendered(scope: Scope, error: GatewayError, head: Head) -> errors.Rendered:
    """Write an error as the clients of what was asked for expect it."""
    usual: errors.Shape = errors.openai_shape
    if scope["path"].startswith(_V2):
        usual = errors.v2_shape
    elif ANTHROPIC_VERSION in head.headers:
        usual = anthropic_shape
    shape = getattr(scope.get("endpoint"), "error_shape", usual)
    return errors.render(error, head.trace_id, shape)


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
                *((name, self._trace_id) for name in TRACE_ID_HEADERS),
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
