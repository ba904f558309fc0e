"""The HTTP server, and what operators ask of it."""

import asyncio
import json
import re
import socket

import pytest
from starlette.types import Receive, Scope, Send

from fakes.patience import until
from fakes.services import KEY, AnsweringExecutor, WaitingExecutor
from holdfast_edge.server import EdgeServer

from .conftest import CHAT, Edge, Serve

STREAMED = {**CHAT, "stream": True}


async def send(edge: Edge, raw: bytes) -> bytes:
    """Send bytes, and return all that comes until the connection ends."""
    host, port = edge.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"GARBAGE\r\n\r\n", "request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "request"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", "request"),
        (
            b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "content-length",
        ),
        (b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n", "content-length"),
    ],
)
async def test_answers_what_is_no_http(serve: Serve, raw: bytes, param: str) -> None:
    """What cannot be parsed is a 400 in OpenAI's shape, and the end of it."""
    edge = await serve(AnsweringExecutor())

    head, _, body = (await send(edge, raw)).partition(b"\r\n\r\n")

    error = json.loads(body)["error"]
    assert head.startswith(b"HTTP/1.1 400 ")
    assert f"x-holdfast-trace-id: {error['trace_id']}".encode() in head
    assert (error["code"], error["param"]) == ("invalid_request", param)
    assert (await edge.chat()).status_code == 200


async def test_names_nothing_of_the_software_it_runs_on(serve: Serve) -> None:
    """There is no `server` header."""
    edge = await serve(AnsweringExecutor())

    response = await edge.chat()

    assert "server" not in response.headers


async def test_keeps_a_connection_for_the_next_call(serve: Serve) -> None:
    """Calls of one client share a connection, refused ones too."""
    edge = await serve(AnsweringExecutor())
    host, port = edge.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    statuses = []
    for body in (b"{}", json.dumps(CHAT).encode(), b"[", json.dumps(CHAT).encode()):
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\nx-api-key: "
            + KEY.encode()
            + b"\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        statuses.append(head.split()[1])
    writer.close()
    await writer.wait_closed()

    assert statuses == [b"400", b"200", b"400", b"200"]


def chat_request(**changed: object) -> bytes:
    """Write a chat request, head and body."""
    body = json.dumps({**CHAT, **changed}).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\nx-api-key: "
        + KEY.encode()
        + b"\r\ncontent-length: %d\r\n\r\n" % len(body)
        + body
    )


async def test_answers_requests_that_come_at_once_in_their_order(serve: Serve) -> None:
    """The second waits for the first, also where that is a stream."""
    executor = WaitingExecutor(first_chunk=True)
    edge = await serve(executor)
    asked = chat_request(stream=True) + b"GET /none HTTP/1.0\r\n\r\n"

    answering = asyncio.create_task(send(edge, asked))
    await executor.began.wait()
    executor.release.set()
    answer = await answering

    first, _, second = answer.partition(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert second.startswith(b"HTTP/1.1 404 Not Found\r\n")


async def test_tells_a_head_request_what_a_get_would_say(serve: Serve) -> None:
    """The same head, and no body."""
    edge = await serve(AnsweringExecutor())

    asked = b" /healthz HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n"
    got, told = [await send(edge, method + asked) for method in (b"GET", b"HEAD")]

    head, _, body = got.partition(b"\r\n\r\n")
    trace = re.compile(
        rb"\r\n(x-holdfast-trace-id|x-request-id|request-id|date): [^\r]*"
    )
    assert body
    assert trace.sub(b"", told) == trace.sub(b"", head) + b"\r\n\r\n"


async def test_sends_no_header_that_holds_a_line_break() -> None:
    """What would add a header of somebody else's making is no answer at all."""

    async def smuggles(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"x-name", b"value\r\nset-cookie: theirs"), (b"a", b"b\n")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"theirs"})

    server = EdgeServer(smuggles, "127.0.0.1:0")
    host, port = (await server.start()).split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    await server.stop()

    assert b"theirs" not in answer


async def test_finishes_what_runs_when_it_is_stopped(serve: Serve) -> None:
    """A running stream ends whole, while nobody else is let in."""
    executor = WaitingExecutor(first_chunk=True)
    edge = await serve(executor)
    stream = asyncio.create_task(edge.chat(json=STREAMED))
    await executor.began.wait()
    stopping = asyncio.create_task(edge.server.stop())
    await until(lambda: refused(edge))

    executor.release.set()
    response = await stream
    await stopping

    assert response.text.endswith("data: [DONE]\n\n")


async def test_answers_once_more_on_a_connection_that_is_open(serve: Serve) -> None:
    """Whose client could not know yet, and is told that it was the last time."""
    edge = await serve(AnsweringExecutor(), grace_s=300)
    host, port = edge.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(chat_request())
    before = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", before)
    assert length
    await reader.readexactly(int(length[1]))
    stopping = asyncio.create_task(edge.server.stop())
    await until(lambda: refused(edge))

    writer.write(chat_request())
    after = await reader.read()
    writer.close()
    await writer.wait_closed()
    await stopping

    assert b"connection: close" not in before
    assert after.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in after


async def test_answers_all_that_came_at_once_before_it_stops(serve: Serve) -> None:
    """Also what waits behind an answer that is under way."""
    executor = WaitingExecutor()
    edge = await serve(executor, grace_s=300)
    answering = asyncio.create_task(send(edge, chat_request() + chat_request()))
    await executor.began.wait()
    stopping = asyncio.create_task(edge.server.stop())
    await until(lambda: refused(edge))

    executor.release.set()
    answer = await answering
    await stopping

    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.count(b"connection: close") == 1


async def test_does_not_wait_long_for_a_connection_that_nobody_uses(
    serve: Serve,
) -> None:
    """A tenth of the grace, and then it is closed."""
    edge = await serve(AnsweringExecutor(), grace_s=1)
    await edge.http.get("/healthz")

    async with asyncio.timeout(20):
        await edge.server.stop()

    assert refused(edge)


async def test_tells_whom_it_cannot_wait_for(serve: Serve) -> None:
    """After the grace a call that is not over is told so, and called off."""
    executor = WaitingExecutor()
    edge = await serve(executor, grace_s=1)
    whole = asyncio.create_task(edge.chat())
    await executor.began.wait()

    await edge.server.stop()
    response = await whole

    assert response.status_code == 503
    assert response.headers["x-should-retry"] == "true"
    assert executor.called_off.is_set()


async def test_does_not_let_a_stream_look_whole_that_it_cannot_wait_for(
    serve: Serve,
) -> None:
    """After the grace a stream that is not over ends with an error."""
    executor = WaitingExecutor(first_chunk=True)
    edge = await serve(executor, grace_s=1)
    stream = asyncio.create_task(edge.chat(json=STREAMED))
    await executor.began.wait()

    await edge.server.stop()
    response = await stream

    last = response.text.split("\n\n")[-2]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["code"] == "service_unavailable"
    assert "[DONE]" not in response.text


async def test_says_when_an_address_is_taken(serve: Serve) -> None:
    """Who cannot listen is told at once."""
    edge = await serve(AnsweringExecutor())
    second = EdgeServer(_no_app, edge.address)

    with pytest.raises(OSError, match="in use"):
        await second.start()


async def test_wants_an_address() -> None:
    """What is no `HOST:PORT` is refused."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        await EdgeServer(_no_app, "localhost").start()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_answers_operators_without_a_key(serve: Serve, path: str) -> None:
    """What machines ask needs no key, and bears a trace id."""
    edge = await serve(AnsweringExecutor())

    response = await edge.http.get(path, headers={"authorization": ""})

    assert response.status_code == 200
    assert response.headers["x-holdfast-trace-id"]


async def test_is_not_ready_while_the_services_are_away(serve: Serve) -> None:
    """Not ready is a 503; healthy it is all the same."""
    edge = await serve(AnsweringExecutor(), ready=False)

    ready, health = await edge.http.get("/readyz"), await edge.http.get("/healthz")

    assert ready.status_code == 503
    assert ready.json()["error"]["code"] == "service_unavailable"
    assert health.status_code == 200


async def test_counts_requests_by_surface_and_status(serve: Serve) -> None:
    """What was answered shows in the metrics."""
    edge = await serve(AnsweringExecutor())
    await edge.chat()
    await edge.chat(json={})
    await edge.http.get("/nowhere")

    metrics = (await edge.http.get("/metrics")).text

    for line in (
        'holdfast_edge_requests_total{status="200",surface="chat_completions"} 1.0',
        'holdfast_edge_requests_total{status="400",surface="chat_completions"} 1.0',
        'holdfast_edge_requests_total{status="404",surface="none"} 1.0',
        'holdfast_edge_request_duration_seconds_count{surface="chat_completions"} 2.0',
    ):
        assert line in metrics


def refused(edge: Edge) -> bool:
    host, port = edge.address.split(":")
    with socket.socket() as caller:
        return caller.connect_ex((host, int(port))) != 0


async def _no_app(scope: object, receive: object, send: object) -> None:
    raise AssertionError
