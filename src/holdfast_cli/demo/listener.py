"""An HTTP server that can also misbehave: reset, cut short, or say nothing.

A web framework keeps its users from sending a broken answer. Sending those is
what this one is for.
"""

import asyncio
import contextlib
import socket
import struct
import sys
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httptools


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, whole.

    Attributes:
        path: Without the query.
        headers: By lower-case name; the last one counts.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """The answer to one call: whole, in pieces, or broken off.

    Attributes:
        ended: Whether the answer was sent to its end.
    """

    def __init__(self, transport: asyncio.Transport, *, keep_alive: bool) -> None:
        self._transport = transport
        self._keep_alive = keep_alive
        self._begun = False
        self.ended = False

    def respond(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
    ) -> None:
        """Send a whole answer."""
        self._head(status, content_type, headers, f"content-length: {len(body)}")
        self._transport.write(body)
        self._end()

    def promise(self, body: bytes, sent: int) -> None:
        """Send the head of a whole answer, and only the first bytes of its body."""
        self._head(200, "application/json", None, f"content-length: {len(body)}")
        self._transport.write(body[:sent])

    def begin(self, content_type: str) -> None:
        """Begin an answer in pieces."""
        self._head(200, content_type, None, "transfer-encoding: chunked")

    def send(self, block: bytes) -> None:
        """Send a piece; nothing is sent for an empty one, as it would be the last."""
        if block:
            self._transport.write(b"%x\r\n%b\r\n" % (len(block), block))

    def end(self) -> None:
        """End an answer in pieces."""
        self._transport.write(b"0\r\n\r\n")
        self._end()

    def cut(self) -> None:
        """Close the connection, in the midst of whatever has begun."""
        self._transport.close()

    def reset(self) -> None:
        """Drop the connection as the kernel of a crashed machine does."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            # Linger on, for zero seconds: closing then sends RST and not FIN.
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._transport.abort()

    def abandon(self) -> None:
        """Make sure that an answer that was not ended does not look as if it was."""
        if not self.ended:
            self._transport.close()

    def _head(
        self,
        status: int,
        content_type: str,
        headers: Mapping[str, str] | None,
        framing: str,
    ) -> None:
        with contextlib.suppress(ValueError):
            status = HTTPStatus(status)
        phrase = status.phrase if isinstance(status, HTTPStatus) else "Overloaded"
        lines = [
            f"HTTP/1.1 {int(status)} {phrase}",
            f"content-type: {content_type}",
            framing,
            *(f"{name}: {value}" for name, value in (headers or {}).items()),
        ]
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def _end(self) -> None:
        self.ended = True
        if not self._keep_alive:
            self._transport.close()


Answer = Callable[[Call, Exchange], Awaitable[None]]
"""Answers a call. Cancelled when the caller goes away before the end."""


class Listener:
    """Takes connections and has each call on them answered, one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Listen and return the port; zero picks a free one.

        Raises:
            OSError: The port is taken, or the host is none of this machine's.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._answer, self._connections), host, port
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        tasks = [connection.drop() for connection in list(self._connections)]
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


class _Connection(asyncio.Protocol):
    """One connection; the `on_*` methods are what the parser calls."""

    def __init__(self, answer: Answer, connections: "set[_Connection]") -> None:
        self._answer = answer
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[Call, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        if self._task is not None:
            self._task.cancel()

    def drop(self) -> asyncio.Task[None] | None:
        """Close the connection; return the task that was at work on it."""
        if self._transport is not None:
            self._transport.abort()
        if self._task is not None:
            self._task.cancel()
        return self._task

    def on_message_begin(self) -> None:
        self._target, self._headers, self._body = b"", {}, []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        call = Call(
            method=self._parser.get_method().decode("latin-1"),
            path=self._target.decode("latin-1").partition("?")[0],
            headers=self._headers,
            body=b"".join(self._body),
        )
        self._waiting.append((call, self._parser.should_keep_alive()))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._waiting and self._transport is not None:
            call, keep_alive = self._waiting.popleft()
            exchange = Exchange(self._transport, keep_alive=keep_alive)
            try:
                await self._answer(call, exchange)
            except Exception:  # noqa: BLE001 - the top of a request
                traceback.print_exc(file=sys.stderr)
            finally:
                exchange.abandon()
        self._task = None
