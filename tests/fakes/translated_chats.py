"""Answers of chats, whole and as the executor streams them, of any shape.

    answer = data.draw(ANSWERS)
    translated = [stream.feed(frames) for frames in data.draw(cuts(answer))]

For what translates them into another API: whatever the shape, both ways have to say
the same.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

_FRAME = {"id": "chatcmpl-7", "created": 1_700_000_000, "model": "m"}

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_NAMES = st.text("abcxyz_", min_size=1, max_size=6)
_INPUTS = st.dictionaries(_NAMES, st.integers() | _TEXT | st.booleans(), max_size=3)
_SIGNED = st.builds(
    lambda thought, mark: {
        "type": "thinking",
        "thinking": thought,
        "signature": mark,
        "issuer": "anthropic",
    },
    _TEXT,
    _NAMES,
) | st.builds(
    lambda data: {"type": "redacted_thinking", "data": data, "issuer": "anthropic"},
    _NAMES,
)
_ELSEWHERE = st.builds(lambda mark: {"google": {"thought_signature": mark}}, _NAMES)


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """One answer.

    Attributes:
        message: As a whole answer has it.
        deltas: The same, as a stream has it.
    """

    message: dict[str, Any]
    deltas: tuple[dict[str, Any], ...]
    finish_reason: str
    usage: dict[str, Any]

    @property
    def body(self) -> bytes:
        """The whole answer."""
        choice = {
            "index": 0,
            "message": self.message,
            "finish_reason": self.finish_reason,
        }
        return _encoded(
            {
                **_FRAME,
                "object": "chat.completion",
                "choices": [choice],
                "usage": self.usage,
            }
        )

    @property
    def frames(self) -> list[bytes]:
        """The events of the streamed one."""
        choices: Iterator[dict[str, Any]] = (
            {"index": 0, "delta": delta, "finish_reason": None}
            for delta in ({"role": "assistant", "content": ""}, *self.deltas)
        )
        last = {"index": 0, "delta": {}, "finish_reason": self.finish_reason}
        chunks: list[dict[str, Any]] = [
            *({"choices": [choice]} for choice in (*choices, last)),
            {"choices": [], "usage": self.usage},
        ]
        return [b"data: " + _encoded({**_FRAME, **each}) + b"\n\n" for each in chunks]


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def answers(draw: st.DrawFn) -> ChatAnswer:
    """Make an answer: thoughts, words or a refusal, and calls, each or not."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    deltas: list[dict[str, Any]] = []
    _think(draw, message, deltas)
    if draw(st.booleans()):
        message["extra_content"] = draw(_ELSEWHERE)
        deltas.append({"extra_content": message["extra_content"]})
    said = draw(st.sampled_from(["content", "refusal", None]))
    if said is not None:
        message[said] = draw(_TEXT)
        deltas += [{said: piece} for piece in _pieces(draw, message[said])]
    called = _call(draw, message, deltas)
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {
            "cached_tokens": draw(st.integers(0, 60)),
            "cache_creation_tokens": draw(st.integers(0, 40)),
        },
        "completion_tokens_details": {"reasoning_tokens": draw(st.integers(0, 20))},
        "cost": 0.5,
    }
    reason = st.sampled_from(["stop", "length", "content_filter"])
    ended = "tool_calls" if called else draw(reason)
    return ChatAnswer(message, tuple(deltas), ended, usage)


ANSWERS = answers()


@st.composite
def native_answers(draw: st.DrawFn) -> ChatAnswer:
    """Make an answer of a provider that speaks Responses, item after item."""
    made = _Native()
    for kind in draw(st.lists(st.sampled_from(["think", "say", "act", "call"]))):
        match kind:
            case "think":
                summary = draw(st.just("") | _WORDS)
                made.think(summary, _pieces(draw, summary), draw(_NAMES))
            case "say" if not made.passed:
                text = draw(_TEXT)
                made.say(text, _pieces(draw, text))
            case "act":
                made.keep({"type": "web_search_call", "id": f"ws_{len(made.kept)}"})
            case "call":
                written = json.dumps(draw(_INPUTS))
                made.call(draw(_NAMES), written, _pieces(draw, written))
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    ended = "tool_calls" if "tool_calls" in made.message else "stop"
    return ChatAnswer(made.message, tuple(made.deltas), ended, usage)


_WORDS = st.text("abc ", min_size=1, max_size=6)


class _Native:
    """An answer being put together, whole and streamed at once."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": None}
        self.deltas: list[dict[str, Any]] = []
        self.kept: list[dict[str, Any]] = []
        self.passed: list[dict[str, Any]] = []

    def think(self, summary: str, pieces: list[str], mark: str) -> None:
        self.deltas += [{"reasoning_content": each} for each in pieces]
        if summary:
            known = self.message.get("reasoning_content", "")
            self.message["reasoning_content"] = known + summary
        thought = {
            "type": "reasoning",
            "id": f"rs_{len(self.kept)}",
            "summary": [{"type": "summary_text", "text": summary}] if summary else [],
            "encrypted_content": mark,
            "issuer": mark,
        }
        self.keep(thought)

    def keep(self, item: dict[str, Any]) -> None:
        for each in (*self.passed, item):
            numbered = {"index": len(self.kept), **each}
            self.kept.append(each)
            self.deltas.append({"extra_content": {"openai": {"items": [numbered]}}})
        self.passed.clear()
        self.message["extra_content"] = {"openai": {"items": self.kept}}

    def say(self, text: str, pieces: list[str]) -> None:
        self.message["content"] = (self.message["content"] or "") + text
        self.deltas += [{"content": each} for each in pieces]
        self.passed.append({"type": "message", "characters": len(text)})

    def call(self, name: str, written: str, pieces: list[str]) -> None:
        calls = self.message.setdefault("tool_calls", [])
        place = len(calls)
        call = {"id": f"call_{place}", "type": "function"}
        calls.append({**call, "function": {"name": name, "arguments": written}})
        begun = {**call, "index": place, "function": {"name": name, "arguments": ""}}
        self.deltas.append({"tool_calls": [begun]})
        self.deltas += [
            {"tool_calls": [{"index": place, "function": {"arguments": each}}]}
            for each in pieces
        ]
        self.passed.append({"type": "function_call", "call_id": f"call_{place}"})


def grouped(frames: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """Put events together as they might arrive: one or several at a time."""

    def at(ends: list[bool]) -> list[bytes]:
        groups = [b""]
        for frame, is_end in zip(frames, ends, strict=True):
            groups[-1] += frame
            if is_end:
                groups.append(b"")
        return groups

    size = len(frames)
    return st.lists(st.booleans(), min_size=size, max_size=size).map(at)


def _think(
    draw: st.DrawFn, message: dict[str, Any], deltas: list[dict[str, Any]]
) -> None:
    blocks = draw(st.lists(_SIGNED, max_size=2))
    for place, block in enumerate(blocks):
        thought = block.get("thinking", "")
        deltas += [{"reasoning_content": each} for each in _pieces(draw, thought)]
        deltas.append({"thinking_blocks": [{"index": place, **block}]})
    if blocks:
        message["thinking_blocks"] = blocks
    thoughts = "".join(block.get("thinking", "") for block in blocks)
    if not blocks and draw(st.booleans()):
        thoughts = draw(_TEXT)
        deltas += [{"reasoning_content": each} for each in _pieces(draw, thoughts)]
    if thoughts:
        message["reasoning_content"] = thoughts


def _call(
    draw: st.DrawFn, message: dict[str, Any], deltas: list[dict[str, Any]]
) -> bool:
    """Add calls, whose pieces come one call after the other or mixed."""
    count = draw(st.integers(0, 3))
    mixed: list[dict[str, Any]] = []
    for place in range(count):
        written = json.dumps(draw(_INPUTS))
        call: dict[str, Any] = {
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": draw(_NAMES), "arguments": written},
        }
        if draw(st.booleans()):
            call["extra_content"] = draw(_ELSEWHERE)
        message.setdefault("tool_calls", []).append(call)
        empty = {**call["function"], "arguments": ""}
        deltas.append({"tool_calls": [{**call, "index": place, "function": empty}]})
        mixed += [
            {"index": place, "function": {"arguments": piece}}
            for piece in _pieces(draw, written)
        ]
        if draw(st.booleans()):
            deltas += [{"tool_calls": [each]} for each in mixed]
            mixed = []
    deltas += [{"tool_calls": [each]} for each in mixed]
    return bool(count)


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    if not text:
        return []
    cut = draw(st.integers(0, len(text)))
    return [piece for piece in (text[:cut], text[cut:]) if piece]
