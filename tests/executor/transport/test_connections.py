"""What a connection is kept for, and when it is not."""

import asyncio

import pytest

from fakes.raw_provider import (
    HELLO,
    OK,
    Counted,
    answering,
    read_request,
    reset,
    serving,
)
from fakes.transport_calls import ask, failure, send
from holdfast_executor.transport import (
    FailureKind,
    Transport,
    TransportLimits,
)


async def test_a_connection_is_used_again(transport: Transport) -> None:
    """Calls one after the other share a connection."""
    provider = Counted(HELLO)
    async with serving(provider) as port:
        for _ in range(3):
            await ask(transport, port)

    assert provider.requests == [3]


async def test_a_connection_closed_while_idle_is_not_used(transport: Transport) -> None:
    """A connection the provider closed in between costs no request."""
    connections = 0
    closed = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal connections
        connections += 1
        await answering(HELLO)(reader, writer)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with serving(converse) as port:
        for _ in range(5):
            closed.clear()
            await ask(transport, port)
            await closed.wait()

    assert connections == 5


async def test_a_post_is_never_sent_twice(transport: Transport) -> None:
    """A kept connection that dies on a request fails it: it may be at work."""
    connections: list[int] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connections.append(0)
        at = len(connections) - 1
        await read_request(reader)
        connections[at] += 1
        writer.write(HELLO)
        await read_request(reader)
        connections[at] += 1

    async with serving(converse) as port:
        response = await send(transport, port)
        await response.read()
        await response.close()

        assert await failure(send(transport, port)) is FailureKind.RESET
    assert connections == [2]


async def test_two_hundred_at_once(transport: Transport) -> None:
    """No call waits for another's connection."""
    everyone = asyncio.Barrier(200)

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        _, body = await read_request(reader)
        await everyone.wait()
        head = f"content-length: {len(body)}\r\n\r\n".encode()
        writer.write(OK + head + body)
        await writer.drain()

    async def call(port: int, number: int) -> bool:
        body = str(number).encode()
        response = await send(transport, port, body=body)
        try:
            return await response.read() == body
        finally:
            await response.close()

    async with serving(converse) as port:
        answers = await asyncio.gather(*(call(port, n) for n in range(200)))

    assert all(answers)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello",
        HELLO + b"HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\nevil",
        HELLO + b"garbage",
        HELLO.replace(b"\r\n", b"\r\nkeep-alive: timeout=1\r\n", 1),
    ],
    ids=["told so", "of old", "kept of old", "a second", "garbage", "for no time"],
)
async def test_a_connection_that_cannot_be_trusted_is_not_used_again(
    transport: Transport, answer: bytes
) -> None:
    """What nobody asked for is nobody's answer."""
    provider = Counted(answer)
    async with serving(provider) as port:
        bodies = [await ask(transport, port) for _ in range(3)]

    assert (bodies, len(provider.requests)) == ([b"hello"] * 3, 3)


async def test_what_comes_between_two_answers_is_not_the_second(
    transport: Transport,
) -> None:
    """An answer to nothing, sent while the connection idles, is thrown away."""
    connections = 0
    again, gone = asyncio.Event(), asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(HELLO)
        await again.wait()
        writer.write(OK + b"content-length: 4\r\n\r\nevil")
        await reader.read()
        gone.set()

    async with serving(converse) as port:
        first = await ask(transport, port)
        again.set()
        await asyncio.wait_for(gone.wait(), 10)
        again.clear()
        second = await ask(transport, port)

    assert (first, second, connections) == (b"hello", b"hello", 2)


async def test_an_answer_that_is_closed_unread_frees_its_connection(
    transport: Transport,
) -> None:
    """An answer that is there in full need not be read to be done with."""
    provider = Counted(OK + b"content-length: 0\r\n\r\n")
    async with serving(provider) as port:
        for _ in range(2):
            await (await send(transport, port)).close()

    assert len(provider.requests) == 1


async def test_an_idle_connection_is_closed_in_time() -> None:
    """What has idled for longer than it may is closed and not used."""
    gone = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(HELLO)
        await reader.read()
        gone.set()

    transport = Transport(limits=TransportLimits(keepalive_s=0.05))
    await transport.start()
    async with serving(converse) as port:
        body = await ask(transport, port)
        await asyncio.wait_for(gone.wait(), 10)
    await transport.close()

    assert body == b"hello"


async def test_a_provider_says_how_long_it_keeps_a_connection() -> None:
    """A connection that the provider will soon close is closed before it does."""
    limits = TransportLimits(keepalive_s=3600)
    answer = HELLO.replace(b"\r\n", b"\r\nKeep-Alive: timeout=2, max=9\r\n", 1)
    gone = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(answer)
        await reader.read()
        gone.set()

    transport = Transport(limits=limits)
    await transport.start()
    async with serving(converse) as port:
        body = await ask(transport, port)
        await asyncio.wait_for(gone.wait(), 10)
    await transport.close()

    assert body == b"hello"


async def test_no_more_is_kept_than_may_idle() -> None:
    """After a burst, connections beyond the limit are closed."""
    everyone = asyncio.Barrier(5)
    gone = asyncio.Semaphore(0)

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        await everyone.wait()
        writer.write(HELLO)
        await reader.read()
        gone.release()

    transport = Transport(limits=TransportLimits(idle_connections=2))
    await transport.start()
    async with serving(converse) as port:
        bodies = await asyncio.gather(*(ask(transport, port) for _ in range(5)))
        async with asyncio.timeout(10):
            for _ in range(3):
                await gone.acquire()

        assert gone.locked()
    await transport.close()
    assert bodies == [b"hello"] * 5


async def test_a_connection_that_closes_at_once_fails_and_is_forgotten(
    transport: Transport,
) -> None:
    """A provider that accepts and hangs up leaves nothing behind."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        reset(writer)

    async with serving(converse) as port:
        kinds = {await failure(send(transport, port)) for _ in range(5)}
        await transport.close()

    assert kinds <= {FailureKind.RESET, FailureKind.CONNECT}
