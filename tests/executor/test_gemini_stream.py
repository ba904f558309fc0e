"""What a caller reads of Gemini's streams."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from holdfast.events import data_of
from holdfast.model import Outcome, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects.gemini_generate import Gemini
from holdfast_executor.dialects.gemini_stream import GeminiStream

CONTEXT = AnswerContext("gemini-3-pro-preview", "chatcmpl-held", 1_700_000_000)
STOP = {"finishReason": "STOP"}


def piece(*parts: dict[str, Any], index: int = 0, **more: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, "index": index, **more}]}


def wire(*chunks: object) -> bytes:
    return b"".join(f"data: {json.dumps(one)}\r\n\r\n".encode() for one in chunks)


def read(*chunks: object, raw: bytes = b"") -> tuple[GeminiStream, list[Any]]:
    stream = Gemini().decode_stream(CONTEXT)
    events = stream.feed(raw or wire(*chunks)) + stream.finish()
    found = data_of(events)
    for one in found:
        ChatCompletionChunk.model_validate_json(one)
    return stream, [json.loads(one) for one in found]


def deltas(chunks: list[Any], index: int = 0) -> list[Any]:
    return [
        choice["delta"]
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["index"] == index
    ]


def finishes(chunks: list[Any]) -> list[Any]:
    return [
        choice["finish_reason"]
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["finish_reason"]
    ]


def test_a_text_comes_piece_by_piece() -> None:
    """After the role, and before the one reason why it ended."""
    stream, chunks = read(
        {**piece({"text": "Hel"}), "responseId": "r1"},
        piece({"text": "lo"}),
        {"candidates": [STOP]},
    )

    assert deltas(chunks) == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert finishes(chunks) == ["stop"]
    assert {chunk["id"] for chunk in chunks} == {"chatcmpl-r1"}
    assert stream.answer_id == "chatcmpl-r1"
    assert stream.is_complete
    assert stream.has_content


def test_a_role_and_usage_alone_commit_nothing() -> None:
    """Until there is content another deployment can still answer."""
    stream, _ = read(
        {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}},
        {"candidates": []},
        {"candidates": [{"index": 0}]},
        {"candidates": [{"content": {"role": "model"}}]},
        piece({"text": ""}),
        piece({"text": "", "thoughtSignature": "c2ln"}),
    )

    assert not stream.has_content
    assert not stream.is_complete
    assert stream.failure is None


def test_thoughts_are_content() -> None:
    """The model is at work, and the caller sees it."""
    stream, chunks = read(piece({"text": "Hm.", "thought": True}))

    assert deltas(chunks)[-1] == {"reasoning_content": "Hm."}
    assert stream.has_content


def test_the_last_usage_holds() -> None:
    """Each is of all that was so far; one that counts nothing takes nothing back."""
    stream, _ = read(
        {**piece({"text": "a"}), "usageMetadata": {"promptTokenCount": 10}},
        {
            **piece({"text": "b"}),
            "usageMetadata": {
                "promptTokenCount": 9,
                "candidatesTokenCount": 4,
                "thoughtsTokenCount": 5,
                "totalTokenCount": 18,
            },
        },
        {"candidates": [STOP], "usageMetadata": {"trafficType": "ON_DEMAND"}},
    )

    assert stream.usage == Usage(9, 9, 0, 0, 5)
    (last,) = data_of(stream.usage_event(1_000_000_000))
    assert json.loads(last)["usage"]["total_tokens"] == 18
    assert json.loads(last)["usage"]["cost"] == 1


def test_no_usage_is_no_event() -> None:
    """Nothing is made up."""
    stream, _ = read(piece({"text": "a"}, **STOP))

    assert stream.usage_event(None) == b""


def test_calls_come_whole_and_count_from_zero() -> None:
    """With ids of their own, and the signature on the one that it came with."""
    stream, chunks = read(
        piece(
            {
                "functionCall": {"name": "a", "args": {"x": 1}},
                "thoughtSignature": "c2ln",
            },
            {"functionCall": {"name": "a"}},
        ),
        piece({"functionCall": {"id": "fc-3", "name": "b", "args": {}}}),
        {"candidates": [STOP]},
    )

    calls = [call for one in deltas(chunks) for call in one.get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 1, 2]
    assert [call["function"] for call in calls] == [
        {"name": "a", "arguments": '{"x":1}'},
        {"name": "a", "arguments": "{}"},
        {"name": "b", "arguments": "{}"},
    ]
    assert len({call["id"] for call in calls}) == 3
    assert calls[2]["id"] == "fc-3"
    assert calls[0]["extra_content"] == {
        "google": {"thought_signature": "c2ln", "issuer": "gemini-3-pro"}
    }
    assert finishes(chunks) == ["tool_calls"]
    assert stream.is_complete


def test_the_signature_on_a_text_comes_with_the_end() -> None:
    """Once: callers add up what they are sent."""
    _, chunks = read(
        piece({"text": "a", "thoughtSignature": "Zmlyc3Q="}),
        piece({"text": "b", "thoughtSignature": "bGFzdA=="}, **STOP),
    )

    kept = [one["extra_content"] for one in deltas(chunks) if "extra_content" in one]
    assert kept == [
        {"google": {"thought_signature": "bGFzdA==", "issuer": "gemini-3-pro"}}
    ]


def in_pieces(*args: dict[str, Any], ends: bool, name: str = "") -> dict[str, Any]:
    call: dict[str, Any] = {"partialArgs": list(args)}
    if name:
        call["name"] = name
    if not ends:
        call["willContinue"] = True
    return piece({"functionCall": call})


def arguments(chunks: list[Any]) -> list[Any]:
    gathered: dict[int, str] = {}
    for one in deltas(chunks):
        for call in one.get("tool_calls", ()):
            said = call["function"]["arguments"]
            gathered[call["index"]] = gathered.get(call["index"], "") + said
    return [json.loads(text) for text in gathered.values()]


def test_a_call_in_pieces_is_put_together() -> None:
    """Its arguments are JSON only once they are whole."""
    _, chunks = read(
        piece({"functionCall": {"name": "order", "willContinue": True}}),
        in_pieces(
            {"jsonPath": "$.who", "stringValue": "Ad", "willContinue": True}, ends=False
        ),
        in_pieces({"jsonPath": "$.who", "stringValue": "a"}, ends=False),
        in_pieces({"jsonPath": "$.items[0].n", "numberValue": 2}, ends=False),
        in_pieces({"jsonPath": "$.items[1].n", "numberValue": 3}, ends=False),
        in_pieces({"jsonPath": "$['is it']", "boolValue": True}, ends=False),
        in_pieces({"jsonPath": "$.note", "nullValue": "NULL_VALUE"}, ends=True),
        {"candidates": [STOP]},
    )

    assert arguments(chunks) == [
        {
            "who": "Ada",
            "items": [{"n": 2}, {"n": 3}],
            "is it": True,
            "note": None,
        }
    ]
    assert finishes(chunks) == ["tool_calls"]


def test_a_value_that_comes_again_is_no_continuation() -> None:
    """Only what is said to go on does."""
    _, chunks = read(
        in_pieces({"jsonPath": "$.a", "stringValue": "x"}, ends=False, name="f"),
        in_pieces({"jsonPath": "$.a", "stringValue": "y"}, ends=True),
    )

    assert arguments(chunks) == [{"a": "y"}]


def test_a_call_that_is_never_closed_ends_with_the_next_or_with_the_answer() -> None:
    """Its arguments are what has come of them."""
    _, chunks = read(
        in_pieces({"jsonPath": "$.a", "numberValue": 1}, ends=False, name="f"),
        in_pieces({"jsonPath": "$.b", "numberValue": 2}, ends=False, name="g"),
        {"candidates": [STOP]},
    )

    assert arguments(chunks) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("path", ["", "$", "$.", "x", "$.a[5]", "$[0]", "$.a..b"])
def test_a_piece_for_no_place_is_a_failure(path: str) -> None:
    """A call with other arguments than the model's must not be made."""
    stream, _ = read(
        in_pieces({"jsonPath": path, "numberValue": 1}, ends=True, name="f")
    )

    assert stream.failure is not None


def test_several_answers_are_told_apart() -> None:
    """Each has its role and its end; the stream is whole when all are."""
    stream = Gemini().decode_stream(CONTEXT)
    events = stream.feed(
        wire(
            {"candidates": piece({"text": "a"})["candidates"]},
            piece({"text": "b"}, index=1),
            {"candidates": [{"index": 0, **STOP}]},
        )
    )

    assert not stream.is_complete
    events += stream.feed(wire({"candidates": [{"index": 1, **STOP}]}))
    chunks = [json.loads(one) for one in data_of(events)]
    assert stream.is_complete
    assert deltas(chunks, 1) == [
        {"role": "assistant", "content": ""},
        {"content": "b"},
        {},
    ]
    assert finishes(chunks) == ["stop", "stop"]


def test_probabilities_come_with_their_text() -> None:
    """As in a whole answer."""
    result = {"chosenCandidates": [{"token": "a", "logProbability": -1}]}

    _, chunks = read(piece({"text": "a"}, logprobsResult=result, **STOP))

    (logprobs,) = [
        one["choices"][0]["logprobs"]
        for one in chunks
        if one["choices"][0]["logprobs"] is not None
    ]
    assert logprobs["content"][0]["token"] == "a"


def test_a_stream_without_a_reason_to_end_is_not_whole() -> None:
    """A connection that closes early looks just like this."""
    stream, chunks = read(piece({"text": "a"}))

    assert not stream.is_complete
    assert finishes(chunks) == []


def test_a_blocked_prompt_is_a_refusal() -> None:
    """Nothing was said before it."""
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "Not this."}

    stream, chunks = read({"promptFeedback": feedback})

    assert deltas(chunks)[1] == {"refusal": "Not this."}
    assert finishes(chunks) == ["content_filter"]
    assert stream.is_refusal
    assert stream.is_complete


def test_an_answer_that_is_filtered_midway_is_no_refusal() -> None:
    """The caller has part of it already."""
    stream, chunks = read(
        piece({"text": "Once"}), {"candidates": [{"finishReason": "RECITATION"}]}
    )

    assert finishes(chunks) == ["content_filter"]
    assert not stream.is_refusal
    assert stream.is_complete


@pytest.mark.parametrize("said", [[], [{"text": "I will call"}]])
def test_a_botched_call_is_a_failure(said: Any) -> None:
    """Before any content another attempt is made, after it the caller is told."""
    stream, chunks = read(
        piece(*said), {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}
    )

    assert stream.failure is not None
    assert stream.failure.outcome is Outcome.PARSE_FAILED
    assert finishes(chunks) == []
    assert not stream.is_complete


ERROR = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "raw",
    [
        wire(piece({"text": "a"}), ERROR, piece({"text": "b"}, **STOP)),
        wire(piece({"text": "a"})) + json.dumps(ERROR).encode(),
        wire(piece({"text": "a"})) + json.dumps([ERROR]).encode(),
        wire(piece({"text": "a"})) + json.dumps(ERROR, indent=1).encode() + b"\r\n\r\n",
    ],
)
def test_an_error_in_the_middle_ends_the_stream(raw: bytes) -> None:
    """As an event or as a bare body, in an array or not."""
    stream, chunks = read(raw=raw)

    assert stream.failure is not None
    assert stream.failure.outcome is Outcome.SERVER_ERROR
    assert stream.failure.message == "Overloaded."
    assert not stream.is_complete
    assert deltas(chunks)[-1] == {"content": "a"}
    assert stream.feed(wire(piece({"text": "c"}))) == b""


def test_a_quota_that_runs_out_in_the_middle_is_one() -> None:
    """The code in the body stands for the status."""
    error = {"code": 429, "message": "Exhausted.", "status": "RESOURCE_EXHAUSTED"}

    stream, _ = read({"error": error})

    assert stream.failure is not None
    assert stream.failure.outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize("raw", [b"data: {\n\n", b"data: 7\n\n", b"<html></html>"])
def test_what_is_no_chunk_is_a_failure(raw: bytes) -> None:
    """Such as a proxy's page."""
    stream, _ = read(raw=raw)

    assert stream.failure is not None
    assert stream.failure.outcome is Outcome.SERVER_ERROR


def test_an_array_of_chunks_is_a_stream_too() -> None:
    """It is what comes where `alt=sse` was lost on the way; cut, it is nothing."""
    raw = json.dumps([piece({"text": "a"}), piece({"text": "b"}, **STOP)]).encode()

    stream, chunks = read(raw=raw)
    cut, _ = read(raw=raw[:-1])

    assert "".join(one.get("content", "") for one in deltas(chunks)) == "ab"
    assert stream.is_complete
    assert not cut.is_complete
    assert cut.failure is not None


def test_an_event_that_never_ends_is_a_failure() -> None:
    """It does not use up the memory."""
    stream = Gemini().decode_stream(CONTEXT)

    for _ in range(17):
        stream.feed(b"a" * 1024 * 1024)

    assert stream.failure is not None
