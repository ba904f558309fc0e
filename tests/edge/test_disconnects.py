"""A caller that goes away stops what is done for it."""

import asyncio
import contextlib
import json

import structlog

from fakes.administration import MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.services import (
    KEY,
    FloodingExecutor,
    ResolverOfOneKey,
    WaitingExecutor,
)
from holdfast_edge.app import create_app

from .conftest import CHAT, Edge, Serve

STREAMED = {**CHAT, "stream": True}


async def connect(
    edge: Edge, body: dict[str, object]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a chat over a connection that the test may cut."""
    host, port = edge.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    content = json.dumps(body).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\n"
        b"authorization: Bearer " + KEY.encode() + b"\r\n"
        b"content-type: application/json\r\n"
        b"content-length: " + str(len(content)).encode() + b"\r\n\r\n" + content
    )
    return reader, writer


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_cancels_a_call_whose_caller_goes_away(serve: Serve) -> None:
    """A call that is not streamed is called off, and counted as nobody's."""
    executor = WaitingExecutor()
    edge = await serve(executor)
    _, writer = await connect(edge, CHAT)
    await executor.began.wait()

    await hang_up(writer)

    await asyncio.wait_for(executor.called_off.wait(), 10)
    metrics = (await edge.http.get("/metrics")).text
    assert (
        'holdfast_edge_requests_total{status="499",surface="chat_completions"} 1.0'
        in metrics
    )


async def test_closes_a_stream_whose_caller_goes_away_before_it_begins(
    serve: Serve,
) -> None:
    """A stream without content yet is called off."""
    executor = WaitingExecutor()
    edge = await serve(executor)
    _, writer = await connect(edge, STREAMED)
    await executor.began.wait()

    await hang_up(writer)

    await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_closes_a_stream_whose_caller_goes_away(serve: Serve) -> None:
    """A stream between two pieces is called off at once."""
    executor = WaitingExecutor(first_chunk=True)
    edge = await serve(executor)
    reader, writer = await connect(edge, STREAMED)
    await reader.readuntil(b"Hel")
    await executor.began.wait()

    await hang_up(writer)

    await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_waits_for_a_slow_reader_and_stops_when_it_leaves(serve: Serve) -> None:
    """Who reads nothing holds the stream back; who leaves ends it."""
    executor = FloodingExecutor()
    edge = await serve(executor)
    reader, writer = await connect(edge, STREAMED)
    await reader.readuntil(b"\r\n\r\n")
    seen = -1

    async def stands_still() -> None:
        nonlocal seen
        while executor.sent != seen:
            seen = executor.sent
            await asyncio.sleep(0.2)

    await asyncio.wait_for(stands_still(), 30)
    await hang_up(writer)

    await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_serves_the_next_caller_after_one_left(serve: Serve) -> None:
    """A caller that leaves takes nothing with it."""
    executor = WaitingExecutor()
    edge = await serve(executor)
    _, writer = await connect(edge, CHAT)
    await executor.began.wait()
    await hang_up(writer)
    await asyncio.wait_for(executor.called_off.wait(), 10)
    executor.release.set()

    response = await edge.chat()

    assert response.status_code == 200


async def test_counts_what_is_in_flight(serve: Serve) -> None:
    """A request is in flight until its answer is whole."""
    executor = WaitingExecutor()
    edge = await serve(executor)
    chat = asyncio.create_task(edge.chat())
    await executor.began.wait()

    during = (await edge.http.get("/metrics")).text
    executor.release.set()
    await chat
    after = (await edge.http.get("/metrics")).text

    assert "holdfast_edge_requests_in_flight 2.0" in during
    assert "holdfast_edge_requests_in_flight 1.0" in after


async def test_closes_a_stream_that_can_no_longer_be_sent() -> None:
    """A server that finds out by sending is understood as well."""
    executor = FloodingExecutor()
    app = create_app(
        ResolverOfOneKey(),
        executor,
        MemoryAdministration(),
        LedgerThatAnswers(),
        ready=_ready,
    )
    body = json.dumps(STREAMED).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"x-api-key", KEY.encode()), (b"content-length", b"1")],
    }
    inbound = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        if not inbound:
            await asyncio.Event().wait()
        return inbound.pop()

    async def send(message: object) -> None:
        if executor.sent:
            raise ConnectionResetError

    with structlog.testing.capture_logs() as logged:
        await app(scope, receive, send)

    assert executor.called_off.is_set()
    assert not logged


async def _ready() -> bool:
    return True
