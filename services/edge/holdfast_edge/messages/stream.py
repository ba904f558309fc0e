"""From the events of a streamed chat to those of a streamed Message."""

from collections.abc import Iterator
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


class MessageStream:
    """One answer being passed on. Blocks are opened as they come, one after another.

    Calls stay open to the end: a provider may write several at a time.
    """

    def __init__(self) -> None:
        self._begun = False
        self._index = -1
        self._open = ""
        self._calls: dict[int, int] = {}
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
        opened = sorted(self._calls.values())
        closing = [*self._close(), *(_stop(index) for index in opened)]
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
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)

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

    def _call(self, call: dict[str, Any]) -> Iterator[bytes]:
        place = call.get("index") or 0
        function = call.get("function") or {}
        if place not in self._calls:
            if "extra_content" in call:
                carried = wrapped({str(call.get("id")): call["extra_content"]})
                yield from self._whole(carried)
            yield from self._close()
            self._index += 1
            self._calls[place] = self._index
            block: dict[str, Any] = {
                "type": "tool_use",
                "id": call.get("id") or "",
                "name": function.get("name") or "",
                "input": {},
            }
            yield _start(self._index, block)
        if arguments := function.get("arguments"):
            delta = {"type": "input_json_delta", "partial_json": arguments}
            yield _piece(self._calls[place], delta)

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
            yield _stop(self._index)

    def _piece(self, delta: dict[str, Any]) -> bytes:
        return _piece(self._index, delta)


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
