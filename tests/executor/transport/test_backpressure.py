"""Slow callers and slow providers: neither fills the memory."""

import asyncio
import ssl
import tracemalloc
from collections.abc import Callable

import pytest

from fakes.patience import until
from fakes.raw_provider import HELLO, OK, read_request, serving
from fakes.transport_calls import send
from holdfast_executor.transport import HttpResponse, Transport

MIB = 1 << 20
ANSWER_BYTES = 64 * MIB
PIECE = bytes(64 * 1024)

STANDSTILL_TURNS = 1000
"""Turns of the event loop, on which both ends live, without a byte moving."""


class Writing:
    """A provider that answers with 64 MiB as fast as they are taken.

    Attributes:
        written: Bytes of the body that the kernel has been given.
        is_held: Whether it has come to a standstill.
    """

    def __init__(self) -> None:
        self.written = 0
        self.is_held = False

    async def __call__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + b"content-length: %d\r\n\r\n" % ANSWER_BYTES)
        while self.written < ANSWER_BYTES:
            writer.write(PIECE)
            await self._flushed(writer.transport.get_write_buffer_size)
            self.written += len(PIECE)
        await reader.read()

    async def _flushed(self, unsent: Callable[[], int]) -> None:
        turns = 0
        while size := unsent():
            await asyncio.sleep(0)
            turns = 0 if unsent() < size else turns + 1
            self.is_held = turns > STANDSTILL_TURNS


@pytest.fixture(params=["plain", "tls"])
def tls(
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext
) -> ssl.SSLContext | None:
    return server_tls if request.param == "tls" else None


async def answered(
    transport: Transport, port: int, tls: ssl.SSLContext | None, body: bytes = b"{}"
) -> HttpResponse:
    return await send(
        transport,
        port,
        scheme="https" if tls else "http",
        host="provider.test",
        body=body,
    )


async def test_a_caller_that_stalls_stops_the_provider(
    trusting: Transport, tls: ssl.SSLContext | None
) -> None:
    """Of a large answer no more is taken than is read, and all of it in the end."""
    provider = Writing()
    async with serving(provider, tls) as port:
        response = await answered(trusting, port, tls)
        size = len(await response.next_block())
        await until(lambda: provider.is_held)
        before = provider.written
        while block := await response.next_block():
            size += len(block)
        await response.close()

    # The rest is in the kernel's buffers, or still the provider's.
    assert before < ANSWER_BYTES // 4
    assert (size, response.at_end) == (ANSWER_BYTES, True)


async def test_a_large_answer_takes_little_memory(
    trusting: Transport, tls: ssl.SSLContext | None
) -> None:
    """However much streams through to a slow caller, only a little is held."""
    async with serving(Writing(), tls) as port:
        response = await answered(trusting, port, tls)
        tracemalloc.start()
        try:
            size = 0
            while block := await response.next_block():
                size += len(block)
                for _ in range(50):
                    await asyncio.sleep(0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await response.close()

    assert size == ANSWER_BYTES
    assert peak < 4 * MIB


async def test_a_provider_that_does_not_read_is_sent_no_more(
    trusting: Transport, tls: ssl.SSLContext | None
) -> None:
    """A large body waits where it is, whole, and is not copied to a queue."""
    body = bytes(64 * MIB)
    reads, began = asyncio.Event(), asyncio.Event()
    arrived: list[bool] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        began.set()
        await reads.wait()
        _, got = await read_request(reader)
        arrived.append(got == body)
        writer.write(HELLO)

    async with serving(converse, tls) as port:
        tracemalloc.start()
        try:
            call = asyncio.create_task(answered(trusting, port, tls, body))
            await began.wait()
            for _ in range(STANDSTILL_TURNS):
                await asyncio.sleep(0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        reads.set()
        response = await call
        await response.close()

    assert peak < 4 * MIB
    assert arrived == [True]


async def test_an_early_refusal_of_a_large_body_is_the_answer(
    transport: Transport,
) -> None:
    """A provider that will not take it all is heard, and not sent the rest."""
    heard = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\ncontent-length: 5\r\n\r\n")
        await heard.wait()
        writer.write(b"hello")
        await asyncio.Event().wait()

    async with serving(converse) as port:
        response = await send(transport, port, body=bytes(64 * MIB))
        heard.set()
        body = await response.read()
        await response.close()

    assert (response.status, body) == (413, b"hello")


async def test_a_provider_that_answers_while_it_reads_gets_the_whole_body(
    transport: Transport,
) -> None:
    """A head that comes early is no refusal: the rest is still sent."""
    got: list[int] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"content-length: 5\r\n\r\n")
        await writer.drain()
        got.append(len(await reader.readexactly(8 * MIB)))
        writer.write(b"hello")
        await asyncio.Event().wait()

    async with serving(converse) as port:
        response = await send(transport, port, body=bytes(8 * MIB))
        body = await response.read()
        await response.close()

    assert (body, got) == (b"hello", [8 * MIB])


async def test_a_connection_that_took_half_a_request_is_not_used_again(
    transport: Transport,
) -> None:
    """The rest of a refused body would be taken for the next request."""
    heads: list[bytes] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 413 Large\r\ncontent-length: 5\r\n\r\nhello")
        while await reader.read(MIB):
            pass

    async with serving(converse) as port:
        for _ in range(2):
            response = await send(transport, port, body=bytes(64 * MIB))
            await response.read()
            await response.close()

    assert len(heads) == 2
