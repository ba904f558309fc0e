"""Anthropic's streams as OpenAI's events, one by one."""

from collections.abc import Callable
from typing import Any

import msgspec

from holdfast_executor.answer import ChunkWriter
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects.anthropic_answer import (
    answer_id,
    finish_reason,
    not_an_answer,
    refusal_of,
    signed_thinking,
    stopped_freely,
    usage_of,
)
from holdfast_executor.dialects.anthropic_structure import JSON_TOOL
from holdfast_executor.dialects.event_stream import EventStream
from holdfast_executor.failures import classify_in_band
from holdfast_executor.sse import Event

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Block:
    """A content block that is being streamed.

    Attributes:
        kind: `text`, `json` (a tool's input that is the answer), `tool_use`,
            `thinking`, or another that is passed over.
        place: Of a tool call among the tool calls, of thinking among thinking.
        begun: The block as it was opened, and the signature of thinking.
        thoughts: What thinking consists of so far: the signature, which comes
            last, is worth nothing without it.
        has_arguments: Whether a part of a tool's input has come.
    """

    __slots__ = ("begun", "has_arguments", "kind", "place", "thoughts")

    def __init__(self, kind: str, place: int, begun: dict[str, Any]) -> None:
        self.kind = kind
        self.place = place
        self.begun = begun
        self.thoughts: list[str] = []
        self.has_arguments = False


_PASSED_OVER = _Block("", 0, {})


class AnthropicStream(EventStream):
    """One stream being read. See `StreamDecoder` for what its attributes mean."""

    def __init__(self, context: AnswerContext) -> None:
        super().__init__(context)
        self._reported: dict[str, Any] = {}
        self._blocks: dict[str, _Block] = {}
        self._call_count = 0
        self._thinking_count = 0
        self._finish_is_sent = False
        self._writer: ChunkWriter | None = None
        self._events: dict[str, Callable[[dict[str, Any]], None]] = {
            "message_start": self._on_message_start,
            "content_block_start": self._on_block_start,
            "content_block_delta": self._on_block_delta,
            "content_block_stop": self._on_block_stop,
            "message_delta": self._on_message_delta,
            "message_stop": self._on_message_stop,
            "error": self._on_error,
        }
        self._deltas: dict[str, Callable[[_Block, dict[str, Any]], None]] = {
            "text_delta": self._on_text,
            "input_json_delta": self._on_input,
            "thinking_delta": self._on_thinking,
            "signature_delta": self._on_signature,
        }

    def _take(self, event: Event) -> None:
        if event.error:
            self.failure = classify_in_band(event.error)
            return
        if not event.data or event.data == b"[DONE]":
            return
        try:
            data = _decode(event.data)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            self.failure = not_an_answer()
            return
        if not data.get("type"):
            data["type"] = event.event
        self._hear(data)

    def _hear(self, data: dict[str, Any]) -> None:
        """Take an event's data, which bears its type."""
        handle = self._events.get(str(data.get("type")))
        if handle is not None:
            handle(data)
        elif data.get("error"):
            self._on_error(data)
        # Any other kind is passed over: Anthropic may add some at any time.

    def _send(self, delta: dict[str, Any], finish: str | None = None) -> None:
        writer = self._writer or self._begin()
        self._written.append(writer.event(delta, finish))

    def _begin(self) -> ChunkWriter:
        """Say the role, which comes first and once."""
        self._writer = ChunkWriter(
            answer_id=self.answer_id,
            created=self._context.created,
            model=self._context.model,
        )
        self._send({"role": "assistant", "content": ""})
        return self._writer

    def _send_content(self, delta: dict[str, Any]) -> None:
        self._send(delta)
        self.has_content = True

    def _report(self, usage: object) -> None:
        """Take what is reported in place of what was: the counts are cumulative."""
        if isinstance(usage, dict):
            self._reported.update(
                {key: value for key, value in usage.items() if value is not None}
            )
            self.usage = usage_of(self._reported)

    def _on_message_start(self, data: dict[str, Any]) -> None:
        message = _part(data, "message")
        self._report(message.get("usage"))
        if self._writer is None:
            self.answer_id = answer_id(message.get("id"), self._context)
            self._begin()

    def _on_block_start(self, data: dict[str, Any]) -> None:
        begun = _part(data, "content_block")
        kind = str(begun.get("type"))
        block = _PASSED_OVER
        if kind == "text":
            block = _Block("text", 0, begun)
            self._on_text(block, begun)
        elif kind in {"thinking", "redacted_thinking"}:
            block = _Block("thinking", self._thinking_count, begun)
            self._thinking_count += 1
            self._on_thinking(block, begun)
        elif kind == "tool_use" and begun.get("name") == JSON_TOOL:
            block = _Block("json", 0, begun)
        elif kind == "tool_use":
            block = _Block("tool_use", self._call_count, begun)
            self._call_count += 1
            self._begin_call(block)
        self._blocks[str(data.get("index"))] = block

    def _begin_call(self, block: _Block) -> None:
        call = {
            "index": block.place,
            "id": str(block.begun.get("id") or ""),
            "type": "function",
            "function": {"name": str(block.begun.get("name") or ""), "arguments": ""},
        }
        self._send_content({"tool_calls": [call]})

    def _on_block_delta(self, data: dict[str, Any]) -> None:
        delta = _part(data, "delta")
        handle = self._deltas.get(str(delta.get("type")))
        block = self._blocks.get(str(data.get("index")), _PASSED_OVER)
        if handle is not None:
            handle(block, delta)

    def _on_text(self, block: _Block, delta: dict[str, Any]) -> None:
        text = delta.get("text")
        # Text counts even if its block was never opened: no other kind bears it.
        if isinstance(text, str) and text:
            self._send_content({"content": text})

    def _on_thinking(self, block: _Block, delta: dict[str, Any]) -> None:
        thought = delta.get("thinking")
        if isinstance(thought, str) and thought:
            if block.kind == "thinking":
                block.thoughts.append(thought)
            self._send_content({"reasoning_content": thought})

    def _on_signature(self, block: _Block, delta: dict[str, Any]) -> None:
        if block.kind == "thinking":
            block.begun["signature"] = delta.get("signature")

    def _on_input(self, block: _Block, delta: dict[str, Any]) -> None:
        part = delta.get("partial_json")
        if not isinstance(part, str) or not part:
            return
        block.has_arguments = True
        if block.kind == "json":
            self._send_content({"content": part})
        elif block.kind == "tool_use":
            self._send_arguments(block, part)

    def _send_arguments(self, block: _Block, part: str) -> None:
        call = {"index": block.place, "function": {"arguments": part}}
        self._send_content({"tool_calls": [call]})

    def _on_block_stop(self, data: dict[str, Any]) -> None:
        self._close(self._blocks.pop(str(data.get("index")), _PASSED_OVER))

    def _close(self, block: _Block) -> None:
        """Send what is known of a block only once it is whole."""
        if block.kind == "thinking":
            thinking = {**block.begun, "thinking": "".join(block.thoughts)}
            signed = signed_thinking(thinking, self._context.model)
            if signed is not None:
                # With an index, as OpenAI's SDK demands of what it gathers.
                delta = {"thinking_blocks": [{"index": block.place, **signed}]}
                self._send(delta)
        elif block.kind in {"tool_use", "json"} and not block.has_arguments:
            arguments = _encode(block.begun.get("input") or {}).decode()
            if block.kind == "tool_use":
                self._send_arguments(block, arguments)
            else:
                self._send_content({"content": arguments})

    def _on_message_delta(self, data: dict[str, Any]) -> None:
        self._report(data.get("usage"))
        delta = _part(data, "delta")
        if delta.get("stop_reason") is not None:
            self._end(delta)

    def _on_message_stop(self, data: dict[str, Any]) -> None:
        self._end({})

    def _end(self, stopped: dict[str, Any]) -> None:
        self.is_complete = True
        if self._finish_is_sent:
            return
        self._finish_is_sent = True
        for block in self._blocks.values():
            self._close(block)
        self._blocks.clear()
        refusal = refusal_of(stopped)
        if refusal is not None:
            self.is_refusal = not self.has_content
            self._send_content({"refusal": refusal})
        self.says_nothing = stopped_freely(stopped) and not self.has_content
        calls_tools = self._call_count > 0
        reason = finish_reason(stopped.get("stop_reason"), calls_tools=calls_tools)
        self._send({}, reason)
        # Nothing may be said after the end; usage and failures may be reported.
        self._events = {
            "message_delta": self._on_message_delta,
            "error": self._on_error,
        }

    def _on_error(self, data: dict[str, Any]) -> None:
        self.failure = classify_in_band(data)


def _part(data: dict[str, Any], field: str) -> dict[str, Any]:
    part = data.get(field)
    return part if isinstance(part, dict) else {}
