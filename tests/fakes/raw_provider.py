"""A provider of raw bytes on loopback, to answer as no proper server would."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

from fakes.closing import close_server

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"content-length: 5\r\n\r\nhello"


@contextlib.asynccontextmanager
async def serving(
    converse: Converse, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Have each connection conversed with; closed afterwards. Gives the port."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await converse(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await close_server(server)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one request: its head and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head, await reader.readexactly(length)


def answering(*answers: bytes) -> Converse:
    """Answer each request of a connection with the next bytes, then close it."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    return converse


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read whatever comes and say nothing."""
    while await reader.read(65536):
        pass


def silent_after(beginning: bytes) -> Converse:
    """Answer so much, and then nothing."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(beginning)
        with contextlib.suppress(OSError):
            await reader.read()

    return converse


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crashed peer's kernel does."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, linger
    )
    writer.transport.abort()


class Counted:
    """Gives every request of every connection the same answer, and counts.

    Attributes:
        requests: How many came, by connection.
    """

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.requests: list[int] = []

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Converse with one connection."""
        at = len(self.requests)
        self.requests.append(0)
        while True:
            await read_request(reader)
            self.requests[at] += 1
            writer.write(self.answer)
            await writer.drain()
