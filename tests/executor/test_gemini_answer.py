"""What a caller reads of Gemini's whole answers."""

import json
from dataclasses import replace
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from holdfast.model import Outcome, Pricing, Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.gemini_generate import Gemini

CONTEXT = AnswerContext(
    "gcp/gemini-2.5-flash-eu",
    "chatcmpl-held",
    1_700_000_000,
    Pricing(300_000, 2_500_000, 75_000, 383_000),
)
COUNTED = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}


def candidate(*parts: dict[str, Any], reason: object = "STOP", **more: Any) -> Any:
    content = {"role": "model", "parts": list(parts)}
    return {"content": content, "finishReason": reason, "index": 0, **more}


def answer(*candidates: Any, **fields: Any) -> bytes:
    whole = {"responseId": "r1", "usageMetadata": COUNTED, "candidates": candidates}
    return json.dumps({**whole, **fields}).encode()


def read(*candidates: Any, **fields: Any) -> Decoded:
    decoded = Gemini().decode(answer(*candidates, **fields), CONTEXT)
    assert isinstance(decoded, Decoded)
    ChatCompletion.model_validate_json(decoded.body)
    return decoded


def choice(*parts: dict[str, Any], **fields: Any) -> Any:
    return json.loads(read(candidate(*parts, **fields)).body)["choices"][0]


def failed(body: bytes) -> ProviderError:
    failure = Gemini().decode(body, CONTEXT)
    assert isinstance(failure, ProviderError)
    return failure


def test_an_answer_has_openais_frame() -> None:
    """The provider's id, marked as OpenAI's are, and the model that was asked for."""
    body = json.loads(read(candidate({"text": "Hi."})).body)

    assert body["id"] == "chatcmpl-r1"
    assert body["model"] == "gcp/gemini-2.5-flash-eu"
    assert body["created"] == 1_700_000_000
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


def test_an_answer_without_an_id_gets_ours() -> None:
    """Older models give none."""
    body = json.loads(read(candidate({"text": "Hi."}), responseId=None).body)

    assert body["id"] == "chatcmpl-held"


def test_parts_are_one_text_and_thoughts_another() -> None:
    """In their order."""
    message = choice(
        {"text": "Let me ", "thought": True},
        {"text": "see.", "thought": True},
        {"text": "Te"},
        {"text": "n."},
    )["message"]

    assert message["content"] == "Ten."
    assert message["reasoning_content"] == "Let me see."


def test_calls_end_an_answer_that_gemini_says_has_stopped() -> None:
    """Gemini's `STOP` says nothing of calls."""
    found = choice({"functionCall": {"name": "weather", "args": {"city": "Umeå"}}})

    assert found["finish_reason"] == "tool_calls"
    assert found["message"]["content"] is None
    (call,) = found["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["function"] == {"name": "weather", "arguments": '{"city":"Umeå"}'}


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    """Most have none. The same answer read again has the same ids."""
    parts = [{"functionCall": {"name": "a"}}, {"functionCall": {"name": "a"}}]

    first = [call["id"] for call in choice(*parts)["message"]["tool_calls"]]
    again = [call["id"] for call in choice(*parts)["message"]["tool_calls"]]
    other = json.loads(read(candidate(*parts), responseId="r2").body)
    others = [call["id"] for call in other["choices"][0]["message"]["tool_calls"]]

    assert first == again
    assert len({*first, *others}) == 4
    assert all(len(call_id) <= 40 for call_id in first)


def test_a_call_with_an_id_keeps_it() -> None:
    """The third generation gives some."""
    found = choice({"functionCall": {"id": "fc-1", "name": "a", "args": {}}})

    assert found["message"]["tool_calls"][0]["id"] == "fc-1"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    """OpenAI's callers parse it."""
    found = choice({"functionCall": {"name": "now"}})

    assert found["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_signatures_are_kept_with_their_issuer() -> None:
    """On the call or the text that they came with, without the provider's name."""
    message = choice(
        {"text": "Well.", "thoughtSignature": "dGV4dA=="},
        {"functionCall": {"name": "a"}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"name": "b"}},
    )["message"]

    issuer = "gemini-2.5-flash"
    first, second = message["tool_calls"]
    assert first["extra_content"] == {
        "google": {"thought_signature": "Y2FsbA==", "issuer": issuer}
    }
    assert "extra_content" not in second
    assert message["extra_content"] == {
        "google": {"thought_signature": "dGV4dA==", "issuer": issuer}
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        (1, "stop"),
        ("MAX_TOKENS", "length"),
        (2, "length"),
        ("SAFETY", "content_filter"),
        (3, "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("OTHER", "stop"),
        ("A_REASON_TO_COME", "stop"),
    ],
)
def test_why_an_answer_has_ended(reason: object, finish: str) -> None:
    """Each of Google's reasons is one of OpenAI's, as a word or as its number."""
    assert choice({"text": "Hi."}, reason=reason)["finish_reason"] == finish


def test_the_limit_may_be_used_up_by_thoughts() -> None:
    """An answer without a word, as recorded; the caller is told why."""
    found = json.loads(
        read({"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}).body
    )["choices"][0]

    assert found["message"]["content"] == ""
    assert found["finish_reason"] == "length"


def test_a_model_may_choose_to_say_nothing() -> None:
    """Whether that will do is for the caller to judge."""
    assert choice()["message"]["content"] == ""


@pytest.mark.parametrize(
    ("reason", "parts"),
    [
        ("MALFORMED_FUNCTION_CALL", []),
        ("MALFORMED_FUNCTION_CALL", [{"text": "I will call"}]),
        ("UNEXPECTED_TOOL_CALL", []),
        ("TOO_MANY_TOOL_CALLS", []),
        ("MISSING_THOUGHT_SIGNATURE", []),
        ("OTHER", []),
        ("OTHER", [{"text": "Hm", "thought": True}]),
        (None, []),
    ],
)
def test_what_the_model_has_botched_is_asked_for_again(
    reason: object, parts: Any
) -> None:
    """It is no answer, and says nothing against the deployment."""
    failure = failed(answer(candidate(*parts, reason=reason)))

    assert failure.outcome is Outcome.PARSE_FAILED
    assert failure.http_status == 200


def test_a_call_that_gemini_did_not_expect_is_a_call() -> None:
    """It is whole, and the caller's program knows what to do with it."""
    found = choice({"functionCall": {"name": "a"}}, reason="UNEXPECTED_TOOL_CALL")

    assert found["finish_reason"] == "tool_calls"


def test_a_filtered_answer_is_a_refusal() -> None:
    """With Google's explanation where there is one."""
    explained = read(candidate(reason="SAFETY", finishMessage="Too hot."))
    plain = read({"content": {}, "finishReason": "PROHIBITED_CONTENT"})

    assert explained.is_refusal
    message = json.loads(explained.body)["choices"][0]["message"]
    assert message["refusal"] == "Too hot."
    assert plain.is_refusal
    assert json.loads(plain.body)["choices"][0]["message"]["refusal"]


def test_a_blocked_prompt_is_a_refusal() -> None:
    """There are no candidates then."""
    feedback = {"blockReason": "SAFETY", "blockReasonMessage": "Not this."}

    decoded = read(promptFeedback=feedback)

    (found,) = json.loads(decoded.body)["choices"]
    assert decoded.is_refusal
    assert found["finish_reason"] == "content_filter"
    assert found["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": "Not this.",
    }
    assert decoded.usage == Usage(3, 2, 0, 0, 0)


def test_several_candidates_are_several_choices() -> None:
    """Numbered in their order."""
    found = json.loads(
        read(candidate({"text": "a"}), candidate({"text": "b"}, index=1)).body
    )

    assert [one["index"] for one in found["choices"]] == [0, 1]
    assert [one["message"]["content"] for one in found["choices"]] == ["a", "b"]


def test_one_refusal_among_several_answers_is_no_refusal() -> None:
    """The caller has an answer."""
    decoded = read(candidate({"text": "a"}), candidate(reason="SAFETY"))

    assert not decoded.is_refusal


def test_thoughts_and_what_tools_have_read_are_counted() -> None:
    """Neither is in the count that OpenAI's callers would look at."""
    decoded = read(
        candidate({"text": "Hi."}),
        usageMetadata={
            "promptTokenCount": 100,
            "cachedContentTokenCount": 80,
            "toolUsePromptTokenCount": 30,
            "candidatesTokenCount": 10,
            "thoughtsTokenCount": 7,
            "totalTokenCount": 147,
        },
    )

    assert decoded.usage == Usage(
        input_tokens=130,
        output_tokens=17,
        cache_read_input_tokens=80,
        cache_creation_input_tokens=0,
        reasoning_output_tokens=7,
    )
    assert json.loads(decoded.body)["usage"]["total_tokens"] == 147
    assert decoded.cost_usd_nanos == 50 * 300 + 80 * 75 + 17 * 2_500


@pytest.mark.parametrize("usage", [None, {}, {"trafficType": "ON_DEMAND"}])
def test_usage_that_counts_nothing_is_none(usage: object) -> None:
    """Nothing is made up."""
    decoded = read(candidate({"text": "Hi."}), usageMetadata=usage)

    assert decoded.usage is None
    assert "usage" not in json.loads(decoded.body)


def test_the_attempts_before_are_part_of_the_cost() -> None:
    """The caller pays for them too."""
    context = replace(CONTEXT, earlier_cost_usd_nanos=1_000_000_000)

    decoded = Gemini().decode(answer(candidate({"text": "Hi."})), context)

    assert isinstance(decoded, Decoded)
    assert json.loads(decoded.body)["usage"]["cost"] > 1


def test_probabilities_are_openais() -> None:
    """Each token with those that might have stood there."""
    chosen = [{"token": "Hé", "logProbability": -0.1, "tokenId": 7}]
    top = [{"candidates": [*chosen, {"token": "Yo", "logProbability": -3}]}]
    result = {"chosenCandidates": chosen, "topCandidates": top}

    found = choice({"text": "Hé"}, logprobsResult=result)["logprobs"]

    hi = {"token": "Hé", "logprob": -0.1, "bytes": [72, 195, 169]}
    yo = {"token": "Yo", "logprob": -3, "bytes": [89, 111]}
    assert found == {
        "content": [{**hi, "top_logprobs": [hi, yo]}],
        "refusal": None,
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"candidates":[]}', b'{"candidates":[7]}'],
)
def test_an_empty_success_is_a_failure(body: bytes) -> None:
    """Another deployment is asked."""
    assert failed(body).outcome is Outcome.SERVER_ERROR


def test_an_error_in_a_success_is_that_error() -> None:
    """What it says decides."""
    error = {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}

    failure = failed(json.dumps({"error": error}).encode())

    assert failure.outcome is Outcome.SERVER_ERROR
    assert failure.message == "Overloaded."
