"""What the executor sees of a provider that fails, in every way it can."""

import asyncio

import pytest

from fakes.raw_provider import (
    OK,
    answering,
    read_request,
    reset,
    serving,
    silent,
)
from fakes.transport_calls import failure, send
from holdfast_executor.transport import (
    FailureKind,
    Transport,
)


async def test_nobody_listens(transport: Transport) -> None:
    """A port that nobody listens on refuses the connection."""
    async with serving(silent) as port:
        pass

    assert await failure(send(transport, port)) is FailureKind.CONNECT


async def test_the_host_is_unknown() -> None:
    """A name that has no address is a failure to connect."""

    async def resolve(host: str) -> list[str]:
        raise OSError("no such host")

    transport = Transport(resolve=resolve)
    await transport.start()
    pending = send(transport, 80, host="provider.test")

    assert await failure(pending) is FailureKind.CONNECT
    await transport.close()


@pytest.mark.parametrize("how", ["closed", "reset"])
async def test_closed_before_the_headers(transport: Transport, how: str) -> None:
    """A peer that goes away without a word was asked once and not again."""
    requests = 0

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        if how == "reset":
            reset(writer)

    async with serving(converse) as port:
        kind = await failure(send(transport, port))

    assert (kind, requests) == (FailureKind.RESET, 1)


@pytest.mark.parametrize(
    "beginning",
    [
        b"content-length: 9\r\n\r\nhello",
        b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"transfer-encoding: chunked\r\n\r\n9\r\nhello",
    ],
    ids=["short content-length", "no last chunk", "within a chunk"],
)
async def test_a_cut_body_is_not_an_end(transport: Transport, beginning: bytes) -> None:
    """What arrived before a cut is there, and then the cut is told."""
    async with serving(answering(OK + beginning)) as port:
        response = await send(transport, port)

        assert await response.next_block() == b"hello"
        assert await failure(response.next_block()) is FailureKind.RESET
        assert await failure(response.next_block()) is FailureKind.RESET
        assert not response.at_end
        await response.close()


async def test_what_arrived_before_a_cut_waits_to_be_read(transport: Transport) -> None:
    """A slow reader gets as much of a broken answer as a quick one."""
    ended = asyncio.Event()
    beginning = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await answering(beginning)(reader, writer)
        writer.write_eof()
        await reader.read()
        ended.set()

    async with serving(converse) as port:
        response = await send(transport, port)
        await ended.wait()

        assert await response.next_block() == b"hello"
        assert await failure(response.next_block()) is FailureKind.RESET
        await response.close()


@pytest.mark.parametrize(
    "frame", [b"content-length: 9\r\n", b"transfer-encoding: chunked\r\n", b""]
)
async def test_a_reset_within_the_body(transport: Transport, frame: bytes) -> None:
    """A connection that is reset is no end, even for a body without a length."""
    begun = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + frame + b"\r\n")
        await begun.wait()
        reset(writer)

    async with serving(converse) as port:
        response = await send(transport, port)
        begun.set()

        assert await failure(response.read()) is FailureKind.RESET
        assert not response.at_end
        await response.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        OK + b"bad header line\r\n\r\n",
        OK + b"x: " + b"a" * 40_000 + b"\r\n\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ],
    ids=["ssh", "status", "header", "huge header", "two lengths"],
)
async def test_an_answer_that_is_no_http(transport: Transport, answer: bytes) -> None:
    """Whatever else listens there is told from an answer."""
    async with serving(answering(answer)) as port:
        assert await failure(send(transport, port)) is FailureKind.RESET


async def test_a_broken_chunk(transport: Transport) -> None:
    """A chunk whose length is no number breaks the answer."""
    answer = OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n"

    async def take(port: int) -> None:
        response = await send(transport, port)
        await response.read()

    async with serving(answering(answer)) as port:
        assert await failure(take(port)) is FailureKind.RESET


async def test_a_silent_provider_times_out(transport: Transport) -> None:
    """A provider that accepts and says nothing costs no more than its time."""
    async with serving(silent) as port:
        pending = send(transport, port, response_timeout=0.05)

        assert await failure(pending) is FailureKind.TIMEOUT_RESPONSE


async def test_headers_that_drip_time_out(transport: Transport) -> None:
    """A header line now and then does not buy more time."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK)
        while not writer.is_closing():
            writer.write(b"x-wait: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(converse) as port:
        pending = send(transport, port, response_timeout=0.1)

        assert await failure(pending) is FailureKind.TIMEOUT_RESPONSE


async def test_a_host_that_does_not_connect_times_out() -> None:
    """Connecting has its own limit, and the look-up counts."""

    async def resolve(host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    transport = Transport(resolve=resolve)
    await transport.start()
    pending = send(transport, 80, host="provider.test", connect_timeout=0.05)

    assert await failure(pending) is FailureKind.TIMEOUT_CONNECT
    await transport.close()


async def test_use_after_closing_is_a_failure_to_connect() -> None:
    """A request that comes while the executor stops fails like any other."""
    transport = Transport()
    await transport.start()
    await transport.close()

    assert await failure(send(transport, 80)) is FailureKind.CONNECT
