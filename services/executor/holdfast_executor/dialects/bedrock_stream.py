"""Bedrock's streams as OpenAI's chunks: `ConverseStream`, and Claude's own events.

Both come in AWS's frames, and both are read as the events of Anthropic's that
say the same.
"""

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import ProviderError
from holdfast_executor.dialects.anthropic_stream import AnthropicStream
from holdfast_executor.dialects.bedrock_answer import (
    anthropic_reason,
    anthropic_usage,
    is_callers,
    malformed,
    not_an_answer,
    part,
)
from holdfast_executor.dialects.bedrock_conversation import redacted_data
from holdfast_executor.dialects.bedrock_frames import Frame, FrameReader
from holdfast_executor.failures import classify, classify_in_band
from holdfast_executor.sse import Event

_decode = msgspec.json.Decoder().decode

_STATUS_OF_EXCEPTION = {
    "validationexception": 400,
    "modeltimeoutexception": 408,
    "modelstreamerrorexception": 424,
    "throttlingexception": 429,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}
"""What each exception has as a status where it comes before the stream, as the
service model says."""


class BedrockStream(AnthropicStream):
    """What both kinds have in common: the frames, and how they fail."""

    def __init__(self, context: AnswerContext) -> None:
        super().__init__(context)
        self._frames = FrameReader()

    def feed(self, block: bytes) -> bytes:
        """Take bytes, cut anywhere, and return the events they complete."""
        if self.failure is not None:
            return b""
        for frame in self._frames.feed(block):
            if self.failure is not None:
                break
            if frame.kind == "event":
                self._on_frame(frame)
            else:
                self.failure = _failure(frame)
        return self._read(())

    def finish(self) -> bytes:
        """Take the end of the stream. A frame that it cut short says nothing."""
        if body := self._frames.body():
            self.failure = self.failure or classify_in_band(body)
        return b""

    def _on_frame(self, frame: Frame) -> None:
        raise NotImplementedError


def _failure(frame: Frame) -> ProviderError:
    """Read a frame that says what went wrong."""
    status = _STATUS_OF_EXCEPTION.get(frame.name.lower(), 500)
    said = classify(status, {"x-amzn-errortype": frame.name}, frame.payload)
    return replace(said, http_status=200)


class InvokeStream(BedrockStream):
    """A stream of `InvokeModelWithResponseStream`: Anthropic's events in chunks.

    The metrics that the last one bears count what was counted before.
    """

    def _on_frame(self, frame: Frame) -> None:
        if frame.name != "chunk":
            return
        try:
            data = base64.b64decode(_decode(frame.payload)["bytes"])
        except (ValueError, LookupError, TypeError, RecursionError):
            self.failure = not_an_answer()
            return
        self._take(Event("", data))


class ConverseStream(BedrockStream):
    """A stream of `ConverseStream`: events of Bedrock's own."""

    def __init__(self, context: AnswerContext) -> None:
        super().__init__(context)
        self._thinking: set[str] = set()
        self._frame_handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "messageStart": lambda _: self._hear({"type": "message_start"}),
            "contentBlockStart": self._on_opened,
            "contentBlockDelta": self._on_delta,
            "contentBlockStop": self._on_closed,
            "messageStop": self._on_stopped,
            "metadata": self._on_metadata,
        }

    def _on_frame(self, frame: Frame) -> None:
        handle = self._frame_handlers.get(frame.name)
        if handle is None:
            return  # AWS may add some at any time.
        try:
            data = _decode(frame.payload)
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict):
            handle(data)
        else:
            self.failure = not_an_answer()

    def _on_opened(self, data: dict[str, Any]) -> None:
        """Open a call of a tool. Nothing else is sure to be opened."""
        start = part(data, "start")
        if not start:
            return
        call = part(start, "toolUse")
        block: dict[str, Any] = {"type": "passed over"}
        if call and is_callers(call):
            block = {
                "type": "tool_use",
                "id": call.get("toolUseId"),
                "name": call.get("name"),
            }
        self._open(data, block)

    def _on_delta(self, data: dict[str, Any]) -> None:
        delta = part(data, "delta")
        if "text" in delta:
            self._tell(data, "text_delta", "text", delta["text"])
        elif "toolUse" in delta:
            arguments = part(delta, "toolUse").get("input")
            self._tell(data, "input_json_delta", "partial_json", arguments)
        elif "reasoningContent" in delta:
            self._on_reasoning(data, part(delta, "reasoningContent"))

    def _on_reasoning(self, data: dict[str, Any], reasoning: dict[str, Any]) -> None:
        if "redactedContent" in reasoning:
            redacted = redacted_data(reasoning["redactedContent"])
            self._open(data, {"type": "redacted_thinking", "data": redacted})
            return
        place = str(data.get("contentBlockIndex"))
        if place not in self._thinking:
            self._thinking.add(place)
            self._open(data, {"type": "thinking"})
        if "text" in reasoning:
            self._tell(data, "thinking_delta", "thinking", reasoning["text"])
        if "signature" in reasoning:
            self._tell(data, "signature_delta", "signature", reasoning["signature"])

    def _on_closed(self, data: dict[str, Any]) -> None:
        place = data.get("contentBlockIndex")
        self._hear({"type": "content_block_stop", "index": place})

    def _on_stopped(self, data: dict[str, Any]) -> None:
        stop_reason = data.get("stopReason")
        self.failure = malformed(stop_reason)
        if self.failure is None:
            reason = anthropic_reason(stop_reason or "end_turn")
            self._hear({"type": "message_delta", "delta": {"stop_reason": reason}})

    def _on_metadata(self, data: dict[str, Any]) -> None:
        usage = anthropic_usage(data.get("usage"))
        self._hear({"type": "message_delta", "usage": usage})

    def _open(self, data: dict[str, Any], block: dict[str, Any]) -> None:
        self._hear(
            {
                "type": "content_block_start",
                "index": data.get("contentBlockIndex"),
                "content_block": block,
            }
        )

    def _tell(self, data: dict[str, Any], kind: str, key: str, value: object) -> None:
        self._hear(
            {
                "type": "content_block_delta",
                "index": data.get("contentBlockIndex"),
                "delta": {"type": kind, key: value},
            }
        )
