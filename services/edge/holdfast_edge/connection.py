"""One client's connection: requests in, answers out, over HTTP/1.1.

What uvicorn does, with less of it for each request: the bench's figures are in
docs/performance.md.
"""

import secrets
import sys
import urllib.parse
from asyncio import Event, Future
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from holdfast.errors import RequestMalformedError
from holdfast_edge import errors
from holdfast_edge.headers import TRACE_ID_HEADERS, Header

_UNREAD_BYTES = 1024 * 1024
"""Of a body, what is taken from the socket before somebody asks for it."""

_BODILESS = (204, 304)
"""Answers that end with their head (RFC 9112 section 6.3)."""


class Connection(HttpToolsProtocol):
    """A connection, with the edge's own words for what is no HTTP.

    Attributes:
        is_parting: Whether the next answer is the last, and says so.
        closed: Set once it is closed, if somebody waits for that.
    """

    is_parting = False
    closed: Future[None] | None = None

    def part(self) -> Future[None]:
        """Let the next answer be the last; return what waits for the end.

        A client that has none to wait for may have sent a request that is not here
        yet: to close on it now would lose it.
        """
        self.is_parting = True
        if self._is_answering():
            # Of requests that came at once, all that are here are answered.
            last = self.pipeline[0][0] if self.pipeline else self.cycle
            last.keep_alive = False
        if self.closed is None:
            self.closed = self.loop.create_future()
        return self.closed

    def shutdown(self) -> None:
        """Close, unless there is something to answer yet."""
        if not self._is_answering():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for it."""
        super().connection_lost(exc)
        if self.closed is not None and not self.closed.done():
            self.closed.set_result(None)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def on_headers_complete(self) -> None:
        """Begin to answer a request, or keep it until those before it are answered."""
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        version = self.parser.get_http_version()
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = version
        self.scope["path"] = urllib.parse.unquote(path) if "%" in path else path
        self.scope["raw_path"] = url.path
        self.scope["query_string"] = url.query or b""
        before: Any = self.cycle
        self.cycle = Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=not self.is_parting
            and version != "1.0"
            and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Keep a piece of a request's body until it is asked for."""
        exchange: Any = self.cycle
        if exchange.response_complete:
            return
        exchange.pieces.append(body)
        exchange.unread += len(body)
        if exchange.unread > _UNREAD_BYTES:
            self.flow.pause_reading()
        exchange.message_event.set()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that could not be parsed, and close the connection."""
        cycle: Any = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()
            return
        # The parser's words are its own; none of them are the client's.
        why = str(sys.exception() or msg)
        field = "content-length" if "content-length" in why.lower() else "request"
        trace_id = secrets.token_hex(16)
        rendered = errors.render(
            RequestMalformedError(f"The request is no HTTP/1.1: {why}.", field=field),
            trace_id,
        )
        lines = [
            b"HTTP/1.1 400 Bad Request",
            *(name + b": " + value for name, value in rendered.headers),
            *(name + b": " + trace_id.encode() for name in TRACE_ID_HEADERS),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join([*lines, b"", rendered.body]))
        self.transport.close()


class Exchange(RequestResponseCycle):
    """A request and its answer, whose head goes out with the first of its body.

    Attributes:
        pieces: What has come of the request's body and was not asked for yet.
        unread: How many bytes that is.
    """

    def __init__(self, **facts: Any) -> None:
        super().__init__(**facts)
        self.pieces: list[bytes] = []
        self.unread = 0
        self._head = b""

    async def receive(self) -> Any:
        """Return what has come of the body, waiting for some, or that all is over."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        pieces, self.pieces, self.unread = self.pieces, [], 0
        return {
            "type": "http.request",
            "body": pieces[0] if len(pieces) == 1 else b"".join(pieces),
            "more_body": self.more_body,
        }

    async def send(self, message: Any) -> None:
        """Send an answer's head or a piece of its body."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._begin(message["status"], message["headers"])
        else:
            self._write(message.get("body", b""), message.get("more_body", False))

    def _begin(self, status: int, headers: Iterable[Header]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = status not in _BODILESS
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            lines += (name, b": ", value, b"\r\n")
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"connection":
                self.keep_alive = self.keep_alive and value != b"close"
        count = len(lines) // 4 + 1
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
            count += 1
        if self.chunked_encoding:
            lines.append(b"transfer-encoding: chunked\r\n")
            count += 1
        head = b"".join(lines)
        if not head.count(b"\r") == head.count(b"\n") == count:
            raise RuntimeError("a header holds a line break")
        self._head = head + b"\r\n"

    def _write(self, body: bytes, more: bool) -> None:  # noqa: FBT001 - as ASGI has it
        pieces = [self._head, body]
        self._head = b""
        if self.scope["method"] == "HEAD":
            pieces = pieces[:1]
        elif self.chunked_encoding:
            if body:
                pieces[1:] = (b"%x\r\n" % len(body), body, b"\r\n")
            if not more:
                pieces.append(b"0\r\n\r\n")
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (
                self.expected_content_length and not more
            ):
                raise RuntimeError("the body is not as long as its head says")
        self.transport.write(b"".join(pieces))
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()
