"""What a caller sees of the streams of OpenAI-compatible providers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from fakes.openai_answers import WHOLES
from holdfast.events import data_of
from holdfast.model import Outcome, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects.openai_chat import OpenAIChat
from holdfast_executor.dialects.openai_stream import OpenAIChatStream

DIALECT = OpenAIChat()
CONTEXT = AnswerContext(model="m", answer_id="chatcmpl-ours", created=1_700_000_000)


def chunk(
    delta: Any = ..., *, finish: Any = None, index: Any = 0, **changes: Any
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    whole = {
        "id": "chatcmpl-theirs",
        "object": "chat.completion.chunk",
        "created": 1_772_000_000,
        "model": "up-stream-1",
        "choices": [{k: v for k, v in choice.items() if v is not ...}],
        **changes,
    }
    return {k: v for k, v in whole.items() if v is not ...}


ROLE = chunk({"role": "assistant", "content": ""})
HI = chunk({"content": "Hi"})
STOP = chunk({}, finish="stop")
USAGE = chunk(
    choices=[],
    usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "z": 1},
)


def events(*chunks: Any) -> bytes:
    return b"".join(
        b"data: "
        + (piece if isinstance(piece, bytes) else json.dumps(piece).encode())
        + b"\n\n"
        for piece in chunks
    )


def streamed(stream: bytes) -> tuple[OpenAIChatStream, list[dict[str, Any]]]:
    """Read a stream whole and byte by byte; both come to the same."""
    whole = DIALECT.decode_stream(CONTEXT)
    chunks = whole.feed(stream) + whole.finish()
    bytewise = DIALECT.decode_stream(CONTEXT)
    cut = b"".join([bytewise.feed(bytes([byte])) for byte in stream])
    assert cut + bytewise.finish() == chunks
    assert bytewise.is_complete == whole.is_complete
    assert bytewise.failure == whole.failure
    found = [json.loads(out) for out in data_of(chunks)]
    for out in found:
        ChatCompletionChunk.model_validate(out)
        assert "usage" not in out
        assert (out["id"], out["model"]) == (whole.answer_id, "m")
    assert len({out["created"] for out in found}) <= 1
    return whole, found


def deltas(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [choice["delta"] for out in chunks for choice in out["choices"]]


def test_a_usual_stream_passes_but_for_the_models_name() -> None:
    """All that OpenAI writes is there, and the usage is kept for the end."""
    theirs = [{**piece, "obfuscation": "x"} for piece in (ROLE, HI, STOP)]

    stream, chunks = streamed(events(*theirs, USAGE, b"[DONE]"))

    assert chunks == [{**piece, "model": "m"} for piece in theirs]
    assert stream.has_content
    assert stream.is_complete
    assert stream.failure is None
    assert stream.usage == Usage(10, 5)
    assert stream.answer_id == "chatcmpl-theirs"


def test_the_usage_chunk_keeps_the_providers_members_and_adds_the_cost() -> None:
    """It is written once, at the end, with no choices."""
    stream, _ = streamed(events(ROLE, HI, STOP, USAGE))

    [written] = map(json.loads, data_of(stream.usage_event(105_500)))
    [unpriced] = map(json.loads, data_of(stream.usage_event(None)))

    ChatCompletionChunk.model_validate(written)
    assert written["choices"] == []
    assert written["usage"] == {**USAGE["usage"], "cost": 0.0001055}
    assert unpriced["usage"] == USAGE["usage"]


def test_a_stream_without_usage_has_no_usage_chunk() -> None:
    """Nothing is made up."""
    stream, _ = streamed(events(ROLE, HI, STOP, b"[DONE]"))

    assert stream.usage_event(7) == b""


def test_usage_in_every_chunk_is_cumulative_and_the_last_one_holds() -> None:
    """It is taken out of the chunks, and so is a null."""

    def usage(count: int | None) -> dict[str, Any]:
        return {"usage": {"prompt_tokens": count, "completion_tokens": count}}

    stream, chunks = streamed(
        events(
            {**ROLE, **usage(1)},
            {**HI, "usage": None},
            {**STOP, **usage(9)},
            {**chunk(choices=[]), **usage(None)},
        )
    )

    assert len(chunks) == 3
    assert stream.usage == Usage(9, 9)


@pytest.mark.parametrize(
    ("delta", "has_content"),
    [
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"content": None, "reasoning": None}, False),
        ({"content": "", "refusal": "", "reasoning_content": ""}, False),
        ({"tool_calls": []}, False),
        ({"content": "x"}, True),
        ({"content": " "}, True),
        ({"content": [{"type": "text", "text": "x"}]}, True),
        ({"content": [{"type": "text", "text": ""}]}, False),
        ({"reasoning": "x"}, True),
        ({"reasoning_content": "x"}, True),
        ({"refusal": "x"}, True),
        ({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}, True),
        ({"function_call": {"name": "f", "arguments": ""}}, True),
        ({"function_call": {"name": "", "arguments": ""}}, False),
        ({"audio": {"id": "a", "data": "x"}}, True),
        ({"audio": {"id": "a"}}, False),
        ({}, False),
        (None, False),
        (..., False),
    ],
)
@pytest.mark.parametrize("before", [[], [ROLE]])
def test_only_content_commits(delta: Any, has_content: bool, before: list[Any]) -> None:
    """A role, a null or an empty text says nothing yet."""
    stream, _ = streamed(events(*before, chunk(delta)))

    assert stream.has_content is has_content
    assert not stream.is_complete


@pytest.mark.parametrize(
    "stream",
    [
        b": OPENROUTER PROCESSING\n\n",
        b"event: ping\ndata: {}\n\n",
        b"event: ping\ndata: pong\n\n",
        b"data: [DONE]\n\n",
        b"data: \n\n",
        events(chunk(choices=[], id="", model="", object="", created=0)),
        events({"prompt_filter_results": [], "choices": []}),
        events({}),
    ],
)
def test_what_bears_nothing_is_not_passed_on(stream: bytes) -> None:
    """Comments, pings, [DONE] and Azure's first chunk are no news."""
    decoder, chunks = streamed(stream)

    assert chunks == []
    assert decoder.failure is None
    assert not decoder.has_content
    assert not decoder.is_complete


def test_azures_empty_first_chunk_does_not_name_the_answer() -> None:
    """The id is that of the first chunk with a choice."""
    empty = chunk(choices=[], id="", model="", object="", created=0)

    stream, chunks = streamed(events(empty, ROLE, HI))

    assert stream.answer_id == "chatcmpl-theirs"
    assert len(chunks) == 2


def test_every_chunk_bears_the_same_frame() -> None:
    """Whatever the provider writes into each."""
    stream, chunks = streamed(
        events(
            {**ROLE, "id": "", "created": 0},
            {**HI, "id": "b", "created": 2, "object": ""},
            {**STOP, "id": None, "created": None, "model": None},
        )
    )

    assert stream.answer_id == "chatcmpl-ours"
    assert {out["created"] for out in chunks} == {1_700_000_000}
    assert {out["object"] for out in chunks} == {"chat.completion.chunk"}


@pytest.mark.parametrize(
    "first", [{"role": "assistant", "content": "a"}, {"content": "a"}]
)
def test_the_role_comes_once(first: dict[str, Any]) -> None:
    """In the first chunk of a choice, whether the provider repeats or omits it."""
    again = {"role": "assistant", "content": "b"}

    _, chunks = streamed(events(chunk(first), chunk(again), chunk(again)))

    assert [delta.get("role") for delta in deltas(chunks)] == ["assistant", None, None]
    assert [delta["content"] for delta in deltas(chunks)] == ["a", "b", "b"]


def test_a_choice_ends_once() -> None:
    """OpenRouter repeats the finish reason beside the usage."""
    again = chunk(
        {"role": "assistant", "content": ""}, finish="stop", usage=USAGE["usage"]
    )

    stream, chunks = streamed(events(ROLE, HI, STOP, STOP, again, again))

    reasons = [out["choices"][0]["finish_reason"] for out in chunks]
    assert reasons == [None, None, "stop"]
    assert stream.usage == Usage(10, 5)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("eos", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls")],
)
def test_other_words_for_an_end_are_translated(theirs: str, ours: str) -> None:
    """The SDK knows five."""
    stream, chunks = streamed(events(ROLE, HI, chunk({}, finish=theirs)))

    assert chunks[-1]["choices"][0]["finish_reason"] == ours
    assert stream.is_complete


def test_an_empty_finish_reason_is_none() -> None:
    """Some providers write it into every chunk."""
    stream, chunks = streamed(events(ROLE, chunk({"content": "x"}, finish="")))

    assert chunks[-1]["choices"][0]["finish_reason"] is None
    assert not stream.is_complete


def test_a_stream_is_complete_when_every_choice_has_ended() -> None:
    """Not when the first of two has."""
    role = {"role": "assistant", "content": "x"}
    begun = events(chunk(role), chunk(role, index=1), chunk({}, finish="stop"))

    late = events(ROLE, STOP, chunk(role, index=1))

    half, _ = streamed(begun)
    reopened, _ = streamed(late)
    whole, _ = streamed(begun + events(chunk({}, index=1, finish="length")))

    assert not half.is_complete
    assert not reopened.is_complete
    assert whole.is_complete


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stream_cut_before_its_end_is_not_complete(count: int) -> None:
    """Neither content nor [DONE] proves an end."""
    cut = events(*[ROLE, HI, HI][:count])

    assert not streamed(cut)[0].is_complete
    assert not streamed(cut + b"data: [DONE]\n\n")[0].is_complete
    assert streamed(cut)[0].failure is None


def test_a_cut_within_an_event_fails_unless_the_answer_was_whole() -> None:
    """What a broken connection leaves is no event."""
    before, _ = streamed(events(ROLE, HI) + events(HI)[:-20])
    after, _ = streamed(events(ROLE, HI, STOP) + events(USAGE)[:-20])

    assert before.failure is not None
    assert before.failure.outcome is Outcome.SERVER_ERROR
    assert after.failure is None
    assert after.is_complete


def test_the_last_event_needs_no_blank_line() -> None:
    """Some providers close the connection instead."""
    stream, chunks = streamed(events(ROLE, HI, STOP).rstrip(b"\n"))

    assert len(chunks) == 3
    assert stream.is_complete


@pytest.mark.parametrize(
    ("broken", "outcome"),
    [
        (b'event: error\ndata: {"error":{"message":"x"}}\n\n', Outcome.SERVER_ERROR),
        (b"event: error\ndata: boom\n\n", Outcome.SERVER_ERROR),
        (b'data: {"error":{"message":"x","code":429}}\n\n', Outcome.RATE_LIMITED),
        (b'data: {"error":"x"}\n\n', Outcome.SERVER_ERROR),
        (b'data: [{"error":{"message":"x","code":503}}]\n\n', Outcome.SERVER_ERROR),
        (b'data: {"object":"error","message":"m","code":400}\n\n', Outcome.REJECTED),
        (b'data: {"detail":"x"}\n\n', Outcome.SERVER_ERROR),
        (b'error: {"code":500,"message":"x"}\n\n', Outcome.SERVER_ERROR),
        (b'{"error":{"message":"x","type":"rate_limit_error"}}', Outcome.RATE_LIMITED),
        (b"<html>502</html>", Outcome.SERVER_ERROR),
        (b'data: {"choices":[{"de\n\n', Outcome.SERVER_ERROR),
        (b"data: nonsense\n\n", Outcome.SERVER_ERROR),
        (events(chunk({"content": ""}, finish="error")), Outcome.SERVER_ERROR),
        (
            events(
                {**chunk({}, finish="error"), "error": {"code": 502, "message": "x"}}
            ),
            Outcome.SERVER_ERROR,
        ),
    ],
)
def test_an_error_in_the_stream_fails_it(broken: bytes, outcome: Outcome) -> None:
    """What came before stands, and nothing after it counts."""
    stream, chunks = streamed(events(ROLE, HI) + broken + b"\n\n" + events(HI, STOP))

    assert stream.failure is not None
    assert stream.failure.outcome is outcome
    assert not stream.is_complete
    assert len(chunks) == 2
    assert stream.feed(events(STOP)) == b""
    assert stream.finish() == b""


def test_an_error_beside_the_first_chunk_fails_before_any_content() -> None:
    """The next deployment can take over unseen."""
    hello = chunk({"role": "assistant", "content": "Hi"})

    stream, chunks = streamed(events({**hello, "error": {"message": "x"}}))

    assert chunks == []
    assert not stream.has_content
    assert stream.failure is not None


def test_content_in_parts_becomes_text_and_reasoning_in_a_stream() -> None:
    """Mistral's way to think aloud."""
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]

    stream, chunks = streamed(
        events(chunk({"role": "assistant", "content": thinking}), HI)
    )

    assert deltas(chunks)[0]["reasoning_content"] == "hm"
    assert deltas(chunks)[0]["content"] == ""
    assert stream.has_content


def call(index: Any = ..., *, id: Any = ..., kind: Any = ..., **function: Any) -> Any:  # noqa: A002 - the field's name
    piece = {"index": index, "id": id, "type": kind, "function": function}
    return {k: v for k, v in piece.items() if v is not ...}


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [
                [call(0, id="a", kind="function", name="f", arguments="")],
                [call(0, arguments="{}")],
                [call(1, id="b", kind="function", name="g", arguments="")],
                [call(1, arguments="[]")],
            ],
            id="as-openai",
        ),
        pytest.param(
            [
                [call(id="a", name="f", arguments="{}")],
                [call(id="b", name="g", arguments="[]")],
            ],
            id="without-index-and-type",
        ),
        pytest.param(
            [
                [call(0, id="a", name="f", arguments="{}")],
                [call(0, id="b", name="g", arguments="[]")],
            ],
            id="index-0-for-all",
        ),
        pytest.param(
            [
                [
                    call(1, id="a", kind="function", name="f", arguments="{}"),
                    call(3, id="b", kind="function", name="g", arguments="[]"),
                ]
            ],
            id="counted-from-1-with-holes",
        ),
        pytest.param(
            [
                [call(1, id="a", kind="function", name="f", arguments="")],
                [call(1, arguments="{}")],
                [call(3, id="b", kind="function", name="g", arguments="")],
                [call(3, arguments="[]")],
            ],
            id="counted-from-1-in-pieces",
        ),
        pytest.param(
            [
                [call(0, id="a", kind="function", name="f", arguments="{")],
                [call(0, name="f", arguments="}")],
                [call(1, id="b", kind="function", name="g", arguments="[")],
                [call(1, name="g", arguments="]")],
            ],
            id="name-repeated",
        ),
        pytest.param(
            [
                [call(0, id="a", kind="function", name="f", arguments="{")],
                [call(0, id="a", kind="function", name="f", arguments="}")],
                [call(1, id="b", kind="function", name="g", arguments="[")],
                [call(1, id="b", kind="function", name="g", arguments="]")],
            ],
            id="id-and-name-repeated",
        ),
        pytest.param(
            [
                [call(0, id="a", kind="function", name="f", arguments=None)],
                [call(0, id="", name="", arguments="{}")],
                [call(1, id="b", kind="function", name="g")],
                [call(1, id=None, kind=None, name=None, arguments="[]")],
            ],
            id="empty-and-null",
        ),
        pytest.param(
            [
                [call(0, name="f", arguments="{}")],
                [call(1, name="g", arguments="[]")],
            ],
            id="without-ids",
        ),
        pytest.param(
            [
                [call(0, id="a", kind="function", name="f", arguments={})],
                [call(1, id="b", kind="function", name="g", arguments=[])],
            ],
            id="arguments-as-json",
        ),
    ],
)
@pytest.mark.parametrize("before", [[], [ROLE]])
def test_calls_of_tools_are_numbered_and_named_once(
    pieces: list[list[Any]], before: list[Any]
) -> None:
    """A caller that adds the pieces up gets two whole calls."""
    chunks = [chunk({"tool_calls": piece}) for piece in pieces]

    stream, found = streamed(events(*before, *chunks, chunk({}, finish="tool_calls")))

    calls: dict[int, list[str]] = {}
    for delta in deltas(found):
        for piece in delta.get("tool_calls", ()):
            function = piece.get("function", {})
            parts = calls.setdefault(piece["index"], ["", "", "", ""])
            parts[0] += piece.get("id") or ""
            parts[1] += piece.get("type") or ""
            parts[2] += function.get("name") or ""
            parts[3] += function.get("arguments") or ""
    assert list(calls) == [0, 1]
    assert [parts[1:] for parts in calls.values()] == [
        ["function", "f", "{}"],
        ["function", "g", "[]"],
    ]
    ids = [parts[0] for parts in calls.values()]
    assert ids == ["a", "b"] or all(given.startswith("call_") for given in ids)
    assert len(set(ids)) == 2
    assert stream.is_complete


def test_reasoning_of_other_names_is_passed_on() -> None:
    """Fields nobody here has heard of stay."""
    delta = {"reasoning": "hm", "channel": "analysis", "x": 1}

    _, chunks = streamed(events(ROLE, chunk(delta)))

    assert deltas(chunks)[1] == delta


def test_an_endless_event_fails_the_stream() -> None:
    """It does not fill the memory."""
    stream = DIALECT.decode_stream(CONTEXT)

    for _ in range(20):
        stream.feed(b"x" * (1 << 20))

    assert stream.failure is not None
    assert stream.failure.outcome is Outcome.SERVER_ERROR


@given(wholes=st.lists(WHOLES, max_size=4))
def test_any_stream_is_mended_or_fails(wholes: list[Any]) -> None:
    """Whatever events a provider sends, the SDK can read what comes of them."""
    stream, _ = streamed(events(*wholes))

    for usage in data_of(stream.usage_event(1)):
        ChatCompletionChunk.model_validate(json.loads(usage))


def test_half_a_character_does_not_break_a_stream_off() -> None:
    """Wherever in it: among the first events, and among those that are all alike."""
    half = chunk({"content": "\ud83d"})

    decoder, chunks = streamed(events(ROLE, half, HI, HI, HI, half, HI, STOP, USAGE))

    assert decoder.failure is None
    said = [each["choices"][0]["delta"].get("content") for each in chunks[1:-1]]
    assert said == ["\ufffd", "Hi", "Hi", "Hi", "\ufffd", "Hi"]
