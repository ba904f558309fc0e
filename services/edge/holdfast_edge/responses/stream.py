"""From the events of a streamed chat to those of a streamed Response."""

from collections.abc import Generator, Iterator
from typing import Any, TypeAlias, TypeVar

import msgspec

from holdfast_edge.responses.items import Ended, Frame, citation
from holdfast_edge.responses.native import (
    carried_item,
    native_items,
    placeless,
    shown_item,
    without_items,
)
from holdfast_edge.responses.open_items import (
    Event,
    OpenCall,
    OpenItem,
    OpenMessage,
    OpenReasoning,
)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_DATA = b"data: "

_Opened = TypeVar("_Opened")

_Opening: TypeAlias = Generator[Event, None, _Opened]
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
        self._open: OpenItem | None = None
        self._calls: dict[int, OpenCall] = {}
        self._characters = 0
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

    def _write(self, event: Event) -> bytes:
        numbered = {**event, "sequence_number": self._sequence}
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(numbered))

    def _take(self, chunk: dict[str, Any]) -> Iterator[Event]:
        if not self._created:
            self._created, self._model = chunk["created"], chunk["model"]
            for kind in ("response.created", "response.in_progress"):
                yield {"type": kind, "response": self._response()}
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue
            logprobs = (choice.get("logprobs") or {}).get("content")
            yield from self._delta(choice.get("delta") or {}, logprobs or [])
            if choice.get("finish_reason"):
                self._finish_reason = choice["finish_reason"]

    def _delta(
        self, delta: dict[str, Any], logprobs: list[dict[str, Any]]
    ) -> Iterator[Event]:
        if thought := delta.get("reasoning_content"):
            reasoning = yield from self._reasoning()
            yield from reasoning.add(thought)
        if blocks := delta.get("thinking_blocks"):
            reasoning = yield from self._reasoning()
            reasoning.carry({"thinking_blocks": [*map(placeless, blocks)]})
        if "extra_content" in delta:
            if rest := without_items(delta):
                reasoning = yield from self._reasoning()
                reasoning.carry({"extra_content": rest})
            for item in native_items(delta):
                yield from self._native(item)
        yield from self._said(delta, logprobs)
        for piece in delta.get("tool_calls") or ():
            yield from self._call(piece)

    def _said(
        self, delta: dict[str, Any], logprobs: list[dict[str, Any]]
    ) -> Iterator[Event]:
        if said := delta.get("content"):
            message = yield from self._message()
            yield from message.say(said, logprobs)
            self._characters += len(said)
        if refusal := delta.get("refusal"):
            message = yield from self._message()
            yield from message.refuse(refusal)
        for annotation in delta.get("annotations") or ():
            if isinstance(self._open, OpenMessage):
                cited = citation(annotation, self._open.before)
                yield from self._open.cite(cited)

    def _native(self, item: dict[str, Any]) -> Iterator[Event]:
        """Write an item that a chat has no word for; end one that it tells more of."""
        match item["type"]:
            case "reasoning":
                reasoning = yield from self._reasoning()
                reasoning.carry(carried_item(item))
                yield from self._close()
            case "message":
                if isinstance(self._open, OpenMessage):
                    self._open.phase = item.get("phase")
                    for annotation in item.get("annotations") or ():
                        yield from self._open.cite(annotation)
                    yield from self._close()
            case "function_call" | "custom_tool_call":
                pass
            case _:
                yield from self._close()
                place = len(self._output)
                self._output.append(shown_item(item))
                for kind in ("added", "done"):
                    yield {
                        "type": f"response.output_item.{kind}",
                        "output_index": place,
                        "item": self._output[place],
                    }

    def _reasoning(self) -> _Opening[OpenReasoning]:
        if not isinstance(self._open, OpenReasoning):
            yield from self._close()
            self._open = OpenReasoning(*self._place("rs"))
            yield self._added(self._open)
        return self._open

    def _message(self) -> _Opening[OpenMessage]:
        if not isinstance(self._open, OpenMessage):
            yield from self._close()
            self._open = OpenMessage(*self._place("msg"), before=self._characters)
            yield self._added(self._open)
        return self._open

    def _call(self, piece: dict[str, Any]) -> Iterator[Event]:
        place = piece.get("index") or 0
        if place not in self._calls:
            if "extra_content" in piece:
                reasoning = yield from self._reasoning()
                signed = {str(piece.get("id")): piece["extra_content"]}
                reasoning.carry({"calls": signed})
            yield from self._close()
            mark = "ctc" if "custom" in piece else "fc"
            call = self._calls[place] = OpenCall(*self._place(mark), piece)
            yield self._added(call)
        yield from self._calls[place].add(piece)

    def _place(self, mark: str) -> tuple[int, str]:
        place = len(self._output)
        return place, self._frame.item_id(mark, place)

    def _added(self, item: OpenItem) -> Event:
        self._output.append(item.item("in_progress"))
        return {
            "type": "response.output_item.added",
            "output_index": item.index,
            "item": self._output[-1],
        }

    def _done(self, item: OpenItem) -> Iterator[Event]:
        yield from item.ending()
        self._output[item.index] = item.item("completed")
        yield {
            "type": "response.output_item.done",
            "output_index": item.index,
            "item": self._output[item.index],
        }

    def _close(self) -> Iterator[Event]:
        if self._open is not None:
            item, self._open = self._open, None
            yield from self._done(item)

    def _close_all(self) -> Iterator[Event]:
        yield from self._close()
        for call in self._calls.values():
            yield from self._done(call)
