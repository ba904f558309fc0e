"""From a chat's whole answer to a Response."""

from typing import Any

import msgspec

from holdfast_edge.responses.items import (
    Ended,
    Frame,
    call_item,
    call_mark,
    citation,
    message_item,
    reasoning_item,
    refusal_part,
    summary_part,
    text_part,
)
from holdfast_edge.responses.native import (
    carried_item,
    native_items,
    shown_item,
    without_items,
)

_decode = msgspec.json.Decoder().decode


def response_of(body: bytes, frame: Frame) -> dict[str, Any]:
    """Write the Response that a chat completion is."""
    answer = _decode(body)
    choice = answer["choices"][0]
    logprobs = (choice.get("logprobs") or {}).get("content") or []
    return frame.response(
        created=answer["created"],
        model=answer["model"],
        output=_Output(frame, choice["message"], logprobs).written(),
        ended=Ended(choice.get("finish_reason"), answer.get("usage")),
    )


class _Output:
    """A message as items, put together in the order that its provider gave them."""

    def __init__(
        self, frame: Frame, message: dict[str, Any], logprobs: list[dict[str, Any]]
    ) -> None:
        self._frame = frame
        self._message = message
        self._logprobs = logprobs
        self._text: str = message.get("content") or ""
        self._before = 0
        self._calls = {call["id"]: call for call in message.get("tool_calls") or ()}
        self._items: list[dict[str, Any]] = []

    def written(self) -> list[dict[str, Any]]:
        native = native_items(self._message)
        self._think(native)
        for item in native:
            self._add_native(item)
        self._say(self._text, refusal=self._message.get("refusal"))
        for call in self._calls.values():
            self._call(call)
        return self._items

    def _id(self, mark: str) -> str:
        return self._frame.item_id(mark, len(self._items))

    def _think(self, native: list[dict[str, Any]]) -> None:
        """Write what was thought that is in no item of its own."""
        has_own = any(item["type"] == "reasoning" for item in native)
        thoughts = "" if has_own else self._message.get("reasoning_content") or ""
        carried = carried_of(self._message)
        if not (carried or thoughts):
            return
        if thoughts and "thinking_blocks" not in carried:
            carried["reasoning_content"] = thoughts
        summary = [summary_part(thoughts)] if thoughts else []
        self._items.append(reasoning_item(self._id("rs"), summary, carried))

    def _add_native(self, item: dict[str, Any]) -> None:
        match item["type"]:
            case "reasoning":
                carried, summary = carried_item(item), item.get("summary") or ()
                self._items.append(reasoning_item(self._id("rs"), summary, carried))
            case "message":
                text = self._text[: item["characters"]]
                self._say(text, item.get("annotations"), phase=item.get("phase"))
            case "function_call" | "custom_tool_call":
                call = self._calls.pop(item["call_id"], None)
                if call is not None:
                    self._call(call)
            case _:
                self._items.append(shown_item(item))

    def _say(
        self,
        text: str,
        annotations: list[dict[str, Any]] | None = None,
        *,
        refusal: str | None = None,
        phase: object = None,
    ) -> None:
        """Write a message of the next part of the text."""
        parts = []
        if text:
            cited = [*self._citations(len(text)), *(annotations or ())]
            parts.append(text_part(text, cited, self._logprobs))
            self._logprobs = []
        if refusal:
            parts.append(refusal_part(refusal))
        if parts:
            said = message_item(self._id("msg"), parts, "completed", phase)
            self._items.append(said)
        self._before += len(text)
        self._text = self._text[len(text) :]

    def _citations(self, characters: int) -> list[dict[str, Any]]:
        """Return where the next so many characters come from."""
        written = [
            citation(each, self._before)
            for each in self._message.get("annotations") or ()
        ]
        return [
            each
            for each in written
            if each is not None and 0 <= each["start_index"] <= characters
        ]

    def _call(self, call: dict[str, Any]) -> None:
        self._items.append(call_item(self._id(call_mark(call)), call, "completed"))


def carried_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a chat's message bears that is to come back, but for its items."""
    carried: dict[str, Any] = {}
    if message.get("thinking_blocks"):
        carried["thinking_blocks"] = message["thinking_blocks"]
    if extra := without_items(message):
        carried["extra_content"] = extra
    calls = {
        call["id"]: call["extra_content"]
        for call in message.get("tool_calls") or ()
        if "extra_content" in call
    }
    return {**carried, "calls": calls} if calls else carried
