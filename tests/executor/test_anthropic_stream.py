"""What a caller sees of Anthropic's streams."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from holdfast.events import data_of
from holdfast.model import Outcome, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.anthropic_stream import AnthropicStream
from holdfast_executor.dialects.anthropic_structure import JSON_TOOL

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(
    path.parent.name for path in GOLDEN.glob("*/anthropic-messages.stream.txt")
)
CONTEXT = AnswerContext("claude-sonnet-4-5", "chatcmpl-held", 1_700_000_000)

START = {
    "type": "message_start",
    "message": {"id": "msg_1", "usage": {"input_tokens": 10, "output_tokens": 1}},
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}


def opened(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **part: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": part}


def said(text: str, index: int = 0) -> dict[str, Any]:
    return delta(index, type="text_delta", text=text)


def closed(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ended(stop_reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, **fields},
        "usage": {"output_tokens": 5},
    }


def failed(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": "no"}}


def wire(*events: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for event in events
    )


class Read:
    """A stream read to its end, and what came of it."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.stream: AnthropicStream = AnthropicMessages().decode_stream(CONTEXT)
        raw = data_of(self.stream.feed(wire(*events)) + self.stream.finish())
        for chunk in raw:
            ChatCompletionChunk.model_validate_json(chunk)
        self.chunks = [json.loads(chunk) for chunk in raw]
        self.deltas = [chunk["choices"][0]["delta"] for chunk in self.chunks]

    def texts(self, field: str) -> list[str]:
        return [delta[field] for delta in self.deltas if delta.get(field)]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [call for one in self.deltas for call in one.get("tool_calls", [])]

    @property
    def finish_reasons(self) -> list[str]:
        reasons = (chunk["choices"][0]["finish_reason"] for chunk in self.chunks)
        return [reason for reason in reasons if reason]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("case", CASES)
def test_golden_streams(case: str, size: int) -> None:
    """A stream reads as the file beside it says, wherever its bytes are cut."""
    raw = (GOLDEN / case / "anthropic-messages.stream.txt").read_bytes()
    stream = AnthropicMessages().decode_stream(CONTEXT)

    blocks = [raw[start : start + size] for start in range(0, len(raw), size)]
    events = b"".join(map(stream.feed, blocks)) + stream.finish()
    events += stream.usage_event(None)

    expected = (GOLDEN / case / "anthropic-messages.chunks.jsonl").read_text()
    assert data_of(events) == [line.encode() for line in expected.splitlines()]


def test_one_role_first_and_one_finish_reason_last() -> None:
    """Whatever the provider repeats."""
    read = Read(START, START, PING, said("a"), ended(), ended(), STOP, STOP)

    assert [chunk["id"] for chunk in read.chunks] == ["chatcmpl-msg_1"] * 3
    assert ["role" in one for one in read.deltas] == [True, False, False]
    assert read.finish_reasons == ["stop"]
    assert read.chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_what_commits() -> None:
    """Text, thinking and the start of a call do; all that comes before does not."""
    call = opened(0, type="tool_use", id="t", name="f", input={})

    assert not Read(START, PING, opened(0, type="text", text="")).stream.has_content
    assert not Read(START, said("")).stream.has_content
    assert Read(START, said("a")).stream.has_content
    assert Read(
        START, delta(0, type="thinking_delta", thinking="hm")
    ).stream.has_content
    assert Read(START, call).stream.has_content


def test_what_completes() -> None:
    """A stop reason or the stop event; the end of the bytes does not."""
    assert not Read(START, said("a"), closed(0)).stream.is_complete
    assert Read(START, said("a"), ended()).stream.is_complete
    assert Read(START, said("a"), STOP).stream.is_complete
    assert Read(START, said("a"), STOP).finish_reasons == ["stop"]


def test_an_answer_of_nothing_is_whole_and_has_no_content() -> None:
    """Claude may have nothing to add: an end alone is no content."""
    read = Read(START, ended(), STOP)

    assert read.stream.is_complete
    assert not read.stream.has_content
    assert read.finish_reasons == ["stop"]


def test_nothing_is_said_after_the_end() -> None:
    """A late event would make a client read past its finish reason."""
    read = Read(START, said("a"), ended(), said("b"), opened(1, type="text", text="c"))

    assert read.texts("content") == ["a"]


def test_calls_are_counted_from_zero() -> None:
    """Blocks of other kinds stand between them."""
    read = Read(
        START,
        opened(0, type="text", text=""),
        opened(1, type="tool_use", id="a", name="f", input={}),
        delta(1, type="input_json_delta", partial_json='{"x":'),
        delta(1, type="input_json_delta", partial_json="1}"),
        closed(1),
        opened(2, type="server_tool_use", id="s", name="web_search", input={}),
        delta(2, type="input_json_delta", partial_json='{"query":"q"}'),
        closed(2),
        opened(3, type="tool_use", id="b", name="g", input={}),
        closed(3),
        ended("tool_use"),
        STOP,
    )

    assert [call["index"] for call in read.calls] == [0, 0, 0, 1, 1]
    assert "".join(
        call["function"]["arguments"] for call in read.calls if call["index"] == 0
    ) == ('{"x":1}')
    assert read.calls[-1]["function"] == {"arguments": "{}"}
    assert read.finish_reasons == ["tool_calls"]


def test_arguments_that_come_at_once_are_passed_on() -> None:
    """Some who speak the format open the block with its whole input."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}

    read = Read(START, opened(0, **block), closed(0), ended("tool_use"))

    assert read.calls[-1]["function"]["arguments"] == '{"a":1}'


def test_a_call_that_is_never_closed_has_arguments() -> None:
    """An SDK parses them: nothing is no JSON."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}

    read = Read(START, opened(0, **block), ended("tool_use"))

    assert read.calls[-1]["function"]["arguments"] == "{}"


def test_the_input_of_the_json_tool_is_the_text() -> None:
    """The caller asked for JSON and never sees the tool."""
    read = Read(
        START,
        opened(0, type="tool_use", id="t", name=JSON_TOOL, input={}),
        delta(0, type="input_json_delta", partial_json='{"age": '),
        delta(0, type="input_json_delta", partial_json="36}"),
        closed(0),
        ended("tool_use"),
        STOP,
    )

    assert "".join(read.texts("content")) == '{"age": 36}'
    assert read.calls == []
    assert read.finish_reasons == ["stop"]


def test_a_refusal_is_told() -> None:
    """It is content: what was asked has been answered."""
    details = {"type": "refusal", "explanation": "Not this."}

    read = Read(START, ended("refusal", stop_details=details), STOP)

    assert read.texts("refusal") == ["Not this."]
    assert read.finish_reasons == ["content_filter"]
    assert read.stream.has_content


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("overloaded_error", Outcome.SERVER_ERROR),
        ("api_error", Outcome.SERVER_ERROR),
        ("rate_limit_error", Outcome.RATE_LIMITED),
    ],
)
def test_an_error_event_is_a_failure(kind: str, outcome: Outcome) -> None:
    """Nothing after it counts, and nothing makes the answer whole."""
    read = Read(START, said("a"), failed(kind), said("b"), ended(), STOP)

    assert read.stream.failure is not None
    assert read.stream.failure.outcome is outcome
    assert read.texts("content") == ["a"]
    assert not read.stream.is_complete
    assert read.stream.feed(wire(said("c"))) == b""


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"error": {"message": "no"}}\n\n',
        b'error: {"message": "no"}\n\n',
        b'{"type":"error","error":{"type":"api_error","message":"no"}}',
        b"data: not JSON\n\n",
        b"data: [1]\n\n",
        b'data: {"type": "\xff"}\n\n',
    ],
)
def test_what_is_no_event_is_a_failure(raw: bytes) -> None:
    """Errors come in other shapes than Anthropic's."""
    stream = AnthropicMessages().decode_stream(CONTEXT)

    stream.feed(raw)
    stream.finish()

    assert stream.failure is not None


def test_unknown_events_are_passed_over() -> None:
    """Anthropic adds kinds of events, blocks and deltas as it goes."""
    read = Read(
        START,
        {"type": "invented"},
        opened(0, type="invented"),
        delta(0, type="invented_delta", text="x"),
        delta(7, type="input_json_delta", partial_json="{}"),
        closed(9),
        said("a", 1),
        ended(),
    )

    assert read.texts("content") == ["a"]
    assert read.stream.failure is None


@pytest.mark.parametrize("field", ["message", "delta", "content_block", "usage"])
@pytest.mark.parametrize("value", [None, "x", 5, [1], {"type": [], "usage": 5}])
def test_events_of_the_wrong_shape_break_nothing(field: str, value: object) -> None:
    """A provider's mistake is at most a missing piece."""
    events = (START, opened(0), said(""), closed(0), STOP)

    read = Read(*({**one, field: value, "index": [value]} for one in events))

    assert read.stream.is_complete


def test_usage_is_set_and_never_added() -> None:
    """What comes last wins, field by field; a field left out stays as it was."""
    start = {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "usage": {
                "input_tokens": 43,
                "cache_read_input_tokens": 100,
                "output_tokens": 1,
            },
        },
    }
    end = ended()
    end["usage"] = {
        "input_tokens": 61,
        "cache_read_input_tokens": None,
        "output_tokens": 2,
    }

    assert Read(start).stream.usage == Usage(143, 1, 100)
    assert Read(start, start, said("a"), end).stream.usage == Usage(161, 2, 100)


def test_without_usage_there_is_no_usage_chunk() -> None:
    """None is written that the provider did not report."""
    read = Read(said("a"), STOP)

    assert read.stream.usage_event(5) == b""
    assert read.chunks[0]["id"] == "chatcmpl-held"


def test_the_usage_chunk_says_what_it_is_told_to() -> None:
    """The whole request's cost, which only the executor knows."""
    events = Read(START, said("a"), ended()).stream.usage_event(1_500)

    [last] = data_of(events)
    ChatCompletionChunk.model_validate_json(last)
    assert json.loads(last)["usage"]["cost"] == 0.0000015
