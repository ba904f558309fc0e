"""Calls over TLS: whom it trusts, and where an answer ends."""

import asyncio
import contextlib
import ssl

import pytest

from fakes.raw_provider import (
    HELLO,
    OK,
    Counted,
    answering,
    read_request,
    serving,
    silent,
)
from fakes.transport_calls import failure, send
from holdfast_executor.transport import (
    FailureKind,
    Transport,
)


async def test_a_trusted_host_is_called(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """TLS works where the certificate is trusted and bears the name."""
    async with serving(answering(HELLO), server_tls) as port:
        response = await send(trusting, port, scheme="https", host="provider.test")
        body = await response.read()
        await response.close()

    assert body == b"hello"


async def test_an_unknown_certificate_is_refused(
    transport: Transport, server_tls: ssl.SSLContext
) -> None:
    """A certificate of nobody's is not trusted."""
    async with serving(silent, server_tls) as port:
        kind = await failure(send(transport, port, scheme="https"))

    assert kind is FailureKind.TLS


async def test_another_hosts_certificate_is_refused(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """A certificate that does not bear the name is not trusted."""
    async with serving(silent, server_tls) as port:
        kind = await failure(send(trusting, port, scheme="https", host="other.test"))

    assert kind is FailureKind.TLS


async def test_tls_to_a_plain_port(transport: Transport) -> None:
    """A port without TLS is told from one that refuses."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with serving(converse) as port:
        kind = await failure(send(transport, port, scheme="https"))

    assert kind is FailureKind.TLS


async def test_a_plain_call_to_a_tls_port(
    transport: Transport, server_tls: ssl.SSLContext
) -> None:
    """A TLS port's alarm is no answer."""
    async with serving(silent, server_tls) as port:
        assert await failure(send(transport, port)) is FailureKind.RESET


async def test_closing_early_is_seen_over_tls(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """A provider over TLS learns at once that nobody reads."""
    gone = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + b"content-length: 9\r\n\r\nhello")
        with contextlib.suppress(OSError):
            await reader.read()
        gone.set()

    async with serving(converse, server_tls) as port:
        response = await send(trusting, port, scheme="https", host="provider.test")
        await response.close()
        await asyncio.wait_for(gone.wait(), 10)

    assert gone.is_set()


async def test_a_connection_is_used_again(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """TLS is agreed on once."""
    provider = Counted(HELLO)
    async with serving(provider, server_tls) as port:
        for _ in range(5):
            response = await send(trusting, port, scheme="https", host="provider.test")
            await response.read()
            await response.close()

    assert provider.requests == [5]


async def test_a_large_body_arrives_whole(
    trusting: Transport, server_tls: ssl.SSLContext
) -> None:
    """Nothing is lost in the encryption of many megabytes."""
    body = bytes(range(256)) * 20_000
    whole: list[bool] = []

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        whole.append((await read_request(reader))[1] == body)
        writer.write(HELLO)

    async with serving(converse, server_tls) as port:
        response = await send(
            trusting, port, scheme="https", host="provider.test", body=body
        )
        await response.close()

    assert whole == [True]


async def test_a_cut_is_told(trusting: Transport, server_tls: ssl.SSLContext) -> None:
    """A cut body is no end over TLS either."""
    cut = answering(OK + b"content-length: 9\r\n\r\nhello")
    async with serving(cut, server_tls) as port:
        response = await send(trusting, port, scheme="https", host="provider.test")

        assert await failure(response.read()) is FailureKind.RESET
        await response.close()


async def test_a_handshake_that_hangs_times_out_and_hangs_up(
    transport: Transport,
) -> None:
    """A peer that never agrees on TLS costs no more than connecting may."""
    gone = asyncio.Event()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await silent(reader, writer)
        gone.set()

    async with serving(converse) as port:
        pending = send(transport, port, scheme="https", connect_timeout=0.1)
        kind = await failure(pending)
        await asyncio.wait_for(gone.wait(), 10)

    assert kind is FailureKind.TIMEOUT_CONNECT


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_body_without_a_length_ends_where_the_peer_says_so(
    trusting: Transport, server_tls: ssl.SSLContext, is_told: bool
) -> None:
    """Who cuts the line cannot make a part look whole: TLS tells its end."""

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await read_request(reader)
        writer.write(OK + b"\r\nhello")
        await writer.drain()
        if not is_told:
            writer.transport.abort()  # the line's end, of which TLS tells nothing

    async with serving(converse, server_tls) as port:
        response = await send(trusting, port, scheme="https", host="provider.test")
        first = await response.next_block()
        if is_told:
            end = await response.next_block()
        else:
            assert await failure(response.next_block()) is FailureKind.RESET
            end = b""
        await response.close()

    assert (first, end, response.at_end) == (b"hello", b"", is_told)
