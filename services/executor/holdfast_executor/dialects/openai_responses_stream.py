"""Responses' streams as a chat's events, one by one.

A stream begins with events on the response's life (`response.created`), which say
nothing and commit to nothing, and is whole once `response.completed` or
`response.incomplete` has come.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from holdfast_executor.answer import ChunkWriter
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import ProviderError
from holdfast_executor.dialects.event_stream import EventStream
from holdfast_executor.dialects.openai_responses_answer import (
    answer_id,
    call_of,
    citation,
    finish_of,
    logprobs_of,
    not_an_answer,
    refuses,
    thoughts_of,
    usage_of,
)
from holdfast_executor.dialects.openai_responses_items import (
    CALLS,
    Keeper,
    issuer_of,
    parts_of,
    placed,
    text_of,
)
from holdfast_executor.failures import classify_in_band
from holdfast_executor.sse import Event

_decode = msgspec.json.Decoder().decode

_Data = dict[str, Any]


class _Item:
    """An output item that is being streamed.

    Attributes:
        call: Its place among the calls. None: it is none.
        has_said: Whether anything of what it says has come by itself.
        before: How many characters of the answer stand before it.
    """

    __slots__ = ("before", "call", "has_said")

    def __init__(self, before: int, call: int | None = None) -> None:
        self.before = before
        self.call = call
        self.has_said = False


class OpenAIResponsesStream(EventStream):
    """One stream being read. See `StreamDecoder` for what its attributes mean."""

    def __init__(self, context: AnswerContext) -> None:
        super().__init__(context)
        self._keeper = Keeper(issuer_of(context.deployment))
        self._items: dict[object, _Item] = {}
        self._call_count = 0
        self._citation_count = 0
        self._characters = 0
        self._has_text = False
        self._has_refused = False
        self._has_thought = False
        self._writer: ChunkWriter | None = None
        self._events: dict[str, Callable[[_Data], None]] = {
            "response.output_item.added": self._on_item,
            "response.output_item.done": self._on_item_done,
            "response.output_text.delta": self._on_text,
            "response.output_text.annotation.added": self._on_annotation,
            "response.refusal.delta": self._on_refusal,
            "response.reasoning_summary_part.added": self._on_summary_part,
            "response.reasoning_summary_text.delta": self._on_thought,
            "response.reasoning_text.delta": self._on_thought,
            "response.function_call_arguments.delta": self._on_arguments,
            "response.custom_tool_call_input.delta": self._on_arguments,
            "response.created": self._on_created,
            "response.completed": self._on_end,
            "response.incomplete": self._on_end,
            "response.failed": self._on_failed,
            "error": self._on_error,
        }

    def _take(self, event: Event) -> None:
        if event.error:
            self.failure = classify_in_band(event.error)
            return
        if not event.data or event.data.strip() == b"[DONE]":
            return
        try:
            data = _decode(event.data)
        except (ValueError, RecursionError):
            self.failure = not_an_answer()
            return
        if not isinstance(data, dict):
            self.failure = not_an_answer()
            return
        kind = data.get("type")
        if kind is None and data.get("error"):
            self._on_error(data)
        elif self.is_complete and kind not in _AFTER_THE_END:
            return
        elif (take := self._events.get(str(kind))) is not None:
            take(data)

    def _send(
        self,
        delta: _Data,
        finish: str | None = None,
        logprobs: _Data | None = None,
    ) -> None:
        if self._writer is None:
            self._writer = ChunkWriter(
                answer_id=self.answer_id,
                created=self._context.created,
                model=self._context.model,
            )
            opening = {"role": "assistant", "content": ""}
            self._written.append(self._writer.event(opening))
        self._written.append(self._writer.event(delta, finish, logprobs))

    def _send_content(self, delta: _Data, logprobs: _Data | None = None) -> None:
        self._send(delta, logprobs=logprobs)
        self.has_content = True

    def _on_created(self, data: _Data) -> None:
        if self._writer is None:
            created = _part(data, "response")
            self.answer_id = answer_id(created.get("id"), self._context)

    def _item_of(self, data: Mapping[str, Any]) -> _Item:
        """Return the item that an event is of, known or not."""
        place = data.get("output_index")
        item = self._items.get(place)
        if item is None:
            item = self._items[place] = _Item(self._characters)
        return item

    def _on_item(self, data: _Data) -> None:
        opened = _part(data, "item")
        item = self._item_of(data)
        if opened.get("type") in CALLS and item.call is None:
            self._begin_call(item, opened)

    def _begin_call(self, item: _Item, opened: _Data) -> None:
        item.call = self._call_count
        self._call_count += 1
        call = call_of(opened)
        if call["type"] == "custom":
            # The SDK's type for a stream knows functions alone.
            del call["type"]
        item.has_said = bool(_argument_of(opened))
        self._send_content({"tool_calls": [{"index": item.call, **call}]})

    def _on_arguments(self, data: _Data) -> None:
        delta = data.get("delta")
        item = self._item_of(data)
        if isinstance(delta, str) and delta and item.call is not None:
            item.has_said = True
            is_custom = data["type"] == "response.custom_tool_call_input.delta"
            self._send_argument(item.call, delta, is_custom=is_custom)

    def _send_argument(self, call: int, text: str, *, is_custom: bool) -> None:
        holder, name = ("custom", "input") if is_custom else ("function", "arguments")
        self._send_content({"tool_calls": [{"index": call, holder: {name: text}}]})

    def _on_text(self, data: _Data) -> None:
        delta = data.get("delta")
        if isinstance(delta, str) and delta:
            self._item_of(data).has_said = True
            self._say(delta, logprobs_of(data.get("logprobs")))

    def _say(self, text: str, logprobs: _Data | None = None) -> None:
        self._has_text = True
        self._characters += len(text)
        self._send_content({"content": text}, logprobs)

    def _on_refusal(self, data: _Data) -> None:
        delta = data.get("delta")
        if isinstance(delta, str) and delta:
            self._item_of(data).has_said = True
            self._refuse(delta)

    def _refuse(self, text: str) -> None:
        self._has_refused = True
        if not self.has_content:
            self.is_refusal = True
        self._send_content({"refusal": text})

    def _on_annotation(self, data: _Data) -> None:
        before = self._item_of(data).before
        if cited := citation(_part(data, "annotation"), before):
            # With an index, as OpenAI's SDK demands of what it gathers.
            numbered = {"index": self._citation_count, **cited}
            self._citation_count += 1
            self._send({"annotations": [numbered]})

    def _on_summary_part(self, data: _Data) -> None:
        if self._item_of(data).has_said:
            self._think("\n\n")

    def _on_thought(self, data: _Data) -> None:
        delta = data.get("delta")
        if isinstance(delta, str) and delta:
            item = self._item_of(data)
            if not item.has_said and self._has_thought:
                delta = f"\n\n{delta}"
            item.has_said = True
            self._think(delta)

    def _think(self, thought: str) -> None:
        self._has_thought = True
        self._send_content({"reasoning_content": thought})

    def _on_item_done(self, data: _Data) -> None:
        done = _part(data, "item")
        item = self._item_of(data)
        kind = done.get("type")
        if kind in CALLS:
            if item.call is None:
                self._begin_call(item, done)
            elif not item.has_said and (argument := _argument_of(done)):
                is_custom = kind == "custom_tool_call"
                self._send_argument(item.call, argument, is_custom=is_custom)
        elif kind == "message" and not item.has_said:
            self._say_whole(done)
        elif kind == "reasoning" and not item.has_said and (said := thoughts_of(done)):
            self._on_thought({**data, "delta": said})
        for kept in self._keeper.pass_by(done):
            self._send(placed([kept]))
            # What the provider's own tools have done is part of the answer.
            self.has_content |= kept["type"] not in _SILENT

    def _say_whole(self, done: _Data) -> None:
        """Say what a message says of which nothing has come by itself."""
        for part in parts_of(done, "content"):
            if text := text_of(part):
                self._say(text, logprobs_of(part.get("logprobs")))
            elif part.get("type") == "refusal" and part.get("refusal"):
                self._refuse(str(part["refusal"]))

    def _on_end(self, data: _Data) -> None:
        response = _part(data, "response")
        self.usage = usage_of(response.get("usage")) or self.usage
        if response.get("error"):
            self.failure = classify_in_band(response)
            return
        finish = finish_of(response)
        if isinstance(finish, ProviderError):
            self.failure = finish
            return
        if finish == "stop" and self._call_count:
            finish = "tool_calls"
        self.is_complete = True
        self.is_refusal = refuses(
            finish,
            has_content=self._has_text or bool(self._call_count),
            has_refusal=self._has_refused,
        )
        self.says_nothing = finish == "stop" and not self.has_content
        self._send({}, finish)

    def _on_failed(self, data: _Data) -> None:
        response = _part(data, "response")
        self.usage = usage_of(response.get("usage")) or self.usage
        error = response.get("error")
        self.failure = (
            classify_in_band(error) if isinstance(error, dict) else not_an_answer()
        )

    def _on_error(self, data: _Data) -> None:
        self.failure = classify_in_band(data)


_SILENT = frozenset({"message", "reasoning"})
"""Types of kept items that say nothing to the caller."""

_AFTER_THE_END = frozenset({"response.failed", "error"})
"""What may still come once an answer has ended."""


def _part(data: _Data, field: str) -> _Data:
    part = data.get(field)
    return part if isinstance(part, dict) else {}


def _argument_of(call: Mapping[str, Any]) -> str:
    """Return what a function or a tool is called with, in text."""
    is_custom = call.get("type") == "custom_tool_call"
    argument = call.get("input" if is_custom else "arguments")
    return argument if isinstance(argument, str) else ""
