"""From the events of a streamed chat to those of a streamed Response."""

from collections.abc import Generator, Iterator
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from holdfast_edge.responses.items import (
    Ended,
    Frame,
    call_item,
    message_item,
    reasoning_item,
    refusal_part,
    text_part,
)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_DATA = b"data: "

_Event = dict[str, Any]

_Opened = TypeVar("_Opened")

_Opening: TypeAlias = Generator[_Event, None, _Opened]
"""Gives events, and in the end the item that is open."""


class ResponseStream:
    """One answer being passed on, item after item.

    Calls stay open to the end: a provider may write several at a time.

    Attributes:
        response: The whole of it, once it has ended. None before.
    """

    def __init__(self, frame: Frame) -> None:
        """Begin before the first event."""
        self.response: dict[str, Any] | None = None
        self._frame = frame
        self._created = 0
        self._model = ""
        self._sequence = 0
        self._output: list[dict[str, Any]] = []
        self._open: _Item | None = None
        self._calls: dict[int, _Call] = {}
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] | None = None

    def feed(self, events: bytes) -> bytes:
        """Translate whole events."""
        return b"".join(
            self._write(each)
            for event in events.split(b"\n\n")
            if event.startswith(_DATA)
            for each in self._take(_decode(event[len(_DATA) :]))
        )

    def end(self) -> bytes:
        """Write how the answer ended."""
        written = [self._write(each) for each in self._close_all()]
        ended = Ended(self._finish_reason, self._usage)
        self.response = self._response(ended)
        kind = f"response.{self.response['status']}"
        written.append(self._write({"type": kind, "response": self.response}))
        return b"".join(written)

    def failed(self, error: dict[str, Any]) -> bytes:
        """Write that it broke off, and why."""
        said = {"code": error["code"], "message": error["message"]}
        failed = {"type": "response.failed", "response": self._response(error=said)}
        last = {"type": "error", **said, "param": error.get("param"), "error": error}
        return self._write(failed) + self._write(last)

    def _response(
        self, ended: Ended | None = None, error: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return self._frame.response(
            created=self._created,
            model=self._model,
            output=self._output,
            ended=ended,
            error=error,
        )

    def _write(self, event: _Event) -> bytes:
        numbered = {**event, "sequence_number": self._sequence}
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(numbered))

    def _take(self, chunk: dict[str, Any]) -> Iterator[_Event]:
        if not self._created:
            self._created, self._model = chunk["created"], chunk["model"]
            for kind in ("response.created", "response.in_progress"):
                yield {"type": kind, "response": self._response()}
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue
            yield from self._delta(choice.get("delta") or {})
            if choice.get("finish_reason"):
                self._finish_reason = choice["finish_reason"]

    def _delta(self, delta: dict[str, Any]) -> Iterator[_Event]:
        if thought := delta.get("reasoning_content"):
            reasoning = yield from self._reasoning()
            yield from reasoning.add(thought)
        if blocks := delta.get("thinking_blocks"):
            reasoning = yield from self._reasoning()
            reasoning.carry("thinking_blocks", [*map(_placeless, blocks)])
        if "extra_content" in delta:
            reasoning = yield from self._reasoning()
            reasoning.carry("extra_content", delta["extra_content"])
        for part in _PARTS:
            if said := delta.get(part):
                message = yield from self._message()
                yield from message.add(part, said)
        for piece in delta.get("tool_calls") or ():
            yield from self._call(piece)

    def _reasoning(self) -> _Opening["_Reasoning"]:
        if not isinstance(self._open, _Reasoning):
            yield from self._close()
            self._open = _Reasoning(*self._place("rs"))
            yield self._added(self._open)
        return self._open

    def _message(self) -> _Opening["_Message"]:
        if not isinstance(self._open, _Message):
            yield from self._close()
            self._open = _Message(*self._place("msg"))
            yield self._added(self._open)
        return self._open

    def _call(self, piece: dict[str, Any]) -> Iterator[_Event]:
        place = piece.get("index") or 0
        if place not in self._calls:
            if "extra_content" in piece:
                reasoning = yield from self._reasoning()
                signed = {str(piece.get("id")): piece["extra_content"]}
                reasoning.carry("calls", signed)
            yield from self._close()
            call = self._calls[place] = _Call(*self._place("fc"), piece)
            yield self._added(call)
        if arguments := (piece.get("function") or {}).get("arguments"):
            yield self._calls[place].add(arguments)

    def _place(self, mark: str) -> tuple[int, str]:
        place = len(self._output)
        return place, self._frame.item_id(mark, place)

    def _added(self, item: "_Item") -> _Event:
        self._output.append(item.item("in_progress"))
        return {
            "type": "response.output_item.added",
            "output_index": item.index,
            "item": self._output[-1],
        }

    def _done(self, item: "_Item") -> Iterator[_Event]:
        yield from item.ending()
        self._output[item.index] = item.item("completed")
        yield {
            "type": "response.output_item.done",
            "output_index": item.index,
            "item": self._output[item.index],
        }

    def _close(self) -> Iterator[_Event]:
        if self._open is not None:
            item, self._open = self._open, None
            yield from self._done(item)

    def _close_all(self) -> Iterator[_Event]:
        yield from self._close()
        for call in self._calls.values():
            yield from self._done(call)


class _Item(Protocol):
    """An output item that is being written.

    Attributes:
        index: Its place in the output.
    """

    index: int

    def item(self, status: str) -> dict[str, Any]:
        """Write it as it is now."""

    def ending(self) -> Iterator[_Event]:
        """Give the events that end what is in it."""


class _Reasoning:
    """What is thought, and what its provider wants back."""

    def __init__(self, index: int, item_id: str) -> None:
        self.index = index
        self._id = item_id
        self._thoughts: list[str] = []
        self._carried: dict[str, Any] = {}

    def add(self, thought: str) -> Iterator[_Event]:
        if not self._thoughts:
            yield self._event("part.added", part=_summary(""))
        self._thoughts.append(thought)
        yield self._event("text.delta", delta=thought)

    def carry(self, name: str, content: Any) -> None:
        known = self._carried.get(name)
        if isinstance(known, list):
            self._carried[name] = known + content
        else:
            self._carried[name] = {**known, **content} if known else content

    def item(self, status: str) -> dict[str, Any]:
        carried = dict(self._carried)
        if self._thoughts and "thinking_blocks" not in carried:
            carried["reasoning_content"] = "".join(self._thoughts)
        return reasoning_item(self._id, "".join(self._thoughts), carried)

    def ending(self) -> Iterator[_Event]:
        if self._thoughts:
            text = "".join(self._thoughts)
            yield self._event("text.done", text=text)
            yield self._event("part.done", part=_summary(text))

    def _event(self, kind: str, **more: Any) -> _Event:
        return {
            "type": f"response.reasoning_summary_{kind}",
            "item_id": self._id,
            "output_index": self.index,
            "summary_index": 0,
            **more,
        }


class _Message:
    """What is said: a text, a refusal, or one after the other."""

    def __init__(self, index: int, item_id: str) -> None:
        self.index = index
        self._id = item_id
        self._parts: list[tuple[str, list[str]]] = []

    def add(self, part: str, said: str) -> Iterator[_Event]:
        if not self._parts or self._parts[-1][0] != part:
            yield from self.ending()
            self._parts.append((part, []))
            yield self._event("content_part.added", part=_PARTS[part][1](""))
        self._parts[-1][1].append(said)
        more: dict[str, Any] = {"logprobs": []} if part == "content" else {}
        yield self._event(f"{_PARTS[part][0]}.delta", delta=said, **more)

    def item(self, status: str) -> dict[str, Any]:
        parts = [_PARTS[part][1]("".join(said)) for part, said in self._parts]
        item: dict[str, Any] = message_item(self._id, parts, status)
        return item

    def ending(self) -> Iterator[_Event]:
        if not self._parts:
            return
        part, said = self._parts[-1]
        name, write = _PARTS[part]
        text = "".join(said)
        whole = {"text": text, "logprobs": []} if part == "content" else {part: text}
        yield self._event(f"{name}.done", **whole)
        yield self._event("content_part.done", part=write(text))

    def _event(self, kind: str, **more: Any) -> _Event:
        return {
            "type": f"response.{kind}",
            "item_id": self._id,
            "output_index": self.index,
            "content_index": max(0, len(self._parts) - 1),
            **more,
        }


class _Call:
    """A call of a function."""

    def __init__(self, index: int, item_id: str, opening: dict[str, Any]) -> None:
        self.index = index
        self._id = item_id
        self._opening = opening
        self._arguments: list[str] = []

    def add(self, arguments: str) -> _Event:
        self._arguments.append(arguments)
        return self._event("delta", delta=arguments)

    def item(self, status: str) -> dict[str, Any]:
        function = self._opening.get("function") or {}
        called = {
            "id": self._opening.get("id"),
            "function": {**function, "arguments": "".join(self._arguments)},
        }
        return call_item(self._id, called, status)

    def ending(self) -> Iterator[_Event]:
        name = (self._opening.get("function") or {}).get("name") or ""
        yield self._event("done", name=name, arguments="".join(self._arguments))

    def _event(self, kind: str, **more: Any) -> _Event:
        return {
            "type": f"response.function_call_arguments.{kind}",
            "item_id": self._id,
            "output_index": self.index,
            **more,
        }


def _placeless(block: dict[str, Any]) -> dict[str, Any]:
    """Leave out a block's place in the stream, which a whole answer does not have."""
    return {name: value for name, value in block.items() if name != "index"}


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


_PARTS = {"content": ("output_text", text_part), "refusal": ("refusal", refusal_part)}
"""The parts of a message by a delta's field: what events and parts call them."""
