"""From the events of a streamed chat to those of a streamed Message."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast_edge.messages.answer import (
    issued_elsewhere,
    message_id,
    signed,
    stop_reason,
    usage_of,
)
from holdfast_edge.messages.carried import wrapped

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_DATA = b"data: "

_CALLS = frozenset({"role", "tool_calls"})
"""What is in a chunk that says nothing but a call."""


@dataclass(slots=True)
class _Call:
    """A call of a tool, as far as it has come.

    Attributes:
        begun: The block that it begins with.
        before: A block that stands before it, if any.
        arguments: In pieces.
        passed: How many of them have been passed on.
    """

    begun: dict[str, Any]
    before: dict[str, Any] | None = None
    arguments: list[str] = field(default_factory=list)
    passed: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are a JSON value, so that no more of them can come."""
        try:
            _decode("".join(self.arguments))
        except (ValueError, RecursionError):
            return False
        return True


class MessageStream:
    """One answer being passed on. Blocks follow one another, as clients expect them.

    A provider may write several calls at a time: they are passed on one by one.
    """

    def __init__(self) -> None:
        self._begun = False
        self._index = -1
        self._open = ""
        self._calls: dict[int, _Call] = {}
        self._waiting: list[_Call] = []
        self._later: list[dict[str, Any]] = []
        self._call: _Call | None = None
        self._stop_reason = "end_turn"
        self._usage: dict[str, Any] = {}

    def feed(self, events: bytes) -> bytes:
        """Translate whole events."""
        written: list[bytes] = []
        for event in events.split(b"\n\n"):
            if event.startswith(_DATA):
                written += self._take(_decode(event[len(_DATA) :]))
        return b"".join(written)

    def end(self) -> bytes:
        """Write how the answer ended."""
        closing = [*self._close()]
        while self._waiting:
            closing += [*self._next_call(), *self._close()]
        for delta in self._later:
            closing += self._say(delta)
        closing += self._close()
        last = {
            "type": "message_delta",
            "delta": {"stop_reason": self._stop_reason, "stop_sequence": None},
            "usage": usage_of(self._usage),
        }
        return b"".join([*closing, _event(last), _event({"type": "message_stop"})])

    def _take(self, chunk: dict[str, Any]) -> Iterator[bytes]:
        if not self._begun:
            self._begun = True
            yield from self._begin(chunk)
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue
            yield from self._delta(choice.get("delta") or {})
            if choice.get("finish_reason"):
                self._stop_reason = stop_reason(choice["finish_reason"])

    def _begin(self, chunk: dict[str, Any]) -> Iterator[bytes]:
        message = {
            "id": message_id(chunk["id"]),
            "type": "message",
            "role": "assistant",
            "model": chunk["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # What it used is known at the end: the last event says it.
            "usage": usage_of(None),
        }
        yield _event({"type": "message_start", "message": message})
        yield _event({"type": "ping"})

    def _delta(self, delta: dict[str, Any]) -> Iterator[bytes]:
        call = self._call
        if call is None or _CALLS.issuperset(delta) or call.is_whole:
            yield from self._say(delta)
        else:
            # A block would end the call, of which there is more to come.
            self._later.append(delta)
        for each in delta.get("tool_calls") or ():
            yield from self._take_call(each)

    def _say(self, delta: dict[str, Any]) -> Iterator[bytes]:
        """Pass on what is said, the calls left out."""
        if thought := delta.get("reasoning_content"):
            yield from self._opened("thinking", {"thinking": "", "signature": ""})
            yield self._piece({"type": "thinking_delta", "thinking": thought})
        for block in delta.get("thinking_blocks") or ():
            if not issued_elsewhere(block):
                yield from self._sign(signed(block))
        if "extra_content" in delta:
            yield from self._whole(wrapped({"": delta["extra_content"]}))
        if text := delta.get("content") or delta.get("refusal"):
            yield from self._opened("text", {"text": ""})
            yield self._piece({"type": "text_delta", "text": text})

    def _sign(self, block: dict[str, Any]) -> Iterator[bytes]:
        """End thinking with its signature, or pass on what has nothing else."""
        if block["type"] != "thinking":
            yield from self._whole(block)
            return
        if self._open != "thinking":
            # Its text has gone out in a block that something else has ended.
            yield from self._opened("thinking", {"thinking": "", "signature": ""})
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            yield self._piece(thought)
        signature = {"type": "signature_delta", "signature": block["signature"]}
        yield self._piece(signature)
        yield from self._close()

    def _take_call(self, call: dict[str, Any]) -> Iterator[bytes]:
        place = call.get("index") or 0
        function = call.get("function") or {}
        if place not in self._calls:
            self._calls[place] = _begun(call)
            self._waiting.append(self._calls[place])
        if arguments := function.get("arguments"):
            self._calls[place].arguments.append(arguments)
        yield from self._passed()
        while self._waiting and (self._call is None or self._call.is_whole):
            yield from self._next_call()

    def _next_call(self) -> Iterator[bytes]:
        """Pass on the call that has waited longest, as far as it has come."""
        yield from self._close()
        call = self._waiting.pop(0)
        if call.before is not None:
            yield from self._whole(call.before)
        self._call = call
        self._open = "tool_use"
        self._index += 1
        yield _start(self._index, call.begun)
        yield from self._passed()

    def _passed(self) -> Iterator[bytes]:
        """Pass on what has come of the call whose turn it is."""
        call = self._call
        if call is not None:
            for arguments in call.arguments[call.passed :]:
                delta = {"type": "input_json_delta", "partial_json": arguments}
                yield self._piece(delta)
            call.passed = len(call.arguments)

    def _opened(self, kind: str, empty: dict[str, Any]) -> Iterator[bytes]:
        if self._open == kind:
            return
        yield from self._close()
        self._open = kind
        self._index += 1
        yield _start(self._index, {"type": kind, **empty})

    def _whole(self, block: dict[str, Any]) -> Iterator[bytes]:
        yield from self._close()
        self._index += 1
        yield _start(self._index, block)
        yield _stop(self._index)

    def _close(self) -> Iterator[bytes]:
        if self._open:
            self._open = ""
            self._call = None
            yield _stop(self._index)

    def _piece(self, delta: dict[str, Any]) -> bytes:
        return _piece(self._index, delta)


def _begun(call: dict[str, Any]) -> _Call:
    function = call.get("function") or {}
    name = str(call.get("id") or "")
    carried = call.get("extra_content")
    return _Call(
        {
            "type": "tool_use",
            "id": name,
            "name": function.get("name") or "",
            "input": {},
        },
        None if carried is None else wrapped({name: carried}),
    )


def _start(index: int, block: dict[str, Any]) -> bytes:
    return _event(
        {"type": "content_block_start", "index": index, "content_block": block}
    )


def _piece(index: int, delta: dict[str, Any]) -> bytes:
    return _event({"type": "content_block_delta", "index": index, "delta": delta})


def _stop(index: int) -> bytes:
    return _event({"type": "content_block_stop", "index": index})


def _event(data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (data["type"].encode(), _encode(data))
