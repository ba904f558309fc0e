"""The simulated provider: one thread, one epoll loop, loopback only.

`/m/BEHAVIOUR/...` answers as the path says, any other path as was last asked for
with `GET /__set/BEHAVIOUR`. `GET /__stats` counts requests by behaviour.
"""

import heapq
import json
import select
import socket
import time
from collections.abc import Callable
from itertools import count

from bench.mock.behaviour import Behaviour, Canned, http
from bench.mock.connection import Connection

_BACKLOG = 1024

_IDLE_S = 1.0
"""How long it waits at most before it looks whether it is to end."""


class MockUpstream:
    """Serves until `stop` is called.

    Attributes:
        port: Where, on 127.0.0.1.
    """

    def __init__(self, port: int = 0) -> None:
        """Listen.

        Args:
            port: Where; zero picks a free port.
        """
        self._listener = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._canned: dict[str, Canned] = {}
        self._routes: dict[bytes, str] = {}
        self._counts: dict[str, int] = {}
        self._default = "ok"
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._ordinals = count()
        self._running = True

    def stop(self) -> None:
        """Return from `run` soon."""
        self._running = False

    def run(self) -> None:
        """Serve."""
        while self._running:
            wait = _IDLE_S
            if self._timers:
                wait = max(0.0, self._timers[0][0] - time.monotonic())
            for fd, event in self._epoll.poll(wait):
                connection = self._connections.get(fd)
                if connection is None:
                    if fd == self._listener.fileno():
                        self._accept()
                    continue
                if event & ~select.EPOLLOUT:
                    connection.readable()
                if event & select.EPOLLOUT and connection.fd >= 0:
                    connection.writable()
            self._ring()

    def route(self, path: bytes) -> Canned:
        """Find the answers for a path, and count the request."""
        text = self._routes.get(path)
        if text is None:
            parts = path.decode("latin-1").split("/", 3)
            is_named = len(parts) > 2 and parts[1] == "m"
            text = self._routes[path] = parts[2] if is_named else ""
        self._counts[text] = self._counts.get(text, 0) + 1
        canned = self._canned.get(text)
        if canned is None:
            behaviour = Behaviour.parse(text or self._default)
            canned = self._canned[text] = Canned(behaviour)
        return canned

    def get(self, path: bytes) -> bytes:
        """Answer a GET: its own paths, and 200 for any health probe."""
        if path.startswith(b"/__set/"):
            self._default = path[7:].decode("latin-1")
            self._canned.pop("", None)
            self._counts.clear()
        elif path == b"/__stats":
            return http(200, json.dumps(self._counts).encode())
        elif path.endswith(b"/models"):
            return http(200, b'{"object":"list","data":[]}')
        return http(200, b"{}")

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something after a while."""
        due = time.monotonic() + delay_s
        heapq.heappush(self._timers, (due, next(self._ordinals), action))

    def want_write(self, connection: Connection, *, wanted: bool) -> None:
        """Tell when the connection takes more bytes, or do not."""
        events = select.EPOLLIN | (select.EPOLLOUT if wanted else 0)
        self._epoll.modify(connection.fd, events)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection.fd, None)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, self)
            self._connections[connection.fd] = connection
            self._epoll.register(connection.fd, select.EPOLLIN)

    def _ring(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
