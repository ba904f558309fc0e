"""What came back: an answer that is read block by block, to its end or its break."""

import asyncio
import zlib
from collections.abc import Mapping
from types import MappingProxyType

from holdfast_executor.transport.answer import Answer
from holdfast_executor.transport.connection import Connection
from holdfast_executor.transport.failure import FailureKind, TransportError
from holdfast_executor.transport.unpacking import Unpacking


class HttpResponse:
    """An answer of which status and headers are there.

    It must be closed, whichever way reading it ended. A task that is cancelled
    while it reads closes it. While nobody reads, the provider is held back.

    Attributes:
        at_end: Whether the whole body has been read.
    """

    def __init__(self, connection: Connection, answer: Answer, host: str) -> None:
        self.status = answer.status
        self.at_end = False
        self._headers: Mapping[str, str] | None = None
        self._connection: Connection | None = connection
        self._answer = answer
        self._host = host
        self._broken = "was not read to the end of its answer"
        self._unpacking: Unpacking | None = None
        if b"content-encoding" in answer.headers:
            encoding = self.headers["content-encoding"].strip().lower()
            if encoding not in {"", "identity"}:
                self._unpacking = Unpacking(encoding)

    @property
    def headers(self) -> Mapping[str, str]:
        """By lower-case name; values of one name are joined by a comma."""
        if self._headers is None:  # most answers are never asked
            self._headers = MappingProxyType(
                {
                    name.decode("ascii", "replace"): value.decode(
                        "utf-8", "surrogateescape"
                    )
                    for name, value in self._answer.headers.items()
                }
            )
        return self._headers

    async def read(self, limit: int | None = None) -> bytes:
        """Return the body, or its first `limit` bytes: `at_end` tells which.

        Raises:
            TransportError: `RESET`, if it broke off before its end.
        """
        blocks: list[bytes] = []
        size = 0
        while block := await self.next_block():
            blocks.append(block)
            size += len(block)
            if limit is not None and size > limit:
                break
        return b"".join(blocks)[:limit]

    async def next_block(self) -> bytes:
        """Return what has arrived, waiting for some; nothing at the end.

        What arrived before a break is returned before the break is raised.

        Raises:
            TransportError: `RESET`, if the body broke off before its end.
        """
        if self._unpacking is None:
            return await self._receive()
        try:
            while True:
                if block := self._unpacking.next_block():
                    return block
                if not (packed := await self._receive()):
                    self._unpacking.finish()
                    return b""
                self._unpacking.feed(packed)
        except (zlib.error, ValueError) as error:
            self.at_end = False
            self._broken = "sent a compressed body that is broken"
            self._release()
            raise self._reset() from error

    async def close(self) -> None:
        """Free the connection, or cut it if the body did not come to its end."""
        self._release()

    async def _receive(self) -> bytes:
        if self.at_end:
            return b""
        if self._connection is None:
            raise self._reset()
        try:
            block = await self._connection.receive()
        except asyncio.CancelledError:
            self._release()
            raise
        if not block:
            self._release()
            if self._answer.broken is not None:
                self._broken = self._answer.broken
                raise self._reset()
            self.at_end = True
        return block

    def _release(self) -> None:
        # Released, it may already be at another's service.
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()

    def _reset(self) -> TransportError:
        return TransportError(FailureKind.RESET, f"{self._host} {self._broken}")
