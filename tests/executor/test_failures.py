"""What a provider's failure leads to, by what it says and how.

The bodies are written after the shapes that providers send, none is a recording.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import Outcome
from holdfast_executor.error_bodies import MESSAGE_CHARACTERS_MAX
from holdfast_executor.failures import classify, classify_in_band, fitted

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def outcome(status: int, body: Any, **headers: str) -> Outcome:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(status, named, sent, now=NOW).outcome


def openai(message: str, code: object = None, kind: str = "invalid_request_error"):
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str):
    return {"type": "error", "error": {"type": kind, "message": message}}


def google(code: int, status: str, message: str, *details: dict[str, Any]):
    error = {"code": code, "message": message, "status": status, "details": details}
    return {"error": error}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(
            400,
            {"message": "The provided model identifier is invalid."},
            Outcome.UNUSABLE,
            id="bedrock-model",
        ),
        pytest.param(
            400,
            {"message": "Invocation with on-demand throughput isn't supported."},
            Outcome.UNUSABLE,
            id="bedrock-profile",
        ),
        pytest.param(
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "API key not valid.",
                {"@type": "x", "reason": "API_KEY_INVALID"},
            ),
            Outcome.UNUSABLE,
            id="gemini-key",
        ),
        pytest.param(
            400,
            {"code": "Client specified an argument", "error": "Incorrect API key"},
            Outcome.UNUSABLE,
            id="xai-key",
        ),
        pytest.param(
            400,
            anthropic("invalid_request_error", "Your credit balance is too low."),
            Outcome.UNUSABLE,
            id="anthropic-credit",
        ),
        pytest.param(
            400,
            google(
                400,
                "FAILED_PRECONDITION",
                "Project is not allowed to use Publisher Model `m`.",
            ),
            Outcome.UNUSABLE,
            id="vertex-publisher",
        ),
        pytest.param(
            429,
            openai("You exceeded your quota.", "insufficient_quota"),
            Outcome.UNUSABLE,
            id="openai-quota",
        ),
        pytest.param(
            429,
            google(
                429,
                "RESOURCE_EXHAUSTED",
                "Quota exceeded for base model.",
                {"metadata": {"quota_limit_value": "0"}},
            ),
            Outcome.UNUSABLE,
            id="vertex-quota-of-zero",
        ),
        pytest.param(
            400,
            openai("Tool choice is required", "tool_use_failed"),
            Outcome.PARSE_FAILED,
            id="groq-tool-use",
        ),
        pytest.param(
            424, {"message": "Model error"}, Outcome.SERVER_ERROR, id="bedrock-424"
        ),
        pytest.param(
            424,
            {"__type": "ModelStreamErrorException", "message": "It broke off."},
            Outcome.SERVER_ERROR,
            id="bedrock-424-stream",
        ),
        pytest.param(
            429,
            {"__type": "ModelNotReadyException", "message": "Not ready."},
            Outcome.SERVER_ERROR,
            id="bedrock-not-ready",
        ),
        pytest.param(
            400,
            openai("The requested model 'm' does not exist.", "model_not_found"),
            Outcome.UNUSABLE,
            id="openai-responses-model",
        ),
    ],
)
def test_the_body_decides_where_the_status_misleads(
    status: int, body: Any, expected: Outcome
) -> None:
    """A wrong key is no fault of the caller's, whatever status it comes with."""
    assert outcome(status, body) is expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai("Too many tokens", "context_length_exceeded")),
        (
            400,
            anthropic(
                "invalid_request_error",
                "prompt is too long: 210000 tokens > 200000 maximum",
            ),
        ),
        (400, {"message": "Input Tokens Exceeded: Number of input tokens exceeds"}),
        (400, {"message": "Input is too long for requested model."}),
        (
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum.",
            ),
        ),
        (400, openai("This model's maximum context length is 65536 tokens.")),
        (400, {"message": "too many tokens: 9", "error_type": "TOO_MANY_TOKENS"}),
        (400, {"error": {"message": "This endpoint's maximum context length is 9"}}),
        (400, {"error": {"message": "Too big", "type": "too_many_prompt_tokens"}}),
        (400, openai("prompt too long; exceeded max context length by 9 tokens")),
        (400, openai("the request exceeds the available context size")),
        (
            429,
            openai(
                "Request too large for m on tokens per min (TPM): "
                "Limit 30000, Requested 31000.",
                "rate_limit_exceeded",
                "tokens",
            ),
        ),
        (
            413,
            openai(
                "Request too large (TPM): Limit 6000, Requested 6231",
                "rate_limit_exceeded",
            ),
        ),
        (422, {"detail": "Input length 9000 exceeds the maximum context length"}),
    ],
)
def test_too_long_is_told_apart_in_every_wording(status: int, body: Any) -> None:
    """No two providers say it alike, and some say it with 429."""
    assert outcome(status, body) is Outcome.TOO_LONG


def test_a_request_larger_than_the_whole_bucket_is_too_long() -> None:
    """Gemini names the bucket alone; the request's own text tells the rest."""
    body = json.dumps(
        google(
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for metric: input_token_count, limit: 1000000, model: m",
        )
    ).encode()

    failure = classify(429, {}, body)

    assert fitted(failure, b"word " * 900_000).outcome is Outcome.TOO_LONG
    assert fitted(failure, b"word " * 700_000) == failure
    assert fitted(failure, b"A" * 9_000_000) == failure
    assert failure.outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, openai("Slow down", "rate_limit_exceeded", "requests")),
        (
            429,
            openai(
                "Rate limit reached (TPM): Limit 30000, Used 29000, Requested 2000.",
                "rate_limit_exceeded",
                "tokens",
            ),
        ),
        (429, openai("(TPM): Limit 30000, Requested 2000", "rate_limit_exceeded")),
        (429, anthropic("rate_limit_error", "Number of requests exceeded")),
        (
            429,
            google(
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota, please check your plan and billing.",
            ),
        ),
        (429, {"message": "Too many tokens, please wait before trying again."}),
        (429, {"error": {"code": "429", "message": "Please retry after 1 second."}}),
        (429, b""),
        (429, b"<html>slow down</html>"),
        (400, {"__type": "com.amazon.coral#ThrottlingException", "message": "no"}),
    ],
)
def test_a_rate_limit_is_one_in_every_shape(status: int, body: Any) -> None:
    """Waiting cures these."""
    assert outcome(status, body) is Outcome.RATE_LIMITED


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            400,
            {
                "error": {
                    "code": "content_filter",
                    "message": "The response was filtered",
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            },
        ),
        (400, openai("It triggered Azure's content management policy.")),
        (400, openai("Your prompt was flagged", "invalid_prompt")),
        (403, {"error": {"code": 403, "message": "your input was flagged"}}),
    ],
)
def test_a_filter_is_told_apart(status: int, body: Any) -> None:
    """A refusal of content is neither the caller's form nor the deployment's."""
    assert outcome(status, body) is Outcome.FILTERED


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai("Unsupported parameter: 'stop'", "unsupported_parameter")),
        (400, openai("Unsupported value: 'x'", "unsupported_value")),
        (400, openai("Web search options not supported with this model.")),
        (
            400,
            anthropic(
                "invalid_request_error", "This model does not support effort level."
            ),
        ),
        (400, {"message": "This model doesn't support the s3Uri field."}),
        (400, {"message": "URL sources are not supported"}),
        (404, {"error": {"code": 404, "message": "No endpoints found that support"}}),
        (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"]}]}),
        (501, openai("This server does not support tools")),
    ],
)
def test_a_missing_capability_is_told_apart(status: int, body: Any) -> None:
    """Another deployment may do what this one cannot."""
    assert outcome(status, body) is Outcome.CAPABILITY_MISSING


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, openai("Incorrect API key provided", "invalid_api_key")),
        (401, anthropic("authentication_error", "invalid x-api-key")),
        (401, {"detail": "Invalid API Key"}),
        (401, {"error": {"message": "Unauthorized", "type": "api_error"}}),
        (402, b""),
        (403, {"message": "The security token included in the request is expired"}),
        (403, b"<html>Forbidden</html>"),
        (404, openai("The model `m` does not exist", "model_not_found")),
        (404, {"error": {"code": "DeploymentNotFound", "message": "no"}}),
        (404, anthropic("not_found_error", "model: m")),
        (404, google(404, "NOT_FOUND", "models/m is not found for API version v1")),
        (404, {"error": {"code": "404", "message": "Resource not found"}}),
        (404, b"<html>Not Found</html>"),
        (410, b"gone"),
    ],
)
def test_an_unusable_deployment_is_told_apart(status: int, body: Any) -> None:
    """A key, a quota or a model that is not there: the operator's to mend."""
    assert outcome(status, body) is Outcome.UNUSABLE


@pytest.mark.parametrize(
    "status", [301, 307, 408, 409, 425, 500, 501, 502, 503, 504, 520, 529, 599]
)
@pytest.mark.parametrize("body", [b"", b"<html>x</html>", b'{"error":"x"}', b"\xff"])
def test_a_provider_in_trouble_is_transient(status: int, body: bytes) -> None:
    """The next deployment may well answer."""
    assert outcome(status, body) is Outcome.SERVER_ERROR


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, openai("Missing required parameter: 'messages'.", "missing_parameter")),
        (400, anthropic("invalid_request_error", "messages: at least one needed")),
        (413, anthropic("request_too_large", "Request exceeds the maximum size")),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "not an integer"}]}),
        (400, b""),
        (418, b"{}"),
    ],
)
def test_the_callers_fault_is_the_callers(status: int, body: Any) -> None:
    """What no deployment would take is not tried elsewhere."""
    assert outcome(status, body) is Outcome.REJECTED


def test_a_proxys_page_is_not_the_callers_fault() -> None:
    """No model's API answers in HTML."""
    assert outcome(400, b"<!doctype html><title>Bad</title>") is Outcome.SERVER_ERROR


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (openai("Missing 'messages'."), "Missing 'messages'."),
        ({"error": "in one string"}, "in one string"),
        ({"message": "without an error"}, "without an error"),
        ({"detail": "in detail"}, "in detail"),
        (
            {"detail": [{"loc": ["body", "n"], "msg": "no integer"}]},
            "body.n: no integer",
        ),
        (
            {"object": "error", "message": {"detail": [{"loc": ["x"], "msg": "y"}]}},
            "x: y",
        ),
        ([{"error": {"message": "in an array"}}], "in an array"),
        (b"<html><title>502\n Bad Gateway</title></html>", "502 Bad Gateway"),
        (b"plain words", "plain words"),
        (b"", "The provider answered with HTTP status 400."),
        (b"null", "The provider answered with HTTP status 400."),
        (b'{"error":', '{"error":'),
    ],
)
def test_the_caller_reads_the_providers_own_words(body: Any, message: str) -> None:
    """Wherever in the body they stand."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()

    assert classify(400, {}, sent).message == message


def test_code_and_param_are_passed_on() -> None:
    """A program acts on them."""
    body = b'{"error":{"message":"m","type":"t","param":"stop","code":"c"}}'

    error = classify(400, {}, body)

    assert (error.code, error.param, error.http_status) == ("c", "stop", 400)


@pytest.mark.parametrize(
    ("status", "body", "headers", "code"),
    [
        (404, anthropic("not_found_error", "model: m"), {}, "not_found_error"),
        (401, {"error": {"message": "m", "code": 401}}, {}, ""),
        (400, google(400, "INVALID_ARGUMENT", "m"), {}, "INVALID_ARGUMENT"),
        (
            403,
            {"message": "no"},
            {"x-amzn-errortype": "AccessDeniedException:http://internal/"},
            "AccessDeniedException",
        ),
    ],
)
def test_the_code_is_the_most_telling_one(
    status: int, body: Any, headers: dict[str, str], code: str
) -> None:
    """A number that repeats the status says nothing."""
    assert classify(status, headers, json.dumps(body).encode()).code == code


def test_a_message_is_cut_and_holds_no_key() -> None:
    """Providers quote keys, and whole requests."""
    body = openai("Incorrect API key provided: sk-proj-abcdef123456. " + "x" * 9000)

    message = classify(401, {}, json.dumps(body).encode()).message

    assert message.startswith("Incorrect API key provided: [redacted]")
    assert len(message) == MESSAGE_CHARACTERS_MAX


def test_the_wait_a_provider_asks_for_is_kept() -> None:
    """A cooldown begins with it."""
    body = json.dumps(openai("Slow down")).encode()

    limited = classify(429, {"retry-after": "7"}, body, now=NOW)
    broken = classify(500, {"retry-after": "7"}, body, now=NOW)

    assert limited.retry_after == timedelta(seconds=7)
    assert broken.retry_after is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "Overloaded", "type": "overloaded_error"}, Outcome.SERVER_ERROR),
        ({"message": "boom", "code": 502}, Outcome.SERVER_ERROR),
        ({"message": "slow", "code": 429}, Outcome.RATE_LIMITED),
        ({"message": "slow", "type": "rate_limit_error"}, Outcome.RATE_LIMITED),
        ({"message": "no", "type": "authentication_error"}, Outcome.UNUSABLE),
        ({"message": "bad", "type": "invalid_request_error"}, Outcome.REJECTED),
        (
            {"message": "Tool", "code": "tool_use_failed", "status_code": 400},
            Outcome.PARSE_FAILED,
        ),
        ({"error": {"message": "no", "code": 401}}, Outcome.UNUSABLE),
        ("prompt is too long: 9 tokens > 8 maximum", Outcome.TOO_LONG),
        (b'{"error":{"message":"x","code":"content_filter"}}', Outcome.FILTERED),
        (b"<html><title>Bad Gateway</title></html>", Outcome.SERVER_ERROR),
        ("", Outcome.SERVER_ERROR),
        ({}, Outcome.SERVER_ERROR),
    ],
)
def test_an_error_inside_a_success_is_classified_alike(
    error: Any, expected: Outcome
) -> None:
    """Providers report errors with status 200, in bodies and in streams."""
    failure = classify_in_band(error)

    assert failure.outcome is expected
    assert failure.http_status == 200
    assert failure.message


def test_the_wait_in_an_error_inside_a_success_is_read() -> None:
    """It is asked for there as elsewhere."""
    limited = {
        "message": "Rate limit reached. Please try again in 20s.",
        "type": "rate_limit_error",
    }
    wrong = {"message": "Please try again in 20s.", "type": "invalid_request_error"}

    assert classify_in_band(limited).retry_after == timedelta(seconds=20)
    assert classify_in_band(wrong).retry_after is None


KEYS = st.sampled_from(["error", "message", "code", "type", "detail", "details", "loc"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
)


@given(status=st.integers(min_value=300, max_value=599), body=JSON | st.binary())
def test_any_body_is_classified(status: int, body: Any) -> None:
    """No answer of a provider's brings the executor down."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()

    for failure in (classify(status, {}, sent, now=NOW), classify_in_band(sent)):
        assert failure.outcome is not Outcome.SUCCEEDED
        assert failure.message
