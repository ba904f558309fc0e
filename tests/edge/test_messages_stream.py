"""A streamed Message says what the whole one does, wherever it is looked at."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.message_reader import MessageReader
from fakes.translated_chats import ANSWERS, ChatAnswer, grouped
from holdfast.errors import StreamInterruptedError
from holdfast_edge.messages.answer import message_of
from holdfast_edge.messages.endpoint import _MessageEvents
from holdfast_edge.messages.stream import MessageStream

MANY = settings(deadline=None, max_examples=300)


@MANY
@given(answer=ANSWERS, data=st.data())
def test_a_streamed_message_is_the_whole_one(
    answer: ChatAnswer, data: st.DataObject
) -> None:
    """Put together, its events are the message that is sent in one piece."""
    stream, reader = MessageStream(), MessageReader()

    for frames in data.draw(grouped(answer.frames)):
        reader.read(stream.feed(frames))
    reader.read(stream.end())

    assert reader.is_whole
    assert reader.message == json.loads(message_of(answer.body))


@MANY
@given(answer=ANSWERS, data=st.data())
def test_a_message_that_breaks_off_never_looks_whole(
    answer: ChatAnswer, data: st.DataObject
) -> None:
    """After any event there is an error, and nothing says that the message ended."""
    events, reader = _MessageEvents(), MessageReader()
    frames = answer.frames[: data.draw(st.integers(0, len(answer.frames)))]

    assert events.feed is not None
    reader.read(events.feed(b"".join(frames)))
    reader.read(events.failed(StreamInterruptedError("It broke off."), "t-1"))

    assert not reader.is_whole
    assert reader.error is not None
    assert reader.error["code"] == "stream_interrupted"
    assert reader.message.get("stop_reason") is None


def begun(place: int, arguments: str = "") -> dict[str, Any]:
    function = {"name": f"tool_{place}", "arguments": arguments}
    return {"tool_calls": [{"index": place, "id": f"c{place}", "function": function}]}


def more(place: int, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": place, "function": {"arguments": arguments}}]}


def inputs(*deltas: dict[str, Any]) -> list[Any]:
    """Return what a client reads: inputs of calls and texts, in their order."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    stream, reader = MessageStream(), MessageReader()
    for choice in choices:
        chunk = {"id": "chatcmpl-7", "model": "m", "choices": [choice]}
        reader.read(stream.feed(b"data: %b\n\n" % json.dumps(chunk).encode()))
    reader.read(stream.end())
    blocks = reader.message["content"]
    return [block.get("text", block.get("input")) for block in blocks]


A, B = {"a": 1}, {"b": 2}


@pytest.mark.parametrize(
    ("deltas", "read"),
    [
        ([begun(0, '{"a"'), more(0, ": 1}"), begun(1, '{"b": 2}')], [A, B]),
        (
            [begun(0), begun(1), more(1, '{"b"'), more(0, '{"a": 1}'), more(1, ": 2}")],
            [A, B],
        ),
        ([begun(0, '{"a"'), begun(1, '{"b": 2}'), more(0, ": 1}")], [A, B]),
        ([begun(0), begun(1, '{"b": 2}')], [{}, B]),
        (
            [begun(0, '{"a": 1}'), {"content": "So."}, begun(1, '{"b": 2}')],
            [A, "So.", B],
        ),
        ([begun(0, '{"a"'), {"content": "So."}, more(0, ": 1}")], [A, "So."]),
    ],
    ids=["in-turn", "by-turns", "late", "nothing", "text-between", "text-within"],
)
def test_calls_that_come_together_follow_one_another(
    deltas: list[dict[str, Any]], read: list[Any]
) -> None:
    """Anthropic's clients read one block at a time; nothing of any is lost."""
    assert inputs(*deltas) == read


def test_a_call_ends_as_soon_as_the_next_one_begins() -> None:
    """A client that runs tools as they come need not wait for the whole answer."""
    stream = MessageStream()
    written = b""
    for delta in (begun(0, '{"a": 1}'), begun(1, '{"b"')):
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        chunk = {"id": "chatcmpl-7", "model": "m", "choices": [choice]}
        written += stream.feed(b"data: %b\n\n" % json.dumps(chunk).encode())

    assert written.count(b"event: content_block_stop") == 1
    assert b"tool_1" in written
