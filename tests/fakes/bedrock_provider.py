"""A provider shaped like Bedrock: Converse and ConverseStream on a free port.

    async with BedrockProvider() as aws:
        aws.fail(throttled())                  # the next request
        ... call aws.base_uri ...
        assert aws.taken[0].operation == "converse-stream"

It answers with the last words it was told, refuses what AWS's service model
refuses, and fails as it is told to, one request after the other.
"""

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from fakes import aws_frames
from fakes.aws_model import faults_of
from fakes.closing import close_server

_OPERATIONS = {"converse": "Converse", "converse-stream": "ConverseStream"}
_USAGE = {"inputTokens": 1_000, "outputTokens": 100, "totalTokens": 1_100}


@dataclass(frozen=True, slots=True)
class Fault:
    """How a request is answered badly.

    Attributes:
        status: Other than 200: before the stream, with `code` in the header.
        frames: How many frames of the stream come before it breaks off.
        ending: What is sent then.
        holds: Whether the connection is then held, until the other side closes it.
    """

    status: int = 200
    code: str = ""
    message: str = ""
    frames: int = 0
    ending: bytes = b""
    holds: bool = False


def refused(status: int, code: str, message: str) -> Fault:
    """Refuse a request as AWS does."""
    return Fault(status, code, message)


def throttled() -> Fault:
    """Have no room for a request."""
    return refused(429, "ThrottlingException", "Too many requests, please wait.")


def excepted(name: str, *, after: int = 0) -> Fault:
    """Send an exception in the stream, after so many frames."""
    return Fault(frames=after, ending=aws_frames.exception(name, "It went wrong."))


def cut(*, after: int = 0, within: int = 0) -> Fault:
    """Break off after so many frames and some bytes of the next."""
    return Fault(frames=after, ending=aws_frames.event("messageStop", {})[:within])


def damaged(*, after: int = 0) -> Fault:
    """Send a frame whose checksum is wrong."""
    frame = aws_frames.event("contentBlockDelta", {})
    return Fault(frames=after, ending=frame[:-4] + b"\0\0\0\0")


def silent(*, after: int = 0) -> Fault:
    """Say nothing more, and hold the connection."""
    return Fault(frames=after, holds=True)


@dataclass(frozen=True, slots=True)
class Taken:
    """A request that arrived."""

    path: str
    model: str
    operation: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """What it asks for."""
        parsed: dict[str, Any] = json.loads(self.raw)
        return parsed


@dataclass(slots=True)
class BedrockProvider:
    """Answers every request, unless a fault is due.

    Attributes:
        taken: What arrived, in order.
    """

    taken: list[Taken] = field(default_factory=list)
    _faults: deque[Fault] = field(default_factory=deque)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def base_uri(self) -> str:
        """What a deployment of it has."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def fail(self, *faults: Fault) -> None:
        """Answer the next requests so, one each."""
        self._faults.extend(faults)

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
                await self._answer(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        taken = await _read_request(reader)
        self.taken.append(taken)
        fault = self._faults.popleft() if self._faults else None
        objections = faults_of(
            _OPERATIONS[taken.operation], {"modelId": taken.model, **taken.body}
        )
        if objections:
            fault = refused(400, "ValidationException", objections[0])
        if fault is not None and fault.status != 200:
            _refuse(writer, fault)
        elif taken.operation == "converse":
            _send(writer, 200, json.dumps(_whole(taken)).encode())
        else:
            await _stream(writer, taken, fault)
        await writer.drain()
        if fault is not None and fault.holds:
            await reader.read()


async def _read_request(reader: asyncio.StreamReader) -> Taken:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {
        name.lower(): value
        for name, value in (line.split(": ", 1) for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers["content-length"]))
    path = head[0].split()[1]
    _, _, model, operation = path.split("/")
    return Taken(path, unquote(model), operation, headers, body)


def _words(taken: Taken) -> list[str]:
    last = taken.body["messages"][-1]["content"]
    return [
        "You",
        " said:",
        *(f" {block['text']}" for block in last if "text" in block),
    ]


def _whole(taken: Taken) -> dict[str, Any]:
    content = [{"text": "".join(_words(taken))}]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "end_turn",
        "usage": _USAGE,
        "metrics": {"latencyMs": 1},
    }


def _frames(taken: Taken) -> list[bytes]:
    said = [{"contentBlockIndex": 0, "delta": {"text": word}} for word in _words(taken)]
    return [
        aws_frames.event("messageStart", {"role": "assistant"}),
        *(aws_frames.event("contentBlockDelta", each) for each in said),
        aws_frames.event("contentBlockStop", {"contentBlockIndex": 0}),
        aws_frames.event("messageStop", {"stopReason": "end_turn"}),
        aws_frames.event("metadata", {"usage": _USAGE}),
    ]


async def _stream(
    writer: asyncio.StreamWriter, taken: Taken, fault: Fault | None
) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n"
        b"transfer-encoding: chunked\r\n\r\n"
    )
    frames = _frames(taken)
    if fault is not None:
        frames = [*frames[: fault.frames], fault.ending]
    for frame in filter(None, frames):
        writer.write(b"%x\r\n%b\r\n" % (len(frame), frame))
        await writer.drain()
    if fault is None:
        writer.write(b"0\r\n\r\n")


def _refuse(writer: asyncio.StreamWriter, fault: Fault) -> None:
    origin = "http://internal.amazon.com/coral/com.amazon.bedrock/"
    _send(
        writer,
        fault.status,
        json.dumps({"message": fault.message}).encode(),
        f"x-amzn-errortype: {fault.code}:{origin}\r\n",
    )


def _send(
    writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = ""
) -> None:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
