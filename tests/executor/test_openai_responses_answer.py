"""What a caller reads of a Response, whole."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from fakes.every_dialect import deployment_of
from holdfast.model import Outcome
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.openai_responses import OpenAIResponses
from holdfast_executor.dialects.openai_responses_items import issuer_of

PLACE = deployment_of("openai-responses")
HERE = issuer_of(PLACE)
CONTEXT = AnswerContext("m", "chatcmpl-held", 1, deployment=PLACE)
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "gAAAA",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "f",
    "arguments": "{}",
}
CUSTOM = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "c2",
    "name": "c",
    "input": "x",
}


def message(text: str, *annotations: Any, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": list(annotations)}
    return {"type": "message", "role": "assistant", "content": [part], **more}


def response(*output: dict[str, Any], **more: Any) -> bytes:
    whole = {"id": "resp_1", "status": "completed", "output": list(output), **more}
    return json.dumps(whole).encode()


def read(body: bytes) -> Decoded | ProviderError:
    return OpenAIResponses().decode(body, CONTEXT)


def told(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = read(response(*output, **more))
    assert isinstance(answer, Decoded)
    whole: dict[str, Any] = json.loads(answer.body)
    ChatCompletion.model_validate(whole)
    return whole


def test_thoughts_come_with_the_mark_of_their_issuer() -> None:
    """What is shown of them as such, the rest for whoever can read it."""
    answer = told(THOUGHT, message("Hi"))

    said = answer["choices"][0]["message"]
    assert said["reasoning_content"] == "Hm."
    assert said["content"] == "Hi"
    assert said["extra_content"] == {"openai": {"items": [{**THOUGHT, "issuer": HERE}]}}


def test_the_order_of_items_is_kept_where_a_chat_has_another() -> None:
    """And what is handed back comes to the same items again."""
    second = {**THOUGHT, "id": "rs_2", "summary": []}
    output = [THOUGHT, message("First. "), CALL, second, message("Then."), SEARCH]

    said = told(*output)["choices"][0]["message"]

    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, said]}
    body = OpenAIResponses().encode(Chat.parse(json.dumps(asked).encode()), PLACE).body
    items = json.loads(body)["input"][1:]
    assert said["content"] == "First. Then."
    assert [item.get("type", item.get("content")) for item in items] == [
        "reasoning",
        "First. ",
        "function_call",
        "reasoning",
        "Then.",
        "web_search_call",
    ]


def test_an_answer_without_thoughts_bears_nothing_more() -> None:
    """A chat says all there is."""
    said = told(message("Hi"), CALL)["choices"][0]["message"]

    assert said == {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
            }
        ],
    }


def test_a_custom_tool_is_called_as_one() -> None:
    """With the text that it takes."""
    choice = told(CUSTOM)["choices"][0]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"] == [
        {"id": "c2", "type": "custom", "custom": {"name": "c", "input": "x"}}
    ]


def test_citations_are_counted_through_the_whole_answer() -> None:
    """Those that a chat has no word for stand apart."""
    cited = {
        "type": "url_citation",
        "start_index": 1,
        "end_index": 3,
        "title": "T",
        "url": "https://a.example",
    }
    other = {"type": "container_file_citation", "file_id": "f"}

    said = told(message("Well. "), message("So it is.", cited, other))

    written = said["choices"][0]["message"]
    assert written["annotations"][0]["url_citation"]["start_index"] == 7
    assert written["extra_content"]["openai"]["items"] == [
        {"type": "message", "characters": 6},
        {"type": "message", "characters": 9, "annotations": [other]},
    ]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter")],
)
def test_an_answer_that_is_cut_short_says_so(reason: str, finish: str) -> None:
    """And is an answer all the same."""
    details = {"reason": reason}

    answer = told(message("Hi"), status="incomplete", incomplete_details=details)

    assert answer["choices"][0]["finish_reason"] == finish


def test_tokens_are_counted_as_a_chat_has_them() -> None:
    """Those from the cache and those thought with are details."""
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 15},
        "total_tokens": 120,
    }

    answer = told(message("Hi"), usage=usage, service_tier="flex")

    assert answer["service_tier"] == "flex"
    assert answer["usage"] == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 15},
    }


def test_probabilities_are_a_chats() -> None:
    """Token by token."""
    token = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
    said = message("Hi")
    said["content"][0]["logprobs"] = [token]

    assert told(said)["choices"][0]["logprobs"] == {"content": [token], "refusal": None}


@pytest.mark.parametrize(
    ("output", "refuses", "is_empty"),
    [
        ([message("Hi")], False, False),
        (
            [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}],
            True,
            False,
        ),
        ([], False, True),
        ([THOUGHT | {"summary": []}], False, True),
        ([SEARCH], False, False),
        ([CALL], False, False),
    ],
)
def test_refusals_and_empty_answers_are_known(
    output: list[dict[str, Any]], refuses: bool, is_empty: bool
) -> None:
    """Thoughts that nobody sees are no answer; what a tool did is."""
    answer = read(response(*output))

    assert isinstance(answer, Decoded)
    assert answer.is_refusal is refuses
    assert answer.says_nothing is is_empty


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (response(status="failed", error={"code": "server_error", "message": "x"}), 5),
        (
            response(
                status="failed", error={"code": "rate_limit_exceeded", "message": "x"}
            ),
            429,
        ),
        (response(message("Hi"), status="in_progress"), 5),
        (response(message("Hi"), status="incomplete"), 5),
        (b'{"status":"completed"}', 5),
        (b"[]", 5),
        (b"<html>", 5),
    ],
)
def test_what_is_no_answer_is_a_failure(body: bytes, outcome: int) -> None:
    """A success in name alone is none."""
    failure = read(body)

    assert isinstance(failure, ProviderError)
    expected = Outcome.RATE_LIMITED if outcome == 429 else Outcome.SERVER_ERROR
    assert failure.outcome is expected


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("model_not_found", Outcome.UNUSABLE),
        ("invalid_encrypted_content", Outcome.CAPABILITY_MISSING),
        ("context_length_exceeded", Outcome.TOO_LONG),
        ("unsupported_parameter", Outcome.CAPABILITY_MISSING),
    ],
)
def test_a_refused_request_leads_on(code: str, outcome: Outcome) -> None:
    """Responses answers 400 to a model that it does not know, too."""
    error = {"error": {"message": "No.", "type": "invalid_request_error", "code": code}}

    failure = OpenAIResponses().decode_error(400, {}, json.dumps(error).encode())

    assert failure.outcome is outcome
