"""Where an answer ends, whatever a provider's HTTP looks like."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.raw_provider import (
    HELLO,
    OK,
    Counted,
    answering,
    read_request,
    serving,
)
from fakes.transport_calls import ask, failure, send
from holdfast_executor.transport import (
    FailureKind,
    Transport,
    TransportLimits,
)
from holdfast_executor.transport.answer import AnswerParser

CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize("answer", [HELLO, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 7])
async def test_an_answer_may_come_in_any_pieces(
    transport: Transport, answer: bytes, size: int
) -> None:
    """Where the network cuts an answer makes no difference."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            await read_request(reader)
            for start in range(0, len(answer), size):
                writer.write(answer[start : start + size])
                await writer.drain()
                await asyncio.sleep(0)

    async with serving(converse) as port:
        assert [await ask(transport, port) for _ in range(2)] == [b"hello"] * 2


@pytest.mark.parametrize(
    "cut", range(1, len(CHUNKED)), ids=lambda at: f"after {at} bytes"
)
async def test_a_cut_anywhere_is_told(transport: Transport, cut: int) -> None:
    """There is no byte after which a cut answer looks whole."""
    async with serving(answering(CHUNKED[:cut])) as port:
        assert await failure(ask(transport, port)) is FailureKind.RESET


async def test_interim_answers_are_passed_over(transport: Transport) -> None:
    """Early hints are not the answer."""
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    async with serving(answering(hints + hints + HELLO)) as port:
        response = await send(transport, port)
        body = await response.read()
        await response.close()

    assert (response.status, body, "link" in response.headers) == (200, b"hello", False)


async def test_switching_protocols_is_no_answer(transport: Transport) -> None:
    """A provider that wants to speak something else is not understood."""
    answer = b"HTTP/1.1 101 Go\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello"
    async with serving(answering(answer)) as port:
        assert await failure(send(transport, port)) is FailureKind.RESET


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_keeps_its_connection(
    transport: Transport, status: int
) -> None:
    """Nothing is waited for where there can be nothing."""
    provider = Counted(f"HTTP/1.1 {status} None\r\n\r\n".encode())
    async with serving(provider) as port:
        bodies = [await ask(transport, port) for _ in range(2)]

    assert (bodies, provider.requests) == ([b"", b""], [2])


@pytest.mark.parametrize(
    ("framing", "endless"),
    [
        (b"", b"x: y\r\n" * 1000),
        (b"x: ", b"y" * 10_000),
        (b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", b"y" * 10_000),
        (b"transfer-encoding: chunked\r\n\r\n1;", b"y" * 10_000),
    ],
    ids=["head", "header", "trailer", "chunk extension"],
)
async def test_what_never_ends_is_given_up(
    transport: Transport, framing: bytes, endless: bytes
) -> None:
    """A provider cannot fill the memory with what is no body."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + framing)
        while not writer.is_closing():
            writer.write(endless)
            await writer.drain()
            await asyncio.sleep(0)

    async def take(port: int) -> None:
        response = await send(transport, port, response_timeout=3)
        async with asyncio.timeout(3):
            await response.read()

    async with serving(converse) as port:
        assert await failure(take(port)) is FailureKind.RESET


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"transfer-encoding: gzip\r\n\r\nhello",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"content-length: -5\r\n\r\nhello",
        OK + b"content-length : 5\r\n\r\nhello",
        OK + b"x: 1\r\n folded\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"x: \0\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/2.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"x: y\r\n" * 70_000 + b"content-length: 5\r\n\r\nhello",
    ],
    ids=[
        *("another coding", "two codings", "two frames", "twice a length"),
        *("less than nothing", "space", "folded", "zero byte"),
        *("another version", "huge head"),
    ],
)
async def test_what_can_be_read_in_two_ways_is_not_read(
    transport: Transport, answer: bytes
) -> None:
    """An answer whose end could be elsewhere for others is none."""
    async with serving(answering(answer)) as port:
        assert await failure(ask(transport, port)) is FailureKind.RESET


async def test_trailers_are_passed_over(transport: Transport) -> None:
    """What follows the last chunk is no header, and the connection is kept."""
    trailer = b"content-type: evil\r\nx-trailer: 1\r\n\r\n"
    provider = Counted(CHUNKED[:-2] + trailer)
    async with serving(provider) as port:
        response = await send(transport, port)
        bodies = [await response.read(), await ask(transport, port)]

    assert (bodies, provider.requests) == ([b"hello"] * 2, [2])
    assert "content-type" not in response.headers


async def test_an_answer_of_old_ends_with_its_connection(transport: Transport) -> None:
    """HTTP/1.0 knows no chunks and no reuse; what it sends is understood."""
    async with serving(answering(b"HTTP/1.0 200 OK\r\n\r\nhello")) as port:
        assert await ask(transport, port) == b"hello"


@given(
    cuts=st.lists(st.integers(1, 200), max_size=12),
    body=st.binary(min_size=1, max_size=60),
    chunks=st.lists(st.integers(1, 9), max_size=8),
    interim=st.booleans(),
)
def test_an_answer_is_the_same_in_whatever_pieces(
    cuts: list[int], body: bytes, chunks: list[int], interim: bool
) -> None:
    """Neither the network's pieces nor the provider's chunks change an answer."""
    wire = b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" if interim else b""
    wire += OK + b"x-a: 1\r\nX-A:  2 \r\ntransfer-encoding: chunked\r\n\r\n"
    left = body
    for size in [*chunks, len(body)]:
        if piece := left[:size]:
            wire += b"%x\r\n%b\r\n" % (len(piece), piece)
        left = left[size:]
    wire += b"0\r\n\r\n"
    edges = sorted({0, len(wire), *(cut % len(wire) for cut in cuts)})
    parser = AnswerParser(TransportLimits())
    was_whole = []

    for start, end in itertools.pairwise(edges):
        was_whole.append(parser.answer.is_whole)
        parser.feed(wire[start:end])

    answer = parser.answer
    assert (answer.status, answer.headers[b"x-a"]) == (200, b"1, 2")
    assert (answer.take(), answer.is_whole, answer.broken) == (body, True, None)
    assert parser.is_reusable
    assert not any(was_whole)


@given(
    pieces=st.lists(
        st.sampled_from(
            [
                *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n", b"HTTP/1.0 500 \r\n"),
                *(b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n"),
                *(b"connection: close\r\n", b"upgrade: x\r\n", b"\r\n", b"3\r\n"),
                *(b"abc", b"0\r\n\r\n", b":", b"\0", b"keep-alive: timeout=5\r\n"),
            ]
        ),
        max_size=14,
    )
)
def test_no_bytes_upset_the_reading(pieces: list[bytes]) -> None:
    """Whatever arrives is an answer, whole or broken, and never an error of ours."""
    parser = AnswerParser(TransportLimits())

    for piece in pieces:
        parser.feed(piece)
        if parser.answer.broken:
            break
    parser.end()
    parser.cut()

    assert parser.answer.is_settled
    assert not (parser.answer.is_whole and parser.answer.broken)
