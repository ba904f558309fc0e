"""Serving the edge over HTTP in the event loop that is running."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from holdfast_edge.connection import Connection

_KEEP_ALIVE_S = 75
"""How long an idle connection is kept, in seconds: longer than the 60 s of the
common load balancers, so that it is they who close and no request is lost to a
connection that closes under it."""

_PARTING_SHARE = 0.1
_PARTING_S = 5.0
"""How long clients that have a connection and no request may still use it when the
server stops, in seconds and as a share of the grace: one that calls again within
that time is told that it was the last time, and loses nothing."""

_LAST_WORD_S = 1
"""How long a cancelled request may take to tell its caller, in seconds."""

_BACKLOG = 2048
"""Connections that may wait to be accepted; the kernel caps it further."""


class EdgeServer:
    """The edge's HTTP server.

    Args:
        app: What is served.
        listen: `HOST:PORT`, an IPv6 host in brackets. Port 0 picks a free one.
        grace: How long running requests may take to end when it is stopped.
        shared: Whether other processes are served at the same address.
        tls: What HTTPS is spoken with. None: HTTP.
    """

    def __init__(
        self,
        app: ASGIApp,
        listen: str = "127.0.0.1:8080",
        *,
        grace: timedelta = timedelta(seconds=30),
        shared: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listen = listen
        self._shared = shared
        self._server = _Server(
            uvicorn.Config(
                app,
                http=Connection,
                loop="none",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_S,
            ),
            grace,
            tls,
        )
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Begin to serve, and return the address as `HOST:PORT`.

        Raises:
            OSError: The address cannot be had.
            ValueError: `listen` is no address.
        """
        listener = _bind(self._listen, shared=self._shared)
        host, port = listener.getsockname()[:2]
        self._running = asyncio.create_task(self._server.serve(sockets=[listener]))
        accepting = asyncio.create_task(self._server.accepting.wait())
        await asyncio.wait(
            {self._running, accepting}, return_when=asyncio.FIRST_COMPLETED
        )
        if not accepting.done():
            accepting.cancel()
            self._running.result()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def stop(self) -> None:
        """Accept nothing more, let what runs end within `grace`, and end."""
        if self._running is None:
            return
        self._server.should_exit = True
        self._server.stopping.set()
        await self._running
        self._running = None


def _bind(listen: str, *, shared: bool) -> socket.socket:
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise ValueError(f"{listen!r} is no HOST:PORT")
    found = socket.getaddrinfo(
        host.strip("[]") or None,
        int(port),
        type=socket.SOCK_STREAM,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_PASSIVE,
    )
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Accepted connections inherit it. Without it the events of a stream
        # wait up to 40 ms for the acknowledgement of those before them.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on {listen}: {error.strerror}") from error
    return listener


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own, that waits instead of polling."""

    def __init__(
        self, config: uvicorn.Config, grace: timedelta, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(config)
        self._tls = tls
        self._grace_s = grace.total_seconds()
        self.accepting = asyncio.Event()
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever composes the process."""
        yield

    async def main_loop(self) -> None:
        """Keep the answers' date until told to stop, without polling for it."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), timeout=1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, and let what runs end, or else cancel it."""
        for server in self.servers:
            server.close()
        connections: set[Any] = self.server_state.connections
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                if parting := [each.part() for each in connections]:
                    patience = min(_PARTING_S, _PARTING_SHARE * self._grace_s)
                    await asyncio.wait(parting, timeout=patience)
                for connection in list(connections):
                    connection.shutdown()
                while running := set(self.server_state.tasks):
                    await asyncio.wait(running)
        if unfinished := set(self.server_state.tasks):
            for task in unfinished:
                task.cancel()
            await asyncio.wait(unfinished, timeout=_LAST_WORD_S)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        self.config.ssl = self._tls
        await super().startup(sockets)
        self.accepting.set()
