"""The misbehaving provider: any number of deployments behind one port of loopback.

A deployment is `/<provider>/v1` and a model. Its script says what becomes of each
request, and its log what came: the judge of how a gateway went about it.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.faults import wire
from bench.faults.behaviour import Behaviour, Script, Way

_WORD_S = 0.002
"""Between two events: a cut then falls between two reads of a gateway, mostly."""

_REFUSED_PREFIX = Behaviour(
    Way.ERROR,
    400,
    "This model does not support assistant message prefill. "
    "The conversation must end with a user message.",
    "invalid_request_error",
)
_OTHER_ANSWER = Behaviour(
    Way.ERROR, 400, "The answer begun is not mine.", "invalid_request_error"
)


@dataclass(slots=True)
class Deployment:
    """One deployment: what it does, and what it has seen.

    Attributes:
        since: When its first request came, on the loop's clock.
        hits: How many requests came.
        bodies: Theirs, in their order.
    """

    script: Script
    keeps_bodies: bool = True
    since: float | None = None
    hits: int = 0
    bodies: list[Any] = field(default_factory=list)


class Provider:
    """All of the deployments, and the port they are at.

    Args:
        word_s: Seconds between two events of a stream.
    """

    def __init__(self, *, word_s: float = _WORD_S) -> None:
        self.deployments: dict[tuple[str, str], Deployment] = {}
        self.port = 0
        self._word_s = word_s
        self._server: asyncio.Server | None = None

    def set(
        self, provider: str, model: str, script: Script, *, keep_bodies: bool = True
    ) -> Deployment:
        """Say what a deployment does, and whether it keeps what it was asked."""
        deployment = Deployment(script, keep_bodies)
        self.deployments[provider, model] = deployment
        return deployment

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening; what is under way ends with the event loop."""
        if self._server is not None:
            self._server.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            while True:
                provider, body = await _request(reader)
                deployment = self.deployments[provider, body["model"]]
                if not await _answer(
                    deployment, body, _Line(reader, writer, self._word_s)
                ):
                    break
        writer.close()


@dataclass(frozen=True, slots=True)
class _Line:
    """The connection that a request came on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    word_s: float

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} -", *(f"{k}: {v}" for k, v in headers.items())]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def whole(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        own = {"content-type": "application/json", "content-length": str(len(body))}
        self.head(status, own | dict(headers or {}))
        self.writer.write(body)

    async def chunk(self, data: bytes) -> None:
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()
        await asyncio.sleep(self.word_s)

    def reset(self) -> None:
        handle = self.writer.get_extra_info("socket")
        # Lingering for no time makes the close a reset.
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the gateway has closed the connection."""
        while await self.reader.read(1):
            pass


async def _request(reader: asyncio.StreamReader) -> tuple[str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    path = head.split(" ", 2)[1]
    length = next(
        int(line.partition(":")[2])
        for line in head.split("\r\n")
        if line.lower().startswith("content-length:")
    )
    return path.split("/")[1], json.loads(await reader.readexactly(length))


async def _answer(deployment: Deployment, body: Any, line: _Line) -> bool:
    """Treat one request by the script; return whether another may follow it."""
    now = asyncio.get_running_loop().time()
    if deployment.since is None:
        deployment.since = now
    behaviour = deployment.script(deployment.hits, now - deployment.since)
    deployment.hits += 1
    if deployment.keeps_bodies:
        deployment.bodies.append(body)
    if wire.continues(body) and behaviour.way is not Way.ERROR:
        if not behaviour.takes_prefix:
            behaviour = _REFUSED_PREFIX
        elif wire.left_to_say(body) is None:
            behaviour = _OTHER_ANSWER
    shown = _SHOWN.get(behaviour.way)
    if shown is not None:
        return await shown(behaviour, body, line)
    await asyncio.sleep(behaviour.seconds)
    if body.get("stream"):
        return await _stream(behaviour, body, line)
    return await _whole(behaviour, body, line)


async def _whole(behaviour: Behaviour, body: Any, line: _Line) -> bool:
    words = (behaviour.text,) if behaviour.text else wire.left_to_say(body)
    written = wire.whole(body["model"], words or ())
    if behaviour.way in {Way.CUT, Way.STALL}:
        line.head(
            200,
            {"content-type": "application/json", "content-length": str(len(written))},
        )
        line.writer.write(written[: len(written) // 2])
        return await _BREAKS[behaviour.way](behaviour, line)
    if behaviour.way is Way.MALFORMED:
        line.whole(written[: len(written) // 2])
    elif behaviour.way is Way.ERROR_EVENT:
        line.whole(wire.error(behaviour.message, behaviour.kind, behaviour.code))
    else:
        line.whole(written)
    return True


async def _stream(behaviour: Behaviour, body: Any, line: _Line) -> bool:
    model = body["model"]
    words = list(wire.left_to_say(body) or ())
    line.head(
        200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
    )
    await line.chunk(wire.event(model, {"role": "assistant", "content": ""}))
    cut_short = behaviour.way in _BREAKS
    for delta in _deltas(behaviour, words[: behaviour.after] if cut_short else words):
        await line.chunk(wire.event(model, delta))
    if cut_short:
        return await _BREAKS[behaviour.way](behaviour, line)
    reason = "tool_calls" if behaviour.tool else "stop"
    await line.chunk(wire.event(model, {}, reason))
    if (body.get("stream_options") or {}).get("include_usage"):
        await line.chunk(wire.usage_event(model, len(words)))
    if behaviour.way is not Way.UNENDED:
        await line.chunk(wire.DONE)
    line.writer.write(b"0\r\n\r\n")
    return True


def _deltas(behaviour: Behaviour, words: list[str]) -> list[dict[str, Any]]:
    if not behaviour.tool:
        return [{"content": word} for word in words]
    opening = {"index": 0, "id": "call_1", "type": "function"}
    function = {"name": "look_up", "arguments": ""}
    return [
        {"tool_calls": [{**opening, "function": function}]},
        *(
            {"tool_calls": [{"index": 0, "function": {"arguments": word}}]}
            for word in words
        ),
    ]


async def _cut(_: Behaviour, line: _Line) -> bool:
    line.writer.close()
    return False


async def _stall(_: Behaviour, line: _Line) -> bool:
    await line.gone()
    return False


async def _malformed(_: Behaviour, line: _Line) -> bool:
    await line.chunk(b'data: {"id": "chatcmpl-fault", "choices": [{"index\n\n')
    await line.gone()
    return False


async def _error_event(behaviour: Behaviour, line: _Line) -> bool:
    error = wire.error(behaviour.message, behaviour.kind, behaviour.code)
    await line.chunk(b"data: %s\n\n" % error)
    line.writer.write(b"0\r\n\r\n")
    return True


_BREAKS: Mapping[Way, Callable[[Behaviour, _Line], Awaitable[bool]]] = {
    Way.CUT: _cut,
    Way.STALL: _stall,
    Way.MALFORMED: _malformed,
    Way.ERROR_EVENT: _error_event,
}
"""How a stream is broken off."""


async def _error(behaviour: Behaviour, _: Any, line: _Line) -> bool:
    written = wire.error(behaviour.message, behaviour.kind, behaviour.code)
    line.whole(written, behaviour.status, behaviour.headers)
    return True


async def _reset(_: Behaviour, __: Any, line: _Line) -> bool:
    line.reset()
    return False


async def _silence(_: Behaviour, __: Any, line: _Line) -> bool:
    await line.gone()
    return False


async def _empty(_: Behaviour, body: Any, line: _Line) -> bool:
    if not body.get("stream"):
        line.whole(b'{"id": "chatcmpl-fault", "choices": []}')
        return True
    line.head(
        200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
    )
    await line.chunk(wire.DONE)
    line.writer.write(b"0\r\n\r\n")
    return True


_SHOWN: Mapping[Way, Callable[[Behaviour, Any, _Line], Awaitable[bool]]] = {
    Way.ERROR: _error,
    Way.RESET: _reset,
    Way.SILENCE: _silence,
    Way.EMPTY: _empty,
}
"""How a request is treated that gets no answer at all."""
