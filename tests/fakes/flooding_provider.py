"""A provider whose streams are longer than anybody holds in memory."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from fakes.closing import close_server
from fakes.scripted_provider import ENDING, ROLE, delta, streamed

FLOOD_BYTES = 32 * 1024 * 1024
"""Text of a flood: far more than the buffers of the sockets on its way take."""

_PIECE = delta(content="x" * 65_536)


@dataclass(slots=True)
class FloodingProvider:
    """Says `Hello` to who asks for `talk`, and floods whoever asks for `flood`.

    Attributes:
        text_sent: Characters of the flood that the network has taken.
    """

    text_sent: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def base_uri(self) -> str:
        """What a deployment of it has."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def stands_still(self) -> None:
        """Wait until the network takes nothing of the flood any more."""
        seen = -1
        while self.text_sent != seen or not seen:
            seen = self.text_sent
            await asyncio.sleep(0.3)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        await close_server(self._server)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await self._answer(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r")[0]
        asked = json.loads(await reader.readexactly(int(length)))["model"]
        opening, *rest = streamed("Hel", "lo").pieces
        writer.write(opening)
        if asked == "flood":
            writer.write(ROLE)
            for _ in range(0, FLOOD_BYTES, 65_536):
                writer.write(_PIECE)
                await writer.drain()
                self.text_sent += 65_536
            rest = [*ENDING]
        for piece in rest:
            writer.write(piece)
        await writer.drain()
