"""An OpenAI-compatible provider's stream, as OpenAI's SDK accepts it.

A chunk that fits is passed on in its own bytes but for id, model and moment;
only one that does not is parsed to the end and mended. Those that differ from
one before in their text alone are not parsed at all.
"""

from typing import Any

import msgspec

from holdfast.events import event
from holdfast.model import Outcome, Usage
from holdfast_executor import answer
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import ProviderError, openai_mending
from holdfast_executor.dialects.openai_answer import broken_off, valid_unicode
from holdfast_executor.dialects.openai_frame import Frame, frame_of
from holdfast_executor.dialects.openai_shapes import Chunk, ChunkChoice, Delta
from holdfast_executor.dialects.openai_tools import ToolCalls
from holdfast_executor.dialects.openai_usage import read_usage, written_usage
from holdfast_executor.failures import classify_in_band
from holdfast_executor.sse import Event, EventParser, EventTooLargeError, read

_decode_chunk = msgspec.json.Decoder(Chunk).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_OBJECT = "chat.completion.chunk"

_FIRST_FRAME_AT = 2
"""Which of the events that are read one by one is looked at for a frame, then twice as
many each time: the first one bears the role, and the events of a stream that have no
frame should not be looked at for ever."""


class _Choice:
    """How far one of the `n` answers has come."""

    __slots__ = ("finish_reason", "is_finished", "tools")

    def __init__(self, seed: str) -> None:
        self.is_finished = False
        self.finish_reason = ""
        self.tools = ToolCalls(seed)


class OpenAIChatStream:
    """Reads one attempt's stream. A `StreamDecoder`; its attributes are there."""

    def __init__(self, context: AnswerContext) -> None:
        self.has_content = False
        self.is_complete = False
        self.is_refusal = False
        self.says_nothing = False
        self.usage: Usage | None = None
        self.failure: ProviderError | None = None
        self.answer_id = context.answer_id
        self._created = context.created
        self._model = context.model
        self._has_begun = False
        self._has_ended = False
        self._parser = EventParser()
        self._choices: dict[int, _Choice] = {}
        self._choice_count = context.choice_count
        self._reported_usage: dict[str, Any] = {}
        self._frame: Frame | None = None
        self._read_count = 0
        self._frame_at = _FIRST_FRAME_AT

    def feed(self, block: bytes) -> bytes:
        """Take bytes, cut anywhere, and return the events they complete."""
        if self.failure is not None:
            return b""
        try:
            events = self._parser.completed(block)
        except EventTooLargeError as error:
            self._fail(str(error))
            return b""
        frame = self._frame
        if frame is not None and (written := frame.rewritten(events)) is not None:
            return written
        return self._written_events(read(events))

    def finish(self) -> bytes:
        """Take the end of the stream and return what was held back."""
        if self.failure is not None:
            return b""
        self._has_ended = True
        return self._written_events(self._parser.finish())

    def usage_event(self, cost_usd_nanos: int | None) -> bytes:
        """Write the event with `choices: []` and the usage, nothing without it."""
        if self.usage is None:
            return b""
        return answer.usage_event(
            answer_id=self.answer_id,
            created=self._created,
            model=self._model,
            usage=written_usage(self._reported_usage, self.usage, cost_usd_nanos),
        )

    def _written_events(self, events: list[Event]) -> bytes:
        written = []
        for one in events:
            ours = self._event(one)
            if self.failure is not None:
                break
            if ours is not None:
                written.append(ours)
        return b"".join(written)

    def _event(self, one: Event) -> bytes | None:
        if one.error:
            self.failure = classify_in_band(one.error)
        elif one.event == "error":
            self.failure = classify_in_band(one.data)
        elif one.data.strip() == b"[DONE]":
            self._conclude()
        elif one.data:
            try:
                return self._data(one.data)
            except (msgspec.DecodeError, RecursionError):
                # A name nobody knows may mark what is no chunk at all, and what
                # a whole answer's connection cut off was but its last event.
                if not one.event and not (self._has_ended and self.is_complete):
                    self._fail("The provider sent an event that is not JSON.")
        return None

    def _data(self, data: bytes) -> bytes | None:
        frame = self._frame
        if frame is not None and (ours := frame.rewritten(b"data: " + data)):
            return ours
        data = valid_unicode(data)
        written = self._chunk(data)
        if written is not None:
            self._read_count += 1
            if self._read_count >= self._frame_at:
                self._frame_at *= 2
                self._look_for_frame(data)
        return written

    def _look_for_frame(self, data: bytes) -> None:
        # What comes after an end is looked at in each event.
        ended = any(known.is_finished for known in self._choices.values())
        if self.has_content and not ended and (found := frame_of(data, self._chunk)):
            self._frame = found

    def _chunk(self, data: bytes) -> bytes | None:
        try:
            chunk = _decode_chunk(data)
        except msgspec.ValidationError:
            return self._mended(data)
        if chunk.error is not msgspec.UNSET:
            return self._mended(data)
        if chunk.usage is not msgspec.UNSET:
            self._take_usage(_decode(chunk.usage))
        if not chunk.choices:
            self._conclude()
            return None
        for choice in chunk.choices:
            if not self._fits(choice):
                return self._mended(data)
        if not self._has_begun:
            self._begin(chunk.id, chunk.created)
        for choice in chunk.choices:
            self._note(choice)
        members: dict[str, Any] = _decode_object(data)
        members.pop("usage", None)
        return self._written(members)

    def _written(self, members: dict[str, Any]) -> bytes:
        members["id"] = self.answer_id
        members["object"] = _OBJECT
        members["created"] = self._created
        members["model"] = self._model
        return event(_encode(members))

    def _begin(self, answer_id: object, created: object) -> None:
        """Take id and moment from the first chunk; the others bear the same."""
        self._has_begun = True
        self.answer_id = openai_mending.text_or(answer_id, self.answer_id)
        self._created = openai_mending.moment_or(created, self._created)

    def _fits(self, choice: ChunkChoice) -> bool:
        """Whether a choice follows from those before it as OpenAI's do."""
        state = self._choices.get(choice.index)
        delta = choice.delta
        if state is None:
            return delta.role == "assistant" and not delta.tool_calls
        return (
            delta.role is None
            and (choice.finish_reason is None or not state.is_finished)
            and (not delta.tool_calls or state.tools.fit(delta.tool_calls))
        )

    def _note(self, choice: ChunkChoice) -> None:
        delta = choice.delta
        state = self._choices.get(choice.index)
        if state is None:
            state = self._start(choice.index)
        if delta.tool_calls:
            state.tools.note(delta.tool_calls)
        if not self.has_content:
            self._note_content(delta)
        if choice.finish_reason is not None:
            self._finish(state, choice.finish_reason)

    def _start(self, index: int) -> _Choice:
        state = self._choices[index] = _Choice(f"{self.answer_id}/{index}")
        self.is_complete = self.says_nothing = False
        return state

    def _note_content(self, delta: Delta) -> None:
        self.has_content = _has_content(delta)
        if delta.refusal and not delta.content and self._choice_count == 1:
            self.is_refusal = True

    def _finish(self, state: _Choice, reason: str) -> None:
        self._frame = None
        state.is_finished = True
        state.finish_reason = reason
        if len(self._choices) >= self._choice_count:
            self._conclude()

    def _conclude(self) -> None:
        """Take note that no choice begins any more, as far as can be known.

        Not all that were asked for need come: some providers give one only.
        """
        reasons = {known.finish_reason for known in self._choices.values()}
        self.is_complete = bool(reasons) and all(
            known.is_finished for known in self._choices.values()
        )
        if self.is_complete and not self.has_content:
            self.is_refusal = reasons == {"content_filter"}
            self.says_nothing = reasons == {"stop"}

    def _take_usage(self, reported: object) -> None:
        """Keep the last usage: those that come with every chunk are cumulative."""
        usage = read_usage(reported)
        if usage is not None and isinstance(reported, dict):
            self.usage = usage
            self._reported_usage = reported

    def _fail(self, message: str) -> None:
        self.failure = ProviderError(Outcome.SERVER_ERROR, message, http_status=200)

    def _mended(self, data: bytes) -> bytes | None:
        whole = _decode(data)
        if not isinstance(whole, dict) or _is_error(whole):
            self.failure = classify_in_band(data)
            return None
        self._take_usage(whole.get("usage"))
        choices = whole.get("choices")
        if not isinstance(choices, list) or not choices:
            self._conclude()
            return None
        if not self._has_begun:
            self._begin(whole.get("id"), whole.get("created"))
        mended = [
            written
            for at, choice in enumerate(choices)
            if isinstance(choice, dict)
            and (written := self._mended_choice(choice, at)) is not None
        ]
        if not mended:
            return None
        members = openai_mending.without_misfits(whole, openai_mending.CHUNK)
        members.pop("usage", None)
        members.pop("error", None)
        members["choices"] = mended
        return self._written(members)

    def _mended_choice(self, choice: dict[str, Any], at: int) -> dict[str, Any] | None:
        """Mend a choice. None if it says nothing after it has ended."""
        if openai_mending.is_broken_off(choice):
            self.failure = broken_off(choice)
            return None
        reason = choice.get("finish_reason")
        index = choice.get("index")
        index = index if isinstance(index, int) else at
        given = choice.get("delta")
        delta = openai_mending.delta(given if isinstance(given, dict) else {})
        delta.pop("role", None)
        state = self._choices.get(index)
        if state is None:
            state = self._start(index)
            delta = {"role": "assistant", **delta}
        calls = delta.pop("tool_calls", None)
        if isinstance(calls, list) and calls:
            delta["tool_calls"] = state.tools.mended(calls)
        read_delta = msgspec.convert(delta, Delta)
        has_content = _has_content(read_delta)
        if not self.has_content:
            self._note_content(read_delta)
        if state.is_finished:
            if not has_content:
                return None
            reason = None
        elif reason not in (None, ""):
            reason = openai_mending.finish_reason(
                reason, calls_tools=bool(state.tools.ids)
            )
            self._finish(state, reason)
        kept = openai_mending.without_misfits(choice, openai_mending.CHOICE)
        return {**kept, "index": index, "delta": delta, "finish_reason": reason or None}


def _is_error(whole: dict[str, Any]) -> bool:
    if whole.get("error") or "error" in (whole.get("object"), whole.get("type")):
        return True
    return "choices" not in whole and ("detail" in whole or "message" in whole)


def _has_content(delta: Delta) -> bool:
    if delta.content or delta.reasoning or delta.reasoning_content or delta.refusal:
        return True
    if delta.tool_calls:
        return True
    call, audio = delta.function_call, delta.audio
    return bool(
        (call and (call.name or call.arguments))
        or (audio and (audio.data or audio.transcript))
    )
