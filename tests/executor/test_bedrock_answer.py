"""What a caller sees of Bedrock's answers."""

import base64
import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from holdfast.model import Outcome, Pricing, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.anthropic_structure import JSON_TOOL
from holdfast_executor.dialects.bedrock_converse import BedrockConverse

CONTEXT = AnswerContext(
    model="claude-sonnet-4-5",
    answer_id="chatcmpl-held",
    created=1_700_000_000,
    pricing=Pricing(3_000_000, 15_000_000, 300_000, 3_750_000),
)
HELLO = {"text": "Hello"}
USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}


def answer(*blocks: Any, **fields: Any) -> bytes:
    message = {"role": "assistant", "content": list(blocks)}
    whole = {
        "output": {"message": message},
        "stopReason": "end_turn",
        "usage": USAGE,
        "metrics": {"latencyMs": 800},
        **fields,
    }
    return json.dumps(whole).encode()


def decoded(body: bytes, context: AnswerContext = CONTEXT) -> Decoded:
    read = BedrockConverse().decode(body, context)
    assert isinstance(read, Decoded)
    ChatCompletion.model_validate_json(read.body)
    return read


def choice(body: bytes, context: AnswerContext = CONTEXT) -> Any:
    return json.loads(decoded(body, context).body)["choices"][0]


def use(name: str = "weather", **fields: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": "t1", "name": name, "input": {}, **fields}}


def test_all_text_is_the_answer() -> None:
    """However many blocks it comes in, those with citations too."""
    cited = {"citationsContent": {"content": [{"text": "there"}], "citations": []}}

    read = choice(answer(HELLO, {"text": " "}, cited))

    assert read["message"]["content"] == "Hello there"
    assert read["finish_reason"] == "stop"


def test_the_id_is_the_attempts_own() -> None:
    """Bedrock's body has none."""
    assert json.loads(decoded(answer(HELLO)).body)["id"] == "chatcmpl-held"


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("invented_tomorrow", "stop"),
    ],
)
def test_why_an_answer_ended(stop_reason: str, finish_reason: str) -> None:
    """In OpenAI's words."""
    read = choice(answer(HELLO, stopReason=stop_reason))

    assert read["finish_reason"] == finish_reason


def test_what_a_guardrail_put_in_place_is_the_answer() -> None:
    """And no refusal: another deployment would dodge the guardrail."""
    read = decoded(answer({"text": "{NAME}"}, stopReason="guardrail_intervened"))

    assert not read.is_refusal
    message = json.loads(read.body)["choices"][0]["message"]
    assert message["content"] == "{NAME}"
    assert message["refusal"] is None


def test_filtered_content_is_a_refusal() -> None:
    """Which a project may want another deployment asked for."""
    assert decoded(answer(stopReason="content_filtered")).is_refusal


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_malformed_output_is_worth_another_try(reason: str) -> None:
    """The model's fault, not the deployment's."""
    failure = BedrockConverse().decode(answer(HELLO, stopReason=reason), CONTEXT)

    assert isinstance(failure, ProviderError)
    assert failure.outcome is Outcome.PARSE_FAILED
    assert failure.code == reason


def test_calls_of_the_callers_tools() -> None:
    """Arguments are JSON; a tool that AWS runs itself is no call."""
    server = use("nova_grounding", type="server_tool_use")
    result = {"toolResult": {"toolUseId": "t0", "content": []}}

    called = choice(
        answer(server, result, use(input={"a": [1]}), stopReason="tool_use")
    )
    searched = choice(answer(server, result, HELLO))

    assert called["finish_reason"] == "tool_calls"
    assert called["message"]["content"] is None
    assert called["message"]["tool_calls"] == [
        {
            "id": "t1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"a":[1]}'},
        }
    ]
    assert "tool_calls" not in searched["message"]


def test_the_input_of_the_json_tool_is_the_answer() -> None:
    """The caller asked for JSON, not for a call."""
    read = choice(answer(use(JSON_TOOL, input={"age": 3}), stopReason="tool_use"))

    assert read["message"]["content"] == '{"age":3}'
    assert read["finish_reason"] == "stop"


def test_signed_thinking_can_be_handed_back() -> None:
    """Its signature and issuer are kept; redacted thinking is Anthropic's text."""
    opaque = base64.b64encode(b"b3BhcXVl").decode()
    read = choice(
        answer(
            {"reasoningContent": {"reasoningText": {"text": "2", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": opaque}},
            HELLO,
        )
    )

    assert read["message"]["reasoning_content"] == "2"
    assert read["message"]["thinking_blocks"] == [
        {"type": "thinking", "thinking": "2", "signature": "s", "issuer": "anthropic"},
        {"type": "redacted_thinking", "data": "b3BhcXVl", "issuer": "anthropic"},
    ]


@pytest.mark.parametrize(
    "reasoning",
    [{"reasoningText": {"text": "hm"}}, {"redactedContent": "not base64!"}],
)
def test_thinking_that_nobody_can_verify_is_not_kept(reasoning) -> None:
    """Open weights sign nothing."""
    read = choice(answer({"reasoningContent": reasoning}, HELLO))

    assert "thinking_blocks" not in read["message"]


def test_usage_counts_the_cache_in() -> None:
    """Bedrock's input is what has nothing to do with it; second names count once."""
    usage = {
        "inputTokens": 3,
        "outputTokens": 121,
        "totalTokens": 2072,
        "cacheReadInputTokens": 1712,
        "cacheReadInputTokenCount": 1712,
        "cacheWriteInputTokens": 236,
        "cacheWriteInputTokenCount": 236,
        "serverToolUsage": {},
    }

    read = decoded(answer(HELLO, usage=usage))

    assert read.usage == Usage(1951, 121, 1712, 236)
    assert read.cost_usd_nanos == 3 * 3000 + 121 * 15000 + 1712 * 300 + 236 * 3750


def test_an_answer_without_usage_is_one() -> None:
    """Its cost is unknown, then."""
    read = decoded(answer(HELLO, usage=None))

    assert read.usage is None
    assert read.cost_usd_nanos is None


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (
            {
                "Output": {
                    "__type": "com.amazon.coral.service#UnknownOperationException"
                }
            },
            Outcome.UNUSABLE,
        ),
        ({"__type": "ThrottlingException", "message": "slow"}, Outcome.RATE_LIMITED),
        ({"message": "Input is too long for requested model."}, Outcome.TOO_LONG),
        ({"output": None}, Outcome.SERVER_ERROR),
        ({"output": {"message": {}}}, Outcome.SERVER_ERROR),
    ],
)
def test_a_success_without_an_answer_is_a_failure(body, outcome) -> None:
    """What AWS says in its place is read as if it had a status."""
    failure = BedrockConverse().decode(json.dumps(body).encode(), CONTEXT)

    assert isinstance(failure, ProviderError)
    assert failure.outcome is outcome
    assert failure.http_status == 200
