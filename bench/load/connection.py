"""One client connection: a request out, its answer in, as little done as may be."""

import socket
import time
from enum import Enum

_RECEIVE_BYTES = 262_144

_CHUNKED = -1
"""What `left` says of a body whose length its chunks tell."""

_LAST_CHUNK = b"\r\n0\r\n\r\n"

_AFFINITY = b"\r\nx-holdfast-session-affinity: "


class Progress(Enum):
    """What came of reading."""

    WAITING = "waiting"
    ANSWERED = "answered"
    BROKEN = "broken"


class Connection:
    """A keep-alive connection with one request in flight at most.

    Attributes:
        status: Of the answer being read.
        started: When its request was sent or due, on the performance clock.
        first_event: When its first event came; zero before that.
        events: How many have come.
        gap: How long before the latest read the one before it was, in seconds;
            zero for the first.
        ended: Whether `[DONE]` was read.
        unsent: What the kernel has not taken yet.
        closes: Whether the gateway closes after this answer.
    """

    __slots__ = (
        "_address",
        "_carry",
        "_is_stream",
        "_left",
        "_read_at",
        "_tail",
        "affinity",
        "closes",
        "ended",
        "events",
        "first_event",
        "gap",
        "is_idle",
        "sock",
        "started",
        "status",
        "unsent",
    )

    def __init__(self, address: tuple[str, int], *, is_stream: bool) -> None:
        self._address = address
        self._is_stream = is_stream
        self.is_idle = True
        self.unsent = memoryview(b"")
        self._tail = b""
        self._left = 0
        self._reset(0.0)

    def open(self) -> None:
        """Connect, anew if it was connected before."""
        self.close()
        self.sock = socket.create_connection(self._address, timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.is_idle = True

    def close(self) -> None:
        """Close it."""
        if hasattr(self, "sock"):
            self.sock.close()

    def send(self, request: bytes, started: float) -> None:
        """Send a request.

        Raises:
            OSError: The connection is gone.
        """
        self._reset(started)
        self.is_idle = False
        self.unsent = memoryview(request)
        self.flush()

    def flush(self) -> None:
        """Send what the kernel takes of what is unsent.

        Raises:
            OSError: The connection is gone.
        """
        try:
            sent = self.sock.send(self.unsent)
        except BlockingIOError:
            return
        self.unsent = self.unsent[sent:]

    def read(self) -> Progress:
        """Read what has come."""
        try:
            data = self.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return Progress.WAITING
        except OSError:
            return Progress.BROKEN
        if not data:
            return Progress.BROKEN
        if not self.status:
            data = self._tail + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._tail = data
                return Progress.WAITING
            if not self._read_head(data[:end].lower()):
                return Progress.BROKEN
            # The last chunk's mark may begin with the blank line's own end.
            self._tail = b"\r\n"
            data = data[end + 4 :]
        self.gap = 0.0
        if self._is_stream:
            self._count_events(data)
        return Progress.ANSWERED if self._is_whole(data) else Progress.WAITING

    def _reset(self, started: float) -> None:
        self.started = started
        self.status = self.events = self._left = 0
        self.first_event = self._read_at = self.gap = 0.0
        self._tail = self._carry = b""
        self.ended = self.closes = False
        self.affinity = ""

    def _read_head(self, head: bytes) -> bool:
        """Read a status and headers; say whether the body's end can be told."""
        self.status = int(head[9:12])
        self.closes = b"\r\nconnection: close" in head
        at = head.find(_AFFINITY)
        if at >= 0:
            value = head[at + len(_AFFINITY) :].partition(b"\r\n")[0]
            self.affinity = value.decode("latin-1")
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            self._left = int(head[at + 17 :].partition(b"\r\n")[0])
            return True
        self._left = _CHUNKED
        return b"\r\ntransfer-encoding: chunked" in head

    def _is_whole(self, data: bytes) -> bool:
        if self._left != _CHUNKED:
            self._left -= len(data)
            return self._left <= 0
        self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
        return self._tail == _LAST_CHUNK

    def _count_events(self, data: bytes) -> None:
        text = self._carry + data
        count = text.count(b"data:")
        if count:
            now = time.perf_counter()
            if self.events:
                self.gap = now - self._read_at
            else:
                self.first_event = now
            self._read_at = now
            self.events += count
        self.ended = self.ended or b"[DONE]" in text
        cut = text.rfind(b"data:")
        # A mark that is cut in two is counted with the next read, once.
        kept = max(cut + 5, len(text) - 5) if cut >= 0 else max(0, len(text) - 5)
        self._carry = text[kept:]
