"""What a caller reads of a Response that is streamed."""

import json
from typing import Any

import pytest

from fakes.every_dialect import deployment_of, joined
from holdfast.events import data_of
from holdfast.model import Outcome
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects.openai_responses import OpenAIResponses
from holdfast_executor.dialects.openai_responses_items import issuer_of
from holdfast_executor.dialects.openai_responses_stream import OpenAIResponsesStream

PLACE = deployment_of("openai-responses")
HERE = issuer_of(PLACE)
CREATED = {"type": "response.created", "response": {"id": "resp_1"}}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "g"}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


def stream_of(*events: dict[str, Any]) -> tuple[OpenAIResponsesStream, list[Any]]:
    context = AnswerContext("m", "chatcmpl-held", 1, deployment=PLACE)
    decoder = OpenAIResponses().decode_stream(context)
    written = b"".join(
        decoder.feed(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode())
        for e in events
    )
    return decoder, [json.loads(data) for data in data_of(written + decoder.finish())]


def text(delta: str, place: int = 0, **more: Any) -> dict[str, Any]:
    kind = "response.output_text.delta"
    return {"type": kind, "output_index": place, "delta": delta, **more}


def done(item: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": place, "item": item}


def added(item: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": place, "item": item}


def ended(status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"status": status, **more}}


def test_what_says_that_a_response_lives_commits_to_nothing() -> None:
    """Not even thoughts that nobody sees do."""
    lives = {"type": "response.in_progress", "response": {"id": "resp_1"}}

    decoder, _ = stream_of(CREATED, lives, added(THOUGHT), done(THOUGHT))

    assert not decoder.has_content
    assert not decoder.is_complete
    assert decoder.failure is None
    assert decoder.answer_id == "chatcmpl-resp_1"


def test_a_quota_that_is_used_up_after_the_beginning_is_a_failure() -> None:
    """Nothing has been said by then."""
    error = {"code": "insufficient_quota", "message": "No more."}

    decoder, chunks = stream_of(CREATED, ended("failed", error=error))

    assert chunks == []
    assert not decoder.has_content
    assert decoder.failure is not None
    assert decoder.failure.outcome is Outcome.UNUSABLE
    assert decoder.failure.message == "No more."


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "Oh."},
        {"type": "error", "error": {"code": "server_error", "message": "Oh."}},
        ended("failed", error=None),
        ended("failed"),
        ended("cancelled"),
        ended("incomplete", incomplete_details={"reason": "odd"}),
    ],
)
def test_an_answer_that_fails_is_never_whole(event: dict[str, Any]) -> None:
    """Whatever has been said before."""
    decoder, chunks = stream_of(CREATED, text("Hi"), event)

    assert not decoder.is_complete
    assert not any(chunk["choices"][0]["finish_reason"] for chunk in chunks)
    if event["type"] != "response.cancelled":
        assert decoder.failure is not None
        assert decoder.failure.outcome is Outcome.SERVER_ERROR


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter")],
)
def test_an_answer_that_is_cut_short_is_whole(reason: str, finish: str) -> None:
    """And says why it ended."""
    decoder, chunks = stream_of(
        CREATED,
        text("Hi"),
        ended("incomplete", incomplete_details={"reason": reason}),
    )

    assert decoder.is_complete
    assert chunks[-1]["choices"][0]["finish_reason"] == finish


def test_items_that_a_chat_has_no_word_for_come_in_their_order() -> None:
    """Each once and with its place, as OpenAI's SDK demands of what it gathers."""
    second = {**THOUGHT, "id": "rs_2"}
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}

    decoder, chunks = stream_of(
        CREATED,
        done(THOUGHT),
        done(SEARCH, 1),
        added({**call, "arguments": ""}, 2),
        done(call, 2),
        done(second, 3),
        ended(),
    )

    kept = [
        item
        for chunk in chunks
        for delta in [chunk["choices"][0]["delta"]]
        for item in delta.get("extra_content", {}).get("openai", {}).get("items", ())
    ]
    message, reason = joined(chunks)
    assert [item["index"] for item in kept] == [0, 1, 2, 3]
    assert kept[0] == {"index": 0, **THOUGHT, "issuer": HERE}
    assert [(item["type"], item.get("call_id")) for item in kept[1:]] == [
        ("web_search_call", None),
        ("function_call", "c1"),
        ("reasoning", None),
    ]
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert reason == "tool_calls"
    assert decoder.has_content


def test_what_a_providers_tool_did_is_content() -> None:
    """A search that is over is not thrown away for another deployment."""
    decoder, _ = stream_of(CREATED, added(SEARCH), done(SEARCH))

    assert decoder.has_content


def test_a_custom_tool_is_called_piece_by_piece() -> None:
    """As chats stream it: without a type, which the SDK knows of functions alone."""
    call = {"type": "custom_tool_call", "call_id": "c1", "name": "c", "input": ""}
    piece = {
        "type": "response.custom_tool_call_input.delta",
        "output_index": 0,
        "delta": "x",
    }

    _, chunks = stream_of(CREATED, added(call), piece, ended())

    deltas = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks]
    assert deltas[1:3] == [
        [{"index": 0, "id": "c1", "custom": {"name": "c", "input": ""}}],
        [{"index": 0, "custom": {"input": "x"}}],
    ]


def test_an_answer_whose_pieces_never_came_is_said_at_once() -> None:
    """Some servers give items only whole."""
    thought = {**THOUGHT, "summary": [{"type": "summary_text", "text": "Hm."}]}
    parts = [
        {"type": "output_text", "text": "Hi"},
        {"type": "refusal", "refusal": "No."},
    ]
    said = {"type": "message", "content": parts}
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}

    _, chunks = stream_of(CREATED, done(thought), done(said, 1), done(call, 2), ended())

    message, _ = joined(chunks)
    assert message["reasoning_content"] == "Hm."
    assert message["content"] == "Hi"
    assert message["refusal"] == "No."
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


def test_parts_of_thoughts_are_parted() -> None:
    """Those of one item, and those of two."""
    kind = "response.reasoning_summary_text.delta"

    _, chunks = stream_of(
        CREATED,
        {"type": "response.reasoning_summary_part.added", "output_index": 0},
        {"type": kind, "output_index": 0, "delta": "One."},
        {"type": "response.reasoning_summary_part.added", "output_index": 0},
        {"type": kind, "output_index": 0, "delta": "Two."},
        {"type": kind, "output_index": 1, "delta": "Three."},
        ended(),
    )

    assert joined(chunks)[0]["reasoning_content"] == "One.\n\nTwo.\n\nThree."


def test_citations_and_phases_come_with_their_message() -> None:
    """Counted through the whole answer."""
    cited = {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 2,
        "title": "T",
        "url": "https://a.example",
    }
    well = {"type": "message", "content": [{"type": "output_text", "text": "Well. "}]}
    part = {"type": "output_text", "text": "So.", "annotations": [cited]}
    said = {"type": "message", "phase": "final_answer", "content": [part]}

    _, chunks = stream_of(
        CREATED,
        text("Well. ", 0),
        done(well, 0),
        text("So.", 1),
        {
            "type": "response.output_text.annotation.added",
            "output_index": 1,
            "annotation": cited,
        },
        done(said, 1),
        ended(),
    )

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    (annotations,) = [d["annotations"] for d in deltas if "annotations" in d]
    kept = [d["extra_content"] for d in deltas if "extra_content" in d]
    assert annotations[0]["index"] == 0
    assert annotations[0]["url_citation"]["start_index"] == 6
    assert [each["openai"]["items"] for each in kept] == [
        [{"index": 0, "type": "message", "characters": 6}],
        [{"index": 1, "type": "message", "characters": 3, "phase": "final_answer"}],
    ]


def test_probabilities_come_with_their_text() -> None:
    """Piece by piece."""
    token = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}

    _, chunks = stream_of(CREATED, text("Hi", logprobs=[token]), ended())

    assert chunks[1]["choices"][0]["logprobs"] == {"content": [token], "refusal": None}


@pytest.mark.parametrize(
    ("events", "refuses", "is_empty"),
    [
        ([text("Hi"), ended()], False, False),
        (
            [
                {
                    "type": "response.refusal.delta",
                    "output_index": 0,
                    "delta": "No.",
                },
                ended(),
            ],
            True,
            False,
        ),
        (
            [ended("incomplete", incomplete_details={"reason": "content_filter"})],
            True,
            False,
        ),
        ([done(THOUGHT), ended()], False, True),
        ([ended()], False, True),
    ],
)
def test_refusals_and_empty_answers_are_known(
    events: list[dict[str, Any]], refuses: bool, is_empty: bool
) -> None:
    """As of a whole answer."""
    decoder, _ = stream_of(CREATED, *events)

    assert decoder.is_complete
    assert decoder.is_refusal is refuses
    assert decoder.says_nothing is is_empty
