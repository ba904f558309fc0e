"""Gemini's streams as OpenAI's events, chunk by chunk.

Each chunk is a whole `GenerateContentResponse` with what is new in it. Usage is
cumulative, so the last one holds; calls come whole, or, from Vertex AI, in pieces.
"""

from typing import Any

import msgspec

from holdfast_executor.answer import ChunkWriter
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import ProviderError
from holdfast_executor.dialects.event_stream import EventStream
from holdfast_executor.dialects.gemini_answer import (
    answer_id,
    call_id,
    finish_of,
    listed,
    logprobs_of,
    not_an_answer,
    parts_of,
    reason_of,
    refusal_of,
    refusal_of_prompt,
    text_of,
    usage_of,
)
from holdfast_executor.dialects.gemini_models import issuer_of
from holdfast_executor.dialects.gemini_pieces import PieceMisplacedError, Pieces
from holdfast_executor.dialects.gemini_signatures import signed
from holdfast_executor.failures import classify_in_band
from holdfast_executor.sse import Event

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Choice:
    """One candidate of an answer, as it is being streamed.

    Attributes:
        call_count: How many calls it has made.
        pieces: The arguments of the last of them, while they come in pieces.
        signature: On what was said, to be sent once, with the end.
        has_content: Whether it has said anything.
        has_ended: Whether it is whole.
    """

    __slots__ = (
        "call_count",
        "has_content",
        "has_ended",
        "index",
        "pieces",
        "signature",
        "writer",
    )

    def __init__(self, index: int, writer: ChunkWriter) -> None:
        self.index = index
        self.writer = writer
        self.call_count = 0
        self.pieces: Pieces | None = None
        self.signature: object = None
        self.has_content = False
        self.has_ended = False


class GeminiStream(EventStream):
    """One stream being read. See `StreamDecoder` for what its attributes mean."""

    def __init__(self, context: AnswerContext) -> None:
        super().__init__(context)
        self._issuer = issuer_of(context.model)
        self._choices: dict[int, _Choice] = {}

    def _take(self, event: Event) -> None:
        raw = event.data or event.error
        if not raw or raw == b"[DONE]":
            return
        try:
            data = _decode(raw)
        except (ValueError, RecursionError):
            self.failure = (
                classify_in_band(event.error) if event.error else not_an_answer()
            )
            return
        # All chunks as one array are what comes where `alt=sse` was lost.
        for chunk in data if isinstance(data, list) else [data]:
            if self.failure is None:
                self._hear(chunk)

    def _hear(self, chunk: object) -> None:
        if not isinstance(chunk, dict):
            self.failure = not_an_answer()
            return
        if chunk.get("error"):
            self.failure = classify_in_band(chunk)
            return
        # What reports no tokens does not take back what was reported.
        self.usage = usage_of(chunk.get("usageMetadata")) or self.usage
        if not self._choices:
            self.answer_id = answer_id(chunk.get("responseId"), self._context)
        for place, candidate in enumerate(listed(chunk, "candidates")):
            if isinstance(candidate, dict) and self.failure is None:
                index = candidate.get("index")
                index = index if isinstance(index, int) else place
                self._continue(self._choice(index), candidate)
        refusal = refusal_of_prompt(chunk)
        if refusal is not None:
            self._end(self._choice(0), "content_filter", refusal)
        self.is_complete = bool(self._choices) and all(
            choice.has_ended for choice in self._choices.values()
        )

    def _choice(self, index: int) -> _Choice:
        """Return a choice. The first that is heard of it is its role."""
        choice = self._choices.get(index)
        if choice is None:
            writer = ChunkWriter(
                answer_id=self.answer_id,
                created=self._context.created,
                model=self._context.model,
                index=index,
            )
            choice = self._choices[index] = _Choice(index, writer)
            self._send(choice, {"role": "assistant", "content": ""})
        return choice

    def _send(
        self,
        choice: _Choice,
        delta: dict[str, Any],
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> None:
        self._written.append(choice.writer.event(delta, finish, logprobs))

    def _send_content(
        self,
        choice: _Choice,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
    ) -> None:
        self._send(choice, delta, logprobs=logprobs)
        self.has_content = True

    def _continue(self, choice: _Choice, candidate: dict[str, Any]) -> None:
        logprobs = logprobs_of(candidate)
        for part in parts_of(candidate):
            call = part.get("functionCall")
            text = text_of(part)
            if isinstance(call, dict):
                self._on_call(choice, call, part.get("thoughtSignature"))
            elif part.get("thought"):
                if text:
                    self._send_content(choice, {"reasoning_content": text})
            else:
                choice.signature = part.get("thoughtSignature") or choice.signature
                if text:
                    choice.has_content = True
                    self._send_content(choice, {"content": text}, logprobs)
                    logprobs = None
        reason = reason_of(candidate)
        if not reason or self.failure is not None:
            return
        finish = finish_of(
            reason,
            calls_tools=choice.call_count > 0,
            has_content=choice.has_content,
        )
        if isinstance(finish, ProviderError):
            self.failure = finish
        else:
            self._end(choice, finish, refusal_of(candidate))

    def _on_call(
        self, choice: _Choice, call: dict[str, Any], signature: object
    ) -> None:
        if call.get("name"):
            self._close(choice)
            self._begin_call(choice, call, signature)
        if choice.pieces is None:
            return
        try:
            for piece in listed(call, "partialArgs"):
                choice.pieces.add(piece if isinstance(piece, dict) else {})
        except PieceMisplacedError:
            self.failure = not_an_answer()
            return
        if not call.get("willContinue"):
            self._close(choice)

    def _begin_call(
        self, choice: _Choice, call: dict[str, Any], signature: object
    ) -> None:
        in_pieces = bool(call.get("willContinue") or call.get("partialArgs"))
        arguments = "" if in_pieces else _encode(call.get("args") or {}).decode()
        place = choice.call_count
        delta = {
            "index": place,
            "id": call_id(call, self.answer_id, choice.index, place),
            "type": "function",
            "function": {"name": str(call["name"]), "arguments": arguments},
            **signed(signature, self._issuer),
        }
        choice.call_count += 1
        choice.has_content = True
        choice.pieces = Pieces() if in_pieces else None
        self._send_content(choice, {"tool_calls": [delta]})

    def _close(self, choice: _Choice) -> None:
        """Send the arguments that came in pieces, which are JSON only once whole."""
        if choice.pieces is not None:
            arguments = _encode(choice.pieces.arguments).decode()
            choice.pieces = None
            call = {
                "index": choice.call_count - 1,
                "function": {"arguments": arguments},
            }
            self._send_content(choice, {"tool_calls": [call]})

    def _end(self, choice: _Choice, finish: str, refusal: str | None) -> None:
        if choice.has_ended:
            return
        choice.has_ended = True
        self._close(choice)
        if kept := signed(choice.signature, self._issuer):
            self._send(choice, kept)
        if refusal is not None:
            self.is_refusal = not self.has_content
            self._send_content(choice, {"refusal": refusal})
        self.says_nothing = finish == "stop" and not self.has_content
        self._send(choice, {}, finish)
