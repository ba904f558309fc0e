"""What a caller sees of the answers of OpenAI-compatible providers."""

import json
from typing import Any

import pytest
from hypothesis import given
from openai.types.chat import ChatCompletion

from fakes.openai_answers import WHOLES
from holdfast.model import Outcome, Pricing, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.openai_chat import OpenAIChat

DIALECT = OpenAIChat()
CONTEXT = AnswerContext(
    model="m",
    answer_id="chatcmpl-ours",
    created=1_700_000_000,
    pricing=Pricing(3_000_000, 15_000_000, 300_000, 3_750_000),
    earlier_cost_usd_nanos=500,
)


def answer(**changes: Any) -> dict[str, Any]:
    whole = {
        "id": "chatcmpl-theirs",
        "object": "chat.completion",
        "created": 1_772_000_000,
        "model": "up-stream-1-2026-01-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Grüezi", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    return {k: v for k, v in {**whole, **changes}.items() if v is not ...}


def with_choice(**changes: Any) -> dict[str, Any]:
    choice = {**answer()["choices"][0], **changes}
    return answer(choices=[{k: v for k, v in choice.items() if v is not ...}])


def with_message(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hi", **changes}
    return with_choice(message={k: v for k, v in message.items() if v is not ...})


def decoded(whole: Any, context: AnswerContext = CONTEXT) -> Decoded:
    result = DIALECT.decode(json.dumps(whole, ensure_ascii=False).encode(), context)
    assert isinstance(result, Decoded)
    ChatCompletion.model_validate(json.loads(result.body))
    return result


def failed(body: bytes) -> ProviderError:
    result = DIALECT.decode(body, CONTEXT)
    assert isinstance(result, ProviderError)
    return result


def test_an_answer_keeps_all_but_the_models_name_and_gains_the_cost() -> None:
    """What the provider wrote is what the caller reads."""
    theirs = answer(x_unheard_of={"a": 1.0}, system_fingerprint="fp")

    result = decoded(theirs)

    # 10 tokens at 3 USD and 5 at 15 USD a million, and 500 nanos before.
    usage = {**theirs["usage"], "cost": 0.0001055}
    assert json.loads(result.body) == {**theirs, "model": "m", "usage": usage}
    assert result.usage == Usage(input_tokens=10, output_tokens=5)
    assert result.cost_usd_nanos == 105_000


def test_numbers_and_escapes_of_an_answer_stay_as_written() -> None:
    """A fitting answer is not parsed to the end."""
    body = json.dumps(answer(x=...)).encode()[:-1] + b',"x":[1.0,1e3,"\\u00e9\\/"]}'

    result = DIALECT.decode(body, CONTEXT)

    assert isinstance(result, Decoded)
    assert b'"x":[1.0,1e3,"\\u00e9\\/"]' in result.body


@pytest.mark.parametrize("pricing", [None, CONTEXT.pricing])
@pytest.mark.parametrize("usage", [..., None, {}, {"prompt_tokens": None}])
def test_without_usage_there_is_no_cost(usage: Any, pricing: Pricing | None) -> None:
    """Nothing is made up."""
    result = decoded(answer(usage=usage), AnswerContext("m", "id", 1, pricing))

    assert "usage" not in json.loads(result.body)
    assert result.usage is None
    assert result.cost_usd_nanos is None


def test_without_a_price_there_is_usage_and_no_cost() -> None:
    """An unknown price is not zero."""
    result = decoded(answer(), AnswerContext("m", "id", 1))

    assert json.loads(result.body)["usage"] == answer()["usage"]
    assert result.usage == Usage(10, 5)
    assert result.cost_usd_nanos is None


@pytest.mark.parametrize(
    ("members", "usage"),
    [
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(10, 5, 4, 2, 3),
            id="openai-and-openrouter",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_cache_hit_tokens": 8,
                "prompt_cache_miss_tokens": 2,
            },
            Usage(10, 5, 8),
            id="deepseek",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(10, 12, 0, 0, 7),
            id="reasoning-beside-completion-as-xai-counts",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 9,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(10, 12, 0, 0, 3),
            id="little-reasoning-beside-completion",
        ),
        pytest.param(
            {"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
            Usage(35, 74, 0, 0, 62),
            id="reasoning-in-the-total-alone-as-gemini-counts",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 2,
                "total_tokens": 12,
                "completion_tokens_details": {"reasoning_tokens": 25},
            },
            Usage(10, 27, 0, 0, 25),
            id="more-reasoning-than-completion-as-vercel-counts",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 20,
            },
            Usage(130, 5, 100, 20),
            id="cache-beside-the-prompt",
        ),
        pytest.param(
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 161, "text_tokens": 10},
            },
            Usage(10, 5, 10),
            id="more-cached-than-sent-as-grok-on-azure-counts",
        ),
        pytest.param(
            {"prompt_tokens": 10, "completion_tokens": None, "total_tokens": None},
            Usage(10, 0),
            id="nulls",
        ),
        pytest.param(
            {
                "prompt_tokens": 10.0,
                "completion_tokens": "5",
                "prompt_tokens_details": [],
                "completion_tokens_details": {"reasoning_tokens": "many"},
            },
            Usage(10, 0),
            id="wrong-types",
        ),
    ],
)
def test_usage_is_read_as_each_provider_counts(
    members: dict[str, Any], usage: Usage
) -> None:
    """All input is in `input_tokens`, all output in `output_tokens`."""
    assert decoded(answer(usage=members)).usage == usage


@pytest.mark.parametrize(
    ("theirs", "place", "expected"),
    [
        (answer(id=...), ("id",), "chatcmpl-ours"),
        (answer(id=""), ("id",), "chatcmpl-ours"),
        (answer(id=7), ("id",), "chatcmpl-ours"),
        (answer(object="chat.completion.done"), ("object",), "chat.completion"),
        (answer(object=...), ("object",), "chat.completion"),
        (answer(created=...), ("created",), 1_700_000_000),
        (answer(created=1.5e9), ("created",), 1_500_000_000),
        (answer(system_fingerprint=7), ("system_fingerprint",), None),
        (answer(service_tier="on_demand"), ("service_tier",), None),
        (answer(service_tier="flex"), ("service_tier",), "flex"),
        (with_choice(index=...), ("choices", 0, "index"), 0),
        (with_choice(finish_reason="eos"), ("choices", 0, "finish_reason"), "stop"),
        (with_choice(finish_reason=""), ("choices", 0, "finish_reason"), "stop"),
        (with_choice(finish_reason=None), ("choices", 0, "finish_reason"), "stop"),
        (with_choice(finish_reason=[1]), ("choices", 0, "finish_reason"), "stop"),
        (
            with_choice(finish_reason="model_length"),
            ("choices", 0, "finish_reason"),
            "length",
        ),
        (
            with_choice(finish_reason=..., finish_details={"type": "max_tokens"}),
            ("choices", 0, "finish_reason"),
            "length",
        ),
        (with_choice(logprobs={"tokens": []}), ("choices", 0, "finish_reason"), "stop"),
        (with_choice(logprobs=[]), ("choices", 0, "logprobs"), None),
        (with_message(role=...), ("choices", 0, "message", "role"), "assistant"),
        (with_message(role="model"), ("choices", 0, "message", "role"), "assistant"),
        (
            with_message(content={"a": 1}),
            ("choices", 0, "message", "content"),
            '{"a":1}',
        ),
        (
            with_message(annotations=[{}]),
            ("choices", 0, "message", "annotations"),
            None,
        ),
        (with_message(tool_calls={}), ("choices", 0, "message", "tool_calls"), None),
    ],
)
def test_strays_are_mended(theirs: Any, place: tuple[Any, ...], expected: Any) -> None:
    """What the SDK would refuse is put right, or left out where it is optional."""
    found: Any = json.loads(decoded(theirs).body)
    for step in place:
        found = found.get(step) if isinstance(found, dict) else found[step]

    assert found == expected


def test_content_in_parts_becomes_text_and_reasoning() -> None:
    """Mistral writes its thoughts into the content."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "Four"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "."},
    ]

    message = json.loads(decoded(with_message(content=parts)).body)["choices"][0]

    assert message["message"]["content"] == "Four."
    assert message["message"]["reasoning_content"] == "hm"


def test_calls_of_tools_are_made_whole() -> None:
    """Type, id and arguments as text, for every call."""
    calls = [
        {"function": {"name": "f", "arguments": "{}"}, "index": 0},
        {"id": "", "type": None, "function": {"name": "g", "arguments": {"a": 1}}},
        {"id": "c3", "type": "custom", "custom": {"name": "h", "input": "x"}},
        "nonsense",
    ]
    theirs = with_choice(
        message={"role": "assistant", "tool_calls": calls}, finish_reason=""
    )

    choice = json.loads(decoded(theirs).body)["choices"][0]

    first, second, third = choice["message"]["tool_calls"]
    assert (first["type"], first["index"]) == ("function", 0)
    assert second["function"] == {"name": "g", "arguments": '{"a":1}'}
    assert third == calls[2]
    assert first["id"].startswith("call_")
    assert first["id"] != second["id"]
    assert choice["finish_reason"] == "tool_calls"


def test_a_stop_with_calls_of_tools_stays_a_stop() -> None:
    """OpenAI answers so where a function was named in `tool_choice`."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    theirs = with_message(content=None, tool_calls=[call])

    assert json.loads(decoded(theirs).body)["choices"] == theirs["choices"]


def test_an_answer_that_says_nothing_is_an_answer() -> None:
    """Whether it is asked again is not for a wire format to decide."""
    theirs = with_message(content="")

    assert json.loads(decoded(theirs).body)["choices"] == theirs["choices"]


def test_a_choice_without_a_message_beside_one_with_gets_an_empty_one() -> None:
    """A filter may take one of several."""
    filtered = {"index": 1, "finish_reason": "content_filter"}
    theirs = answer(choices=[*answer()["choices"], filtered])

    choices = json.loads(decoded(theirs).body)["choices"]

    assert choices[1]["message"] == {"role": "assistant", "content": None}
    assert choices[1]["finish_reason"] == "content_filter"


def test_an_error_that_is_null_is_none() -> None:
    """Some providers write the member always."""
    assert "error" not in json.loads(decoded(answer(error=None)).body)


def test_bytes_that_are_no_utf8_do_not_reach_the_caller() -> None:
    """They would break the caller's parser."""
    body = json.dumps(answer(x="?")).encode().replace(b'"?"', b'"\xff"')

    result = DIALECT.decode(body, CONTEXT)

    assert isinstance(result, Decoded)
    assert json.loads(result.body)["x"] == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"", Outcome.SERVER_ERROR),
        (b"{", Outcome.SERVER_ERROR),
        (b"null", Outcome.SERVER_ERROR),
        (b"[]", Outcome.SERVER_ERROR),
        (b"<html><title>Maintenance</title></html>", Outcome.SERVER_ERROR),
        (b"{}", Outcome.SERVER_ERROR),
        (b'{"choices":[]}', Outcome.SERVER_ERROR),
        (b'{"choices":null}', Outcome.SERVER_ERROR),
        (b'{"choices":[{"index":0,"finish_reason":"stop"}]}', Outcome.SERVER_ERROR),
        (b'{"choices":["x"]}', Outcome.SERVER_ERROR),
        (b'{"error":{"message":"slow","code":429}}', Outcome.RATE_LIMITED),
        (b'{"error":"boom"}', Outcome.SERVER_ERROR),
        (b'{"detail":"Invalid API key"}', Outcome.UNUSABLE),
        (b'[{"error":{"code":400,"message":"m"}}]', Outcome.REJECTED),
        (b"[" * 100_000, Outcome.SERVER_ERROR),
        (
            b'{"choices":[{"index":0,"finish_reason":"content_filter"}]}',
            Outcome.FILTERED,
        ),
        (json.dumps(with_choice(finish_reason="error")).encode(), Outcome.SERVER_ERROR),
        (
            json.dumps(
                with_choice(finish_reason="error", error={"message": "x", "code": 429})
            ).encode(),
            Outcome.RATE_LIMITED,
        ),
    ],
)
def test_a_success_without_an_answer_is_a_failure(
    body: bytes, outcome: Outcome
) -> None:
    """Status 200 alone proves nothing."""
    failure = failed(body)

    assert failure.outcome is outcome
    assert failure.http_status == 200


@given(whole=WHOLES)
def test_any_answer_is_mended_or_refused(whole: Any) -> None:
    """Whatever JSON a provider sends, the SDK can read what comes of it."""
    result = DIALECT.decode(json.dumps(whole).encode(), CONTEXT)

    if isinstance(result, Decoded):
        ChatCompletion.model_validate(json.loads(result.body))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a\\ud83d", "a\ufffd"),
        ("\\uDE00 b", "\ufffd b"),
        ("\\ud83d\\n", "\ufffd\n"),
        ("\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
        ("\\\\ud83d", "\\ud83d"),
    ],
    ids=["high", "low", "before-escape", "before-pair", "words"],
)
def test_half_a_character_does_not_spoil_an_answer(written: str, read: str) -> None:
    """A limit of tokens may cut one in two; the rest is the answer all the same."""
    body = json.dumps(with_message(content="?")).replace('"?"', f'"{written}"')

    decoded = DIALECT.decode(body.encode(), CONTEXT)

    assert isinstance(decoded, Decoded)
    assert json.loads(decoded.body)["choices"][0]["message"]["content"] == read
