"""The output items of a streamed Response while they are being written."""

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

from holdfast_edge.carried import joined
from holdfast_edge.responses.items import (
    call_item,
    message_item,
    reasoning_item,
    refusal_part,
    summary_part,
    text_part,
)
from holdfast_edge.responses.native import native_items

Event: TypeAlias = dict[str, Any]


class OpenItem(Protocol):
    """An output item that is being written.

    Attributes:
        index: Its place in the output.
    """

    index: int

    def item(self, status: str) -> dict[str, Any]:
        """Write it as it is now."""

    def ending(self) -> Iterator[Event]:
        """Give the events that end what is in it."""


class OpenReasoning:
    """What is thought, and what its provider wants back."""

    def __init__(self, index: int, item_id: str) -> None:
        self.index = index
        self._id = item_id
        self._thoughts: list[str] = []
        self._carried: dict[str, Any] = {}

    def add(self, thought: str) -> Iterator[Event]:
        """Go on thinking."""
        if not self._thoughts:
            # What parts it from earlier thoughts stands in an item of its own.
            thought = thought.lstrip("\n")
            yield self._event("part.added", part=summary_part(""))
        self._thoughts.append(thought)
        yield self._event("text.delta", delta=thought)

    def carry(self, more: dict[str, Any]) -> None:
        """Take what its provider wants back."""
        self._carried = joined(self._carried, more)

    def item(self, status: str) -> dict[str, Any]:
        """Write it as it is now."""
        carried = dict(self._carried)
        thoughts = "".join(self._thoughts)
        if thoughts and "thinking_blocks" not in carried and not native_items(carried):
            carried["reasoning_content"] = thoughts
        summary = [summary_part(thoughts)] if thoughts else []
        return reasoning_item(self._id, summary, carried)

    def ending(self) -> Iterator[Event]:
        """Give the events that end what is in it."""
        if self._thoughts:
            text = "".join(self._thoughts)
            yield self._event("text.done", text=text)
            yield self._event("part.done", part=summary_part(text))

    def _event(self, kind: str, **more: Any) -> Event:
        return {
            "type": f"response.reasoning_summary_{kind}",
            "item_id": self._id,
            "output_index": self.index,
            "summary_index": 0,
            **more,
        }


class _Part:
    """A part of a message: a text or a refusal.

    Attributes:
        said: All of it, in pieces.
        annotations: Where its passages come from.
        logprobs: How probable its tokens were.
    """

    def __init__(self, *, is_refusal: bool) -> None:
        self.is_refusal = is_refusal
        self.said: list[str] = []
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        """What events call it."""
        return "refusal" if self.is_refusal else "output_text"

    @property
    def text(self) -> str:
        """What it says."""
        return "".join(self.said)

    def written(self) -> dict[str, Any]:
        """Write it as it is now."""
        if self.is_refusal:
            return refusal_part(self.text)
        return text_part(self.text, self.annotations, self.logprobs)

    def whole(self) -> dict[str, Any]:
        """Say what the event that ends it says of it."""
        if self.is_refusal:
            return {"refusal": self.text}
        return {"text": self.text, "logprobs": self.logprobs}


class OpenMessage:
    """What is said: a text, a refusal, or one after the other.

    Attributes:
        before: How many characters of the answer stand before it.
        phase: What its provider calls this part of the answer. None: nothing.
    """

    def __init__(self, index: int, item_id: str, *, before: int) -> None:
        self.index = index
        self.before = before
        self.phase: object = None
        self._id = item_id
        self._parts: list[_Part] = []

    def say(self, text: str, logprobs: list[dict[str, Any]]) -> Iterator[Event]:
        """Go on with a text."""
        yield from self._begun(is_refusal=False)
        self._parts[-1].said.append(text)
        self._parts[-1].logprobs += logprobs
        yield self._event("output_text.delta", delta=text, logprobs=logprobs)

    def refuse(self, text: str) -> Iterator[Event]:
        """Go on with a refusal."""
        yield from self._begun(is_refusal=True)
        self._parts[-1].said.append(text)
        yield self._event("refusal.delta", delta=text)

    def cite(self, annotation: dict[str, Any] | None) -> Iterator[Event]:
        """Say where a passage comes from. None: in words that are not known."""
        if annotation is None or not self._parts or self._parts[-1].is_refusal:
            return
        place = len(self._parts[-1].annotations)
        self._parts[-1].annotations.append(annotation)
        yield self._event(
            "output_text.annotation.added",
            annotation_index=place,
            annotation=annotation,
        )

    def _begun(self, *, is_refusal: bool) -> Iterator[Event]:
        if not self._parts or self._parts[-1].is_refusal is not is_refusal:
            yield from self.ending()
            self._parts.append(_Part(is_refusal=is_refusal))
            yield self._event("content_part.added", part=self._parts[-1].written())

    def item(self, status: str) -> dict[str, Any]:
        """Write it as it is now."""
        parts = [part.written() for part in self._parts]
        return message_item(self._id, parts, status, self.phase)

    def ending(self) -> Iterator[Event]:
        """Give the events that end what is in it."""
        if not self._parts:
            return
        part = self._parts[-1]
        yield self._event(f"{part.name}.done", **part.whole())
        yield self._event("content_part.done", part=part.written())

    def _event(self, kind: str, **more: Any) -> Event:
        return {
            "type": f"response.{kind}",
            "item_id": self._id,
            "output_index": self.index,
            "content_index": max(0, len(self._parts) - 1),
            **more,
        }


class OpenCall:
    """A call of a function or a custom tool."""

    def __init__(self, index: int, item_id: str, opening: dict[str, Any]) -> None:
        self.index = index
        self._id = item_id
        self._opening = opening
        self._arguments: list[str] = []
        self._kind, self._holder, self._name = (
            ("custom_tool_call_input", "custom", "input")
            if "custom" in opening
            else ("function_call_arguments", "function", "arguments")
        )

    def add(self, piece: dict[str, Any]) -> Iterator[Event]:
        """Go on with what it is called with, if a piece has any of it."""
        if argument := (piece.get(self._holder) or {}).get(self._name):
            self._arguments.append(argument)
            yield self._event("delta", delta=argument)

    def item(self, status: str) -> dict[str, Any]:
        """Write it as it is now."""
        holder = self._opening.get(self._holder) or {}
        whole = {**holder, self._name: "".join(self._arguments)}
        called = {"id": self._opening.get("id"), self._holder: whole}
        return call_item(self._id, called, status)

    def ending(self) -> Iterator[Event]:
        """Give the events that end what is in it."""
        done: dict[str, Any] = {self._name: "".join(self._arguments)}
        if self._holder == "function":
            done["name"] = (self._opening.get("function") or {}).get("name") or ""
        yield self._event("done", **done)

    def _event(self, kind: str, **more: Any) -> Event:
        return {
            "type": f"response.{self._kind}.{kind}",
            "item_id": self._id,
            "output_index": self.index,
            **more,
        }
