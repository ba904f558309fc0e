"""Who stops waiting hangs up, and the provider sees it."""

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from fakes.patience import until
from fakes.raw_provider import (
    OK,
    answering,
    read_request,
    serving,
    silent,
    silent_after,
)
from fakes.transport_calls import failure, send
from holdfast_executor.transport import (
    FailureKind,
    Transport,
    TransportLimits,
)
from holdfast_executor.transport.connection import Connection
from holdfast_executor.transport.dialing import Place
from holdfast_executor.transport.pool import Pool


async def test_a_cancelled_call_is_cancelled_upstream(transport: Transport) -> None:
    """A provider that is still thinking sees that nobody waits."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        asked.set()
        with contextlib.suppress(OSError):
            await reader.read()
        gone.set()

    async with serving(converse) as port:
        call = asyncio.create_task(send(transport, port))
        await asked.wait()
        call.cancel()
        await asyncio.wait_for(gone.wait(), 10)

    assert call.cancelled()


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_a_stream_that_nobody_reads_ends_upstream(
    transport: Transport, how: str
) -> None:
    """A provider in the midst of a stream sees that nobody reads."""
    gone = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        with contextlib.suppress(OSError):
            await reader.read()
        gone.set()

    async with serving(converse) as port:
        response = await send(transport, port)
        await response.next_block()
        if how == "cancelled":
            reading = asyncio.create_task(response.next_block())
            await asyncio.sleep(0)
            reading.cancel()
        else:
            await response.close()
        await asyncio.wait_for(gone.wait(), 10)

    assert gone.is_set()


@pytest.mark.parametrize("frame", [b"content-length: 9\r\n", b""])
async def test_closing_ends_what_is_being_read(
    transport: Transport, frame: bytes
) -> None:
    """An executor that stops leaves no reader waiting, nor with half an answer."""
    async with serving(silent_after(OK + frame + b"\r\nhello")) as port:
        response = await send(transport, port)
        first = await response.next_block()
        reading = asyncio.create_task(failure(response.next_block()))
        await asyncio.sleep(0)
        await transport.close()

        assert (first, await reading) == (b"hello", FailureKind.RESET)
    await response.close()


async def test_an_answer_cannot_be_read_once_closed(transport: Transport) -> None:
    """What was given up does not look like its end."""
    async with serving(answering(OK + b"content-length: 9\r\n\r\nhello")) as port:
        response = await send(transport, port)
        await response.close()

        assert await failure(response.next_block()) is FailureKind.RESET
    assert not response.at_end


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_a_call_may_be_cancelled_at_any_moment(
    trusting: Transport, server_tls: ssl.SSLContext, is_tls: bool
) -> None:
    """Whatever a call waits for when it is cancelled, no connection is left over."""
    open_connections = 0
    body = bytes(1 << 20)

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal open_connections
        open_connections += 1
        try:
            while True:
                await read_request(reader)
                writer.write(OK + b"transfer-encoding: chunked\r\n\r\n")
                for _ in range(3):
                    writer.write(b"5\r\nhello\r\n")
                    await writer.drain()
                    await asyncio.sleep(0)
                writer.write(b"0\r\n\r\n")
        finally:
            open_connections -= 1

    async def call(port: int) -> bytes:
        response = await send(
            trusting,
            port,
            scheme="https" if is_tls else "http",
            host="provider.test",
            body=body,
        )
        try:
            return await response.read()
        finally:
            await response.close()

    async with serving(converse, server_tls if is_tls else None) as port:
        cancelled = 0
        for turns in range(60):
            task = asyncio.create_task(call(port))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            cancelled += task.cancelled()

            assert task.cancelled() or task.result() == b"hello" * 3
        whole = await call(port)
        # One connection idles, and whatever was cut is gone.
        await until(lambda: open_connections == 1)

    assert whole == b"hello" * 3
    assert cancelled > 1


class Impatient(Pool):
    """Has whoever dials give up in the moment the connection is made."""

    dialing: asyncio.Task[object]

    def opened(self, connection: Connection) -> None:
        super().opened(connection)
        self.dialing.cancel()


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_that_nobody_wants_any_more_is_gone(
    server_tls: ssl.SSLContext, certificate: Path, is_tls: bool
) -> None:
    """Who gives up as the connection is made leaves none, neither here nor there."""
    gone = asyncio.Event()

    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1"]

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await silent(reader, writer)
        gone.set()

    trusted = ssl.create_default_context(cafile=certificate)
    pool = Impatient(resolve, trusted, TransportLimits())
    async with serving(converse, server_tls if is_tls else None) as port:
        place = Place(is_tls, "provider.test", port, allow_private_network=True)
        pool.dialing = asyncio.create_task(pool.dial(place))
        await asyncio.wait([pool.dialing])
        await asyncio.wait_for(gone.wait(), 10)
        await until(lambda: not pool._open)
        await pool.close()

    assert pool.dialing.cancelled()
