"""A provider that does, request by request, exactly what a test wrote down."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from fakes.closing import close_server

USAGE = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with.

    Attributes:
        pieces: Written one after the other, each as a piece of its own.
        holds: Whether the connection is then held open and silent, until the
            other side closes it.
    """

    pieces: Sequence[bytes] = ()
    holds: bool = False


def whole(status: int, body: object, **headers: object) -> Reply:
    """Answer with a status, a JSON body, and headers (`_` for `-`)."""
    written = json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(written)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Reply(["\r\n".join([*head, "", ""]).encode() + written])


def completion(text: str = "Hello") -> Reply:
    """Answer with a whole chat completion."""
    return whole(
        200,
        {
            "id": "chatcmpl-upstream",
            "object": "chat.completion",
            "created": 1,
            "model": "upstream",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": USAGE,
        },
        content_type="application/json",
    )


def failing(status: int, code: str = "", **headers: object) -> Reply:
    """Answer with an error in OpenAI's shape."""
    error = {"message": f"it went {status}", "type": "error", "code": code or None}
    return whole(status, {"error": error}, **headers)


SILENCE = Reply(holds=True)
"""Take the request and never answer."""

HANGS_UP = Reply()
"""Take the request and close the connection."""

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_LAST_PIECE = b"0\r\n\r\n"


def event(data: object) -> bytes:
    """Write a server-sent event as a piece of a chunked body."""
    text = data if isinstance(data, str) else json.dumps(data)
    written = f"data: {text}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(written), written)


def delta(finish_reason: str | None = None, **said: object) -> bytes:
    """Write a chunk of a streamed answer."""
    choice = {"index": 0, "delta": said, "finish_reason": finish_reason}
    return event(
        {
            "id": "chatcmpl-upstream",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "upstream",
            "choices": [choice],
        }
    )


ROLE = delta(role="assistant", content="")
STOP = delta("stop")
USAGE_EVENT = event(
    {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "upstream",
        "choices": [],
        "usage": USAGE,
    }
)
ENDING = (STOP, USAGE_EVENT, event("[DONE]"), _LAST_PIECE)


def stream(*pieces: bytes, holds: bool = False) -> Reply:
    """Answer with a stream of these events and nothing after them."""
    return Reply([_STREAM_HEAD, *pieces], holds)


def streamed(*words: str) -> Reply:
    """Answer with a whole stream of these words."""
    return stream(ROLE, *(delta(content=word) for word in words), *ENDING)


@dataclass(slots=True)
class Taken:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class ScriptedProvider:
    """Answers its requests by its script; the last reply answers all the rest.

    Attributes:
        taken: What arrived, in order.
        hung_up: Set once the other side has closed while a reply was held.
    """

    script: list[Reply]
    taken: list[Taken] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def base_uri(self) -> str:
        """What a deployment of it has."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        await close_server(self._server)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._converse(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.taken.append(await _read_request(reader))
        reply = self.script[min(len(self.taken), len(self.script)) - 1]
        for piece in reply.pieces:
            writer.write(piece)
            await writer.drain()
        if reply.holds:
            with contextlib.suppress(OSError):
                await reader.read()
            self.hung_up.set()


async def _read_request(reader: asyncio.StreamReader) -> Taken:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Taken(head[0].split()[1], headers, body)
