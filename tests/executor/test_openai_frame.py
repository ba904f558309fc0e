"""Events of a stream that are alike but for their text, and those that only look it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.events import data_of
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects.openai_chat import OpenAIChat
from holdfast_executor.dialects.openai_frame import Frame, frame_of
from holdfast_executor.dialects.openai_stream import OpenAIChatStream

CONTEXT = AnswerContext(model="m", answer_id="chatcmpl-ours", created=1_700_000_000)

BEFORE = b'{"id":"a","created":7,"model":"up","choices":[{"index":0,"delta":{"content":'
AFTER = b'},"finish_reason":null}]}'
ROLE = BEFORE + b'"","role":"assistant"' + AFTER


def said(text: bytes) -> bytes:
    """Write the data of an event whose text is this JSON."""
    return BEFORE + text + AFTER


def wire(*data: bytes) -> bytes:
    return b"".join(b"data: " + one + b"\n\n" for one in data)


def begun() -> OpenAIChatStream:
    """Read a stream as far as a few events that are alike."""
    stream = OpenAIChat().decode_stream(CONTEXT)
    stream.feed(wire(ROLE, said(b'"a"'), said(b'"b"')))
    return stream


def framed(data: bytes) -> Frame | None:
    """Look for the frame of an event, and pass it on under another model's name."""

    def rewrite(data: bytes) -> bytes:
        return wire(data.replace(b'"up"', b'"m"'))

    return frame_of(data, rewrite)


def found(events: bytes) -> list[Any]:
    return [json.loads(data) for data in data_of(events)]


TEXTS = [
    b'""',
    b'"x"',
    b'" "',
    b'"\\"\\\\\\n\\u00e9\\ud83d\\ude00"',
    '"é😀"'.encode(),
    b'"data: {}"',
    b'"\\"},\\"finish_reason\\":\\"stop\\"}]}"',
    b'"a"'.replace(b"a", AFTER.replace(b'"', b'\\"')),
]

ODD = [
    pytest.param(said(b"null"), id="no-text"),
    pytest.param(said(b'["x"]'), id="a-list"),
    pytest.param(said(b'"x","content":"y"'), id="twice"),
    pytest.param(said(b'"x","refusal":"no"'), id="refusal"),
    pytest.param(said(b'"x","tool_calls":[]'), id="calls"),
    pytest.param(said(b'"x"},"finish_reason":"stop","y":{"z":"x"'), id="an-end"),
    pytest.param(
        said(b'"x"}}],"usage":{},"error":{"message":"x"},"y":[{"z":{"w":"x"'),
        id="an-error",
    ),
    pytest.param(said(b'"x" '), id="space"),
    pytest.param(said(b'"x"\n'), id="a-line"),
    pytest.param(said(b'\n"x"'), id="a-line-before"),
    pytest.param(said(b'"x'), id="unended"),
    pytest.param(said(b'"\\"'), id="unended-by-escape"),
    pytest.param(said(b'"\\x"'), id="no-escape"),
    pytest.param(said(b'"\n"'), id="control-character"),
    pytest.param(said(b'"\xff"'), id="no-utf-8"),
    pytest.param(said(b'"\\ud83d"'), id="half-a-character"),
    pytest.param(said(b""), id="nothing"),
    pytest.param(BEFORE[:-1] + AFTER, id="frames-that-overlap"),
    pytest.param(BEFORE + b'"x"' + AFTER[1:], id="less"),
    pytest.param(BEFORE + b'"x"' + AFTER + b" ", id="more"),
    pytest.param(said(b'"x"').replace(b'"index":0', b'"index":1'), id="another-choice"),
    pytest.param(said(b'"x"').replace(b'"up"', b'"other"'), id="another-model"),
    pytest.param(b"[DONE]", id="done"),
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("count", [1, 3])
def test_events_that_differ_in_their_text_are_rewritten(
    text: bytes, count: int
) -> None:
    """Whatever it says, and however many there are."""
    frame = framed(said(b'"abc"'))
    assert frame is not None

    ours = frame.rewritten(b"\n\n".join([b"data: " + said(text)] * count))

    assert ours == wire(*[said(text).replace(b'"up"', b'"m"')] * count)


@pytest.mark.parametrize("odd", ODD)
def test_what_differs_in_more_than_text_is_not_taken_for_it(odd: bytes) -> None:
    """Neither by itself nor among others."""
    frame = framed(said(b'"abc"'))
    assert frame is not None
    usual = b"data: " + said(b'"x"')

    assert frame.rewritten(b"data: " + odd) is None
    assert frame.rewritten(b"\n\n".join([usual, b"data: " + odd, usual])) is None


@pytest.mark.parametrize("odd", ODD)
def test_what_differs_is_read_as_ever(odd: bytes) -> None:
    """As by a decoder that has seen nothing that it could be mistaken for."""
    stream = begun()
    fresh = OpenAIChat().decode_stream(CONTEXT)
    fresh.feed(wire(ROLE))

    events = stream.feed(wire(odd, said(b'"y"')))

    assert found(events) == found(fresh.feed(wire(odd, said(b'"y"'))))
    assert stream.failure == fresh.failure
    assert stream.is_complete == fresh.is_complete
    assert stream.usage == fresh.usage


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(said(b'""'), id="no-text"),
        pytest.param(said(b'"x","tool_calls":[{"index":0}]'), id="calls"),
        pytest.param(said(b'"x","refusal":"x"'), id="refusal"),
        pytest.param(said(b'"x"').replace(b"null", b'"stop"'), id="an-end"),
        pytest.param(said(b'"x"')[:-1] + b',"usage":{"prompt_tokens":1}}', id="usage"),
        pytest.param(said(b'"x"\n'), id="two-lines"),
        pytest.param(b'{"choices":[]}', id="no-choice"),
        pytest.param(b"[]", id="no-chunk"),
        pytest.param(said(b'"x"').replace(b"},", b"},,"), id="no-json"),
    ],
)
def test_an_event_that_says_more_has_no_frame(data: bytes) -> None:
    """What it says besides would be missed in those that follow."""
    assert framed(data) is None


def test_text_that_stands_elsewhere_too_is_found_where_it_is_text() -> None:
    """The id may be the same letter as the text."""
    frame = framed(said(b'"a"'))
    assert frame is not None

    ours = frame.rewritten(b"data: " + said(b'"z"'))

    assert ours is not None
    assert found(ours)[0]["id"] == "a"
    assert found(ours)[0]["choices"][0]["delta"] == {"content": "z"}


@pytest.mark.parametrize("name", ["content", "reasoning", "reasoning_content"])
@pytest.mark.parametrize("role", [b"", b'"role":"assistant",'])
@pytest.mark.parametrize("padding", ["{}", '{},"obfuscation":"{}"'])
@pytest.mark.parametrize("usage", ["", ',"usage":null'])
def test_streams_are_the_same_however_they_are_cut(
    name: str, role: bytes, padding: str, usage: str
) -> None:
    """Thought or said, padded or not, with the role in each event or in the first."""

    def written(number: int) -> bytes:
        before, _, after = said(b"%").partition(b"%")
        before = before.replace(b'"content"', role + b'"%b"' % name.encode())
        ends = padding.replace("{}", after[:-1].decode(), 1)
        ends = ends.replace("{}", "x" * (number % 7 + 1)) + usage + "}"
        return before + b'"word %d"' % number + ends.encode()

    data = [ROLE, *map(written, range(20)), said(b'""').replace(b"null", b'"stop"')]
    raw = wire(*data, b"[DONE]")
    wholes = []
    for size in (1, 100, 1_000, len(raw)):
        stream = OpenAIChat().decode_stream(CONTEXT)
        blocks = [raw[at : at + size] for at in range(0, len(raw), size)]
        wholes.append(b"".join(map(stream.feed, blocks)) + stream.finish())
        assert stream.is_complete
        assert stream.failure is None

    assert wholes == [wholes[0]] * 4
    expected = [json.loads(one) | {"model": "m"} for one in data]
    for one in expected:
        one["object"] = "chat.completion.chunk"
        one.pop("usage", None)
    for one in expected[1:]:
        one["choices"][0]["delta"].pop("role", None)
    assert found(wholes[0]) == expected


def test_what_comes_after_the_end_is_dropped_as_ever() -> None:
    """A provider that repeats the role goes on with events that say nothing."""
    spoken = [said(b'"%b","role":"assistant"' % text) for text in (b"a", b"b", b"c")]
    end = said(b'"","role":"assistant"').replace(b"null", b'"stop"')
    stream = OpenAIChat().decode_stream(CONTEXT)

    events = stream.feed(wire(ROLE, *spoken, end))
    after = stream.feed(wire(said(b'"","role":"assistant"'))) + stream.feed(
        wire(spoken[0], spoken[1], said(b'"","role":"assistant"'))
    )

    assert len(found(events)) == 5
    heard = [one["choices"][0]["delta"]["content"] for one in found(after)]
    assert heard == ["a", "b"]


@given(
    texts=st.lists(st.text(), min_size=1, max_size=8),
    ascii_only=st.booleans(),
    cut=st.integers(min_value=1, max_value=400),
)
def test_any_text_arrives_as_it_was_said(
    texts: list[str], ascii_only: bool, cut: int
) -> None:
    """Escaped or not, and wherever the network cuts it."""
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    raw = wire(
        *[said(json.dumps(text, ensure_ascii=ascii_only).encode()) for text in texts]
    )
    stream = begun()

    blocks = [raw[at : at + cut] for at in range(0, len(raw), cut)]
    events = b"".join(map(stream.feed, blocks))

    heard = [one["choices"][0]["delta"]["content"] for one in found(events)]
    assert heard == texts
