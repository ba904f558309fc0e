"""A TCP proxy that breaks on demand, as networks do: at once, or silently."""

import asyncio
import contextlib
from typing import Self

from fakes.closing import close_server


class BreakableProxy:
    """Stands before one server, and between it and its clients."""

    def __init__(self, backend: str) -> None:
        self.stand_before(backend)
        self._refusing = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await close_server(self._server)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def endpoint(self) -> str:
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    @property
    def is_in_use(self) -> bool:
        """Whether a client is connected."""
        return bool(self._connections)

    def stand_before(self, backend: str) -> None:
        """Connect what comes from now on to a server, `host:port`."""
        host, _, port = backend.rpartition(":")
        self._backend = (host, int(port))

    def pass_on(self) -> None:
        """Work as a proxy does; what was held back is delivered."""
        self._refusing = False
        self._passing.set()

    def refuse(self) -> None:
        """Reset all connections, and each that comes."""
        self._refusing = True
        self._passing.set()
        for task in self._connections:
            task.cancel()

    def black_hole(self) -> None:
        """Keep connections open and accept more, and let nothing through."""
        self._refusing = False
        self._passing.clear()

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        writers = [writer]
        try:
            if self._refusing:
                return
            await self._passing.wait()
            back_reader, back_writer = await asyncio.open_connection(*self._backend)
            writers.append(back_writer)
            async with asyncio.TaskGroup() as both_ways:
                both_ways.create_task(self._pump(reader, back_writer))
                both_ways.create_task(self._pump(back_reader, writer))
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            for one in writers:
                one.transport.abort()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
        # One side has hung up: so does the other.
        raise ConnectionResetError
