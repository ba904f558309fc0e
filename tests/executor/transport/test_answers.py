"""What comes back of an answer, and in which pieces."""

import asyncio

from fakes.raw_provider import (
    HELLO,
    OK,
    answering,
    read_request,
    serving,
)
from fakes.transport_calls import send
from holdfast_executor.transport import (
    Transport,
)


async def test_status_headers_and_body_come_back(transport: Transport) -> None:
    """An answer is what the provider sent, with header names in lower case."""
    answer = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"
    async with serving(answering(answer)) as port:
        response = await send(transport, port)
        body = await response.read()
        await response.close()

    assert (response.status, response.headers["retry-after"], body) == (
        429,
        "7",
        b"{}",
    )
    assert response.at_end


async def test_headers_and_body_are_sent_as_given(transport: Transport) -> None:
    """The provider sees the path, the headers and the bytes of the request."""
    seen: list[tuple[bytes, bytes]] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        seen.append(await read_request(reader))
        writer.write(HELLO)

    async with serving(converse) as port:
        response = await send(
            transport,
            port,
            path="/model/a%3Ab%2Fc/x?q=%20",
            headers=(("authorization", "Bearer k"), ("content-type", "a/b")),
            body=b'{"n": 1.0}',
        )
        await response.close()

    head, body = seen[0]
    assert head.startswith(b"POST /model/a%3Ab%2Fc/x?q=%20 HTTP/1.1\r\n")
    assert b"\r\nauthorization: Bearer k\r\ncontent-type: a/b\r\n" in head
    assert b"\r\naccept-encoding: identity\r\n" in head
    assert body == b'{"n": 1.0}'


async def test_a_large_body_arrives_whole(transport: Transport) -> None:
    """A body of many megabytes is sent without loss or complaint."""
    body = bytes(range(256)) * 20_000
    sizes: list[bool] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        sizes.append((await read_request(reader))[1] == body)
        writer.write(HELLO)

    async with serving(converse) as port:
        response = await send(transport, port, body=body)
        await response.close()

    assert sizes == [True]


async def test_blocks_come_as_they_arrive(transport: Transport) -> None:
    """A stream's first event is there before its second is written."""
    more = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await more.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with serving(converse) as port:
        response = await send(transport, port)
        first = await response.next_block()
        more.set()
        rest = [await response.next_block(), await response.next_block()]
        await response.close()

    assert (first, rest) == (b"one", [b"two", b""])


async def test_a_body_beyond_the_limit_is_cut_and_says_so(transport: Transport) -> None:
    """Of a body that is too large, only the beginning is taken."""
    async with serving(answering(HELLO)) as port:
        response = await send(transport, port)
        body = await response.read(4)
        await response.close()

    assert (body, response.at_end) == (b"hell", False)


async def test_a_body_of_the_limit_is_whole(transport: Transport) -> None:
    """A body may be exactly as large as the limit."""
    async with serving(answering(HELLO)) as port:
        response = await send(transport, port)
        body = await response.read(5)
        await response.close()

    assert (body, response.at_end) == (b"hello", True)


async def test_a_body_that_ends_with_its_connection_is_whole(
    transport: Transport,
) -> None:
    """A body without a length lasts until the connection is closed."""
    async with serving(answering(OK + b"\r\nhello")) as port:
        response = await send(transport, port)
        body = await response.read()
        await response.close()

    assert (body, response.at_end) == (b"hello", True)


async def test_a_redirect_is_an_answer(transport: Transport) -> None:
    """A redirect is handed back and nobody goes where it points."""
    visits: list[bytes] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        visits.append((await read_request(reader))[0])
        writer.write(
            b"HTTP/1.1 307 Away\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n"
        )

    async with serving(converse) as port:
        response = await send(transport, port)
        await response.close()

    assert (response.status, len(visits)) == (307, 1)


async def test_no_cookie_is_sent_back(transport: Transport) -> None:
    """What one answer sets is not in the next request."""
    heads: list[bytes] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for _ in range(2):
            heads.append((await read_request(reader))[0])
            writer.write(OK + b"set-cookie: a=b\r\ncontent-length: 0\r\n\r\n")

    async with serving(converse) as port:
        for _ in range(2):
            await (await send(transport, port)).close()

    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()
