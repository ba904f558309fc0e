"""What a caller sees of Anthropic's answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from holdfast.model import Outcome, Pricing, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.dialects.anthropic_structure import JSON_TOOL

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(
    path.parent.name for path in GOLDEN.glob("*/anthropic-messages.response.json")
)
CONTEXT = AnswerContext(
    model="claude-sonnet-4-5",
    answer_id="chatcmpl-held",
    created=1_700_000_000,
    pricing=Pricing(3_000_000, 15_000_000, 300_000, 3_750_000),
)
HELLO = {"type": "text", "text": "Hello"}
USAGE = {"input_tokens": 10, "output_tokens": 5}


def message(*blocks: Any, **fields: Any) -> bytes:
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "usage": USAGE,
        **fields,
    }
    return json.dumps(answer).encode()


def decoded(body: bytes, context: AnswerContext = CONTEXT) -> Decoded:
    answer = AnthropicMessages().decode(body, context)
    assert isinstance(answer, Decoded)
    ChatCompletion.model_validate_json(answer.body)
    return answer


def choice(body: bytes) -> Any:
    return json.loads(decoded(body).body)["choices"][0]


@pytest.mark.parametrize("case", CASES)
def test_golden_answers(case: str) -> None:
    """An answer reads as the file beside it says."""
    answer = decoded((GOLDEN / case / "anthropic-messages.response.json").read_bytes())

    expected = (GOLDEN / case / "anthropic-messages.completion.json").read_text()
    assert json.loads(answer.body) == json.loads(expected)


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "stop"),
        ("invented_tomorrow", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons(stop_reason: str | None, finish_reason: str) -> None:
    """OpenAI's SDK knows five; a call of tools without calls is none of them."""
    assert choice(message(HELLO, stop_reason=stop_reason))["finish_reason"] == (
        finish_reason
    )


def test_calls_are_the_reason_where_there_are_calls() -> None:
    """Whether or not the provider says so."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1, "å"]}}

    for stop_reason in ("tool_use", None):
        answer = choice(message(block, stop_reason=stop_reason))

        assert answer["finish_reason"] == "tool_calls"
        assert answer["message"]["content"] is None
        assert answer["message"]["tool_calls"] == [
            {
                "id": "t",
                "type": "function",
                "function": {"name": "f", "arguments": '{"a":[1,"å"]}'},
            }
        ]


def test_the_input_of_the_json_tool_is_the_answer() -> None:
    """The caller asked for JSON and never sees the tool."""
    block = {"type": "tool_use", "id": "t", "name": JSON_TOOL, "input": {"age": 36}}

    answer = choice(message(block, stop_reason="tool_use"))

    assert answer["message"]["content"] == '{"age":36}'
    assert answer["finish_reason"] == "stop"
    assert "tool_calls" not in answer["message"]


def test_a_refusal_is_told() -> None:
    """In the provider's words where it gave any."""
    told = {"type": "refusal", "explanation": "Not this."}

    with_words = choice(message(stop_reason="refusal", stop_details=told))
    without = choice(message(stop_reason="refusal"))

    assert with_words["message"]["refusal"] == "Not this."
    assert without["message"]["refusal"]


def test_an_answer_of_nothing_is_an_answer() -> None:
    """Claude may have nothing to add."""
    answer = choice(message())

    assert answer["message"]["content"] == ""
    assert answer["finish_reason"] == "stop"


def test_work_on_the_providers_side_is_passed_over() -> None:
    """Searches and their results are no call of the caller's tools."""
    answer = choice(
        message(
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "mcp_tool_use", "id": "m", "name": "x", "input": {}},
            {"type": "invented_tomorrow", "text": "not this"},
            HELLO,
        )
    )

    assert answer["message"]["content"] == "Hello"
    assert answer["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (
            {
                "input_tokens": 3,
                "cache_read_input_tokens": 2000,
                "cache_creation_input_tokens": 40,
                "output_tokens": 7,
                "output_tokens_details": {"thinking_tokens": 5},
            },
            Usage(2043, 7, 2000, 40, 5),
        ),
        ({"input_tokens": 3, "cache_read_input_tokens": None}, Usage(3)),
        ({}, None),
        (None, None),
        ({"input_tokens": "3", "output_tokens": 1}, Usage(0, 1)),
    ],
)
def test_usage_counts_what_is_cached_as_input(
    reported: object, usage: Usage | None
) -> None:
    """Anthropic leaves it out of `input_tokens`, OpenAI does not."""
    assert decoded(message(HELLO, usage=reported)).usage == usage


def test_cost_includes_what_failed_before() -> None:
    """The attempt's own is told apart from the request's."""
    context = AnswerContext("m", "i", 1, CONTEXT.pricing, earlier_cost_usd_nanos=1000)

    answer = decoded(message(HELLO), context)

    assert answer.cost_usd_nanos == 10 * 3000 + 5 * 15_000
    assert json.loads(answer.body)["usage"]["cost"] == 0.000106


def test_an_unknown_price_is_no_cost() -> None:
    """Nothing is better than a wrong figure."""
    answer = decoded(message(HELLO), AnswerContext("m", "i", 1))

    assert answer.cost_usd_nanos is None
    assert "cost" not in json.loads(answer.body)["usage"]


def test_an_answer_without_an_id_bears_the_gateways() -> None:
    """Some who speak the format leave it out."""
    assert json.loads(decoded(message(HELLO, id=None)).body)["id"] == "chatcmpl-held"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"content":"Hello"}',
        b'{"choices":[]}',
        b'{"content":"\xff"}',
        b"[" * 5000,
    ],
)
def test_what_is_no_answer_is_the_providers_fault(body: bytes) -> None:
    """It came with a status of success, and another deployment is tried."""
    failure = AnthropicMessages().decode(body, CONTEXT)

    assert isinstance(failure, ProviderError)
    assert failure.outcome is Outcome.SERVER_ERROR


@pytest.mark.parametrize("value", [None, 5, "x", [], [5], {"a": []}])
@pytest.mark.parametrize("field", ["type", "text", "thinking", "id", "name", "input"])
def test_blocks_of_the_wrong_shape_break_nothing(field: str, value: object) -> None:
    """A provider's mistake is at most a missing piece."""
    blocks: list[dict[str, Any]] = [
        {"type": "text", "text": "a"},
        {"type": "thinking", "thinking": "b", "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    ]

    decoded(message(5, *({**block, field: value} for block in blocks)))


def test_an_error_under_a_status_of_success_is_an_error() -> None:
    """It is classed by what it says."""
    body = json.dumps(
        {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}
    )

    failure = AnthropicMessages().decode(body.encode(), CONTEXT)

    assert isinstance(failure, ProviderError)
    assert failure.outcome is Outcome.RATE_LIMITED


def test_other_statuses_are_classed() -> None:
    """529 is Anthropic's own word for too many requests by all."""
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'

    failure = AnthropicMessages().decode_error(529, {}, body)

    assert failure.outcome is Outcome.SERVER_ERROR
    assert failure.http_status == 529
