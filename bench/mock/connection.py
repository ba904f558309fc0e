"""One connection to the simulated provider: requests in, canned answers out."""

import socket
from collections.abc import Callable
from typing import Protocol

from bench.mock.behaviour import Canned

_RECEIVE_BYTES = 262_144


class Server(Protocol):
    """What a connection needs of the server."""

    def route(self, path: bytes) -> Canned:
        """Find the answers for a path, and count the request."""

    def get(self, path: bytes) -> bytes:
        """Answer a GET."""

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something after a while."""

    def want_write(self, connection: "Connection", *, wanted: bool) -> None:
        """Tell when the connection takes more bytes, or do not."""

    def closed(self, connection: "Connection") -> None:
        """Forget a connection."""


class Connection:
    """Reads requests and sends answers, never waiting for either."""

    __slots__ = (
        "_answering",
        "_frames",
        "_gap_s",
        "_held",
        "_needed",
        "_next",
        "_server",
        "_unsent",
        "fd",
        "sock",
    )

    def __init__(self, sock: socket.socket, server: Server) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self._server = server
        self._held = bytearray()
        self._needed = 0
        self._answering = False
        self._frames: tuple[bytes, ...] = ()
        self._next = 0
        self._gap_s = 0.0
        self._unsent = memoryview(b"")

    def close(self) -> None:
        """Close it, once."""
        if self.fd >= 0:
            self._server.closed(self)
            self.fd = -1
            self.sock.close()

    def readable(self) -> None:
        """Take what has come, and answer a request that is whole."""
        try:
            data = self.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._held += data
        if not self._answering and len(self._held) >= self._needed:
            self._read_request()

    def writable(self) -> None:
        """Send on."""
        self._server.want_write(self, wanted=False)
        if self._unsent and not self._send(self._unsent):
            return
        if self._frames:
            self._stream()
        else:
            self._finish()

    def _read_request(self) -> None:
        """Answer the request that is held, if all of it is."""
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._held[:end])
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        if at < 0 and b"\r\ntransfer-encoding:" in lower:
            total = self._end_of_chunks(end + 4)
        else:
            length = int(lower[at + 17 :].partition(b"\r\n")[0]) if at >= 0 else 0
            total = end + 4 + length
        self._needed = total
        if not total or len(self._held) < total:
            return
        body = bytes(self._held[end + 4 : total])
        del self._held[:total]
        self._needed = 0
        method, path, _ = head.split(b" ", 2)
        self._answer(method, path, body)

    def _end_of_chunks(self, start: int) -> int:
        """Return where a chunked body ends; zero if that has not come."""
        while True:
            line = self._held.find(b"\r\n", start)
            if line < 0:
                return 0
            size = int(bytes(self._held[start:line]).partition(b";")[0], 16)
            start = line + 2 + size + 2
            if not size:
                return start
            if start > len(self._held):
                return 0

    def _answer(self, method: bytes, path: bytes, body: bytes) -> None:
        self._answering = True
        if method == b"GET":
            self._whole(self._server.get(path))
            return
        canned = self._server.route(path)
        latency_s = canned.behaviour.latency / 1_000
        if latency_s:
            self._server.later(latency_s, lambda: self._begin(canned, body))
        else:
            self._begin(canned, body)

    def _begin(self, canned: Canned, body: bytes) -> None:
        if self.fd < 0:
            return
        if canned.behaviour.status != 200 or not _asks_for_stream(body):
            self._whole(canned.whole)
            return
        with_usage = b'"include_usage"' in body
        self._frames = canned.frames_with_usage if with_usage else canned.frames
        self._next = 0
        self._gap_s = canned.behaviour.gap / 1_000
        self._stream()

    def _whole(self, answer: bytes) -> None:
        if self._send(memoryview(answer)):
            self._finish()

    def _stream(self) -> None:
        """Send all events, each by itself, or the next one of a paced stream."""
        if self.fd < 0:
            return
        frames = self._frames
        while self._next < len(frames):
            frame = frames[self._next]
            self._next += 1
            if not self._send(memoryview(frame)):
                return
            if self._gap_s and self._next < len(frames):
                self._server.later(self._gap_s, self._stream)
                return
        self._frames = ()
        self._finish()

    def _send(self, data: memoryview) -> bool:
        """Send, and say whether all of it was taken."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return False
        self._unsent = data[sent:]
        if self._unsent:
            self._server.want_write(self, wanted=True)
        return not self._unsent

    def _finish(self) -> None:
        self._answering = False
        if self._held:
            self._read_request()


def _asks_for_stream(body: bytes) -> bool:
    at = body.find(b'"stream"')
    return at >= 0 and body[at + 8 : at + 16].replace(b" ", b"").startswith(b":true")
