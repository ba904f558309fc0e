"""Answers that a provider compressed unasked."""

import asyncio
import gzip
import zlib

import pytest

from fakes.raw_provider import (
    OK,
    answering,
    read_request,
    serving,
)
from fakes.transport_calls import failure, send
from holdfast_executor.transport import (
    FailureKind,
    Transport,
)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "bare-deflate"])
async def test_a_packed_body_is_unpacked(transport: Transport, encoding: str) -> None:
    """A provider that compresses unasked is understood all the same."""
    plain = b"hello " * 200_000
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "bare-deflate": bare.compress(plain) + bare.flush(),
    }[encoding]
    head = f"content-encoding: {encoding.removeprefix('bare-')}\r\n"
    head += f"content-length: {len(packed)}\r\n\r\n"
    async with serving(answering(OK + head.encode() + packed)) as port:
        response = await send(transport, port)
        body = await response.read()
        await response.close()

    assert body == plain


async def test_packed_events_come_as_they_arrive(transport: Transport) -> None:
    """A stream that is compressed and flushed gives each event at once."""
    more = asyncio.Event()
    packer = zlib.compressobj(wbits=31)

    def chunk(data: bytes) -> bytes:
        return f"{len(data):x}\r\n".encode() + data + b"\r\n"

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + b"content-encoding: gzip\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        one = packer.compress(b"one") + packer.flush(zlib.Z_SYNC_FLUSH)
        writer.write(chunk(one))
        await more.wait()
        writer.write(chunk(packer.compress(b"two") + packer.flush()))
        writer.write(b"0\r\n\r\n")

    async with serving(converse) as port:
        response = await send(transport, port)
        first = await response.next_block()
        more.set()
        rest = await response.read()
        await response.close()

    assert (first, rest) == (b"one", b"two")


@pytest.mark.parametrize("fault", ["cut", "garbled", "unknown"])
async def test_a_body_that_cannot_be_unpacked_is_broken(
    transport: Transport, fault: str
) -> None:
    """A packing that ends early, or is none, is no answer."""
    packed = gzip.compress(b"hello " * 50)
    body = {"cut": packed[:-9], "garbled": b"plain", "unknown": packed}[fault]
    encoding = b"br" if fault == "unknown" else b"gzip"
    head = b"content-encoding: " + encoding + b"\r\n"
    head += f"content-length: {len(body)}\r\n\r\n".encode()
    async with serving(answering(OK + head + body)) as port:
        response = await send(transport, port)

        assert await failure(response.read()) is FailureKind.RESET
        assert not response.at_end
        await response.close()
