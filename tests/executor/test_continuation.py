"""An answer that broke off is taken up so that the caller holds one answer."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.delivered import Delivered
from holdfast_executor.chat import Chat
from holdfast_executor.continuation import (
    Splice,
    Way,
    continued,
    may_be_taken_up,
)


def event(delta: dict[str, Any], reason: str | None = None, index: int = 0) -> bytes:
    """Write one event of a stream."""
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    chunk = {"id": "chatcmpl-2", "created": 2, "model": "m", "choices": [choice]}
    return b"data: %s\n\n" % json.dumps(chunk).encode()


def told(*contents: str) -> bytes:
    """Write the events of a text in pieces."""
    return b"".join(event({"content": content}) for content in contents)


def held(*contents: str) -> Any:
    """Return what a caller holds that got these pieces."""
    delivered = Delivered()
    first = {"role": "assistant", "content": ""}
    delivered.add(event(first).replace(b"chatcmpl-2", b"chatcmpl-1"))
    delivered.add(told(*contents))
    return delivered.read()


def text_of(events: bytes) -> str:
    """Return the text that events say."""
    return "".join(
        choice["delta"].get("content") or ""
        for line in events.split(b"\n\n")
        if line
        for choice in json.loads(line.removeprefix(b"data: "))["choices"]
    )


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """Cut a text anywhere."""
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    ends = [*cuts, len(text)]
    return [text[a:b] for a, b in zip([0, *cuts], ends, strict=True)]


@st.composite
def replays(draw: st.DrawFn) -> tuple[list[str], list[str], str]:
    """Draw an answer, how it was told up to somewhere, and how it is told again."""
    text = draw(st.text(min_size=1, max_size=60))
    cut = draw(st.integers(0, len(text)))
    return pieces(draw, text[:cut]), pieces(draw, text), text


@given(replays())
def test_a_replay_adds_exactly_what_the_caller_lacks(
    case: tuple[list[str], list[str], str],
) -> None:
    """However both were cut to pieces."""
    before, again, text = case
    splice = Splice(held(*before), Way.REPLAY)

    added = text_of(splice.take(told(*again)) + splice.take(event({}, "stop")))

    assert not splice.differs
    assert "".join(before) + added == text


@given(replays(), st.data())
def test_a_replay_that_says_something_else_is_told_from_one_that_does_not(
    case: tuple[list[str], list[str], str], data: st.DataObject
) -> None:
    """Not a character of it goes out."""
    before, _, _ = case
    text = "".join(before)
    if not text:
        return
    at = data.draw(st.integers(0, len(text) - 1))
    other = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]
    splice = Splice(held(*before), Way.REPLAY)

    added = splice.take(told(*pieces(data.draw, other + " and more")))

    assert splice.differs
    assert added == b""


def test_a_replay_that_ends_early_differs() -> None:
    """It was shorter than what the caller has."""
    splice = Splice(held("one ", "two"), Way.REPLAY)

    added = splice.take(told("one ")) + splice.take(event({}, "stop"))

    assert splice.differs
    assert added == b""


@pytest.mark.parametrize(
    ("before", "rest", "whole"),
    [
        (["one ", "two "], ["three"], "one two three"),
        (["one ", "two "], [" three"], "one two three"),
        (["one ", "tw"], ["o three"], "one two three"),
        (["one", "\n\n"], ["\n", "two"], "one\n\ntwo"),
        (["one"], [" two"], "one two"),
    ],
)
def test_a_continuation_follows_without_a_seam(
    before: list[str], rest: list[str], whole: str
) -> None:
    """The space between is said once, whether or not the model says it again."""
    splice = Splice(held(*before), Way.CONTINUE)

    added = text_of(splice.take(told(*rest)))

    assert "".join(before) + added == whole


def test_what_is_taken_up_bears_the_frame_of_the_beginning() -> None:
    """One `id` and one moment in all chunks, and the role once."""
    splice = Splice(held("one "), Way.CONTINUE)

    opening = splice.take(event({"role": "assistant", "content": ""}))
    added = splice.take(told("two"))

    assert opening == b""
    assert json.loads(added.removeprefix(b"data: "))["id"] == "chatcmpl-1"


def test_a_tool_call_may_follow_the_words() -> None:
    """It had not begun when the stream broke off, so it comes whole."""
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    splice = Splice(held("Let me look."), Way.REPLAY)

    splice.take(told("Let me look."))
    added = splice.take(event({"tool_calls": [call]}))

    assert b'"tool_calls"' in added


def test_the_reasoning_behind_what_the_caller_has_is_not_told_twice() -> None:
    """A replay reasons in other words."""
    splice = Splice(held("one "), Way.REPLAY)

    added = splice.take(event({"reasoning_content": "hm"}) + told("one ", "two"))

    assert b"hm" not in added
    assert text_of(added) == "two"


@pytest.mark.parametrize(
    "begun",
    [
        event({"tool_calls": [{"index": 0, "id": "c"}]}),
        event({"refusal": "no"}),
        event({"audio": {"data": "AAAA"}}),
        event({"content": "second"}, index=1),
    ],
)
def test_half_of_what_has_to_be_whole_is_not_taken_up(begun: bytes) -> None:
    """Two halves of a tool call do not make one."""
    delivered = Delivered()

    delivered.add(told("words"))
    delivered.add(begun)

    assert delivered.read().obstacle


@pytest.mark.parametrize(
    "wish",
    [
        {"n": 2},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"modalities": ["text", "audio"]},
    ],
)
def test_an_answer_that_is_not_one_text_is_not_taken_up(wish: dict[str, Any]) -> None:
    """The request says so before a word is said."""
    plain = {"model": "m", "messages": []}

    assert may_be_taken_up(Chat.parse(json.dumps(plain).encode()))
    assert not may_be_taken_up(Chat.parse(json.dumps(plain | wish).encode()))


def test_the_rest_is_asked_for_with_what_was_said_and_what_is_left() -> None:
    """The conversation is the caller's, byte for byte, with the beginning after it."""
    body = b'{"model":"m", "messages":[ {"role":"user","content":"\\u00e4"} ], '
    body += b'"max_tokens": 50}'

    chat = continued(Chat.parse(body), "one two ", 20)

    assert chat.body == (
        b'{"model":"m","messages":[ {"role":"user","content":"\\u00e4"} ,'
        b'{"role":"assistant","content":"one two"}],"max_tokens":30}'
    )


def test_a_long_stream_is_remembered_by_its_words_alone() -> None:
    """The events themselves would take fifty times as much."""
    delivered = Delivered()

    for _ in range(5_000):
        delivered.add(told("word "))

    assert delivered.read().text == "word " * 5_000
    assert delivered.read().pieces == 5_000


def test_an_answer_longer_than_any_model_writes_is_not_kept() -> None:
    """Memory is bounded whatever a provider sends; its tokens are still counted."""
    delivered = Delivered()

    for _ in range(300):
        delivered.add(told("x" * 10_000))

    assert delivered.read().obstacle
    assert delivered.read().text == ""
    assert delivered.read().pieces == 300


def test_what_is_encrypted_of_another_answer_is_not_told() -> None:
    """It is neither in the way of taking an answer up, nor part of what comes then."""
    delivered = Delivered()
    items = [{"index": 0, "type": "reasoning", "encrypted_content": "g"}]
    thought = {"extra_content": {"openai": {"items": items}}}
    delivered.add(event(thought) + told("Hello, "))
    splice = Splice(delivered.read(), Way.CONTINUE)

    out = splice.take(event(thought) + told("world.") + event(thought))

    assert delivered.read().obstacle == ""
    assert text_of(out) == "world."
    assert b"extra_content" not in out
