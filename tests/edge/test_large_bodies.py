"""Bodies that are larger than a request may be."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from fakes.services import KEY, AnsweringExecutor
from holdfast_edge.body import LIMIT_BYTES

from .conftest import CHAT, Edge, Serve

MIB = 1024 * 1024
JSON = {"content-type": "application/json"}


def chat_of(size: int) -> bytes:
    """Write a chat of exactly so many bytes."""
    frame = len(json.dumps({**CHAT, "x": ""}))
    return json.dumps({**CHAT, "x": "a" * (size - frame)}).encode()


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), MIB):
        yield body[start : start + MIB]


async def test_refuses_50_mb_by_its_length(serve: Serve) -> None:
    """A client that sends all before it reads finds the refusal."""
    edge = await serve(AnsweringExecutor())

    response = await edge.chat(json=None, content=chat_of(50 * MIB), headers=JSON)

    assert_too_large(response)


async def test_refuses_50_mb_that_came_without_a_length(serve: Serve) -> None:
    """A body in chunks is refused once it is too large."""
    edge = await serve(AnsweringExecutor())

    response = await edge.chat(
        json=None, content=in_pieces(chat_of(50 * MIB)), headers=JSON
    )

    assert_too_large(response)


@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
async def test_refuses_before_all_has_come(serve: Serve, more: bytes) -> None:
    """The refusal is there to be read while the client is still sending."""
    edge = await serve(AnsweringExecutor())
    host, port = edge.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\n"
        b"authorization: Bearer " + KEY.encode() + b"\r\n"
        b"content-type: application/json\r\n"
        b"transfer-encoding: chunked\r\n" + more + b"\r\n"
    )
    piece = b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
    for _ in range(LIMIT_BYTES // MIB + 1):
        writer.write(piece)
        await writer.drain()

    head = await reader.readuntil(b"\r\n\r\n")
    for _ in range(10):
        writer.write(piece)
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    body = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["error"]["code"] == "request_too_large"


async def test_does_not_ask_for_a_body_it_will_refuse(serve: Serve) -> None:
    """Who asks before it sends is spared the sending."""
    edge = await serve(AnsweringExecutor())
    host, port = edge.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: edge\r\n"
        b"authorization: Bearer " + KEY.encode() + b"\r\n"
        b"expect: 100-continue\r\ncontent-length: 99999999\r\n\r\n"
    )

    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("chunked", [False, True])
async def test_takes_what_is_just_not_too_large(serve: Serve, chunked: bool) -> None:
    """The limit itself is within the limit, and one byte more is not."""
    executor = AnsweringExecutor()
    edge = await serve(executor)
    body = chat_of(LIMIT_BYTES)

    async def send(content: bytes) -> httpx.Response:
        return await edge.chat(
            json=None,
            content=in_pieces(content) if chunked else content,
            headers=JSON,
        )

    taken, refused = await send(body), await send(body + b" ")

    assert taken.status_code == 200
    assert executor.asked[0].body == body
    assert_too_large(refused)


async def test_answers_a_refused_key_while_a_body_is_being_sent(serve: Serve) -> None:
    """Any refusal that comes before the body was read can be read."""
    edge = await serve(AnsweringExecutor())

    response = await edge.chat(
        json=None,
        content=chat_of(40 * MIB),
        headers={**JSON, "authorization": "Bearer -"},
    )

    assert response.status_code == 401
    assert await still_serves(edge)


async def still_serves(edge: Edge) -> bool:
    return (await edge.chat()).status_code == 200


def assert_too_large(response: httpx.Response) -> None:
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (413, "request_too_large")
    assert "32 MiB" in error["message"]
    assert response.headers["x-should-retry"] == "false"
