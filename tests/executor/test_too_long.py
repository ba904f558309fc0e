"""A request that is too long, in each of the ways that providers say so.

The bodies are written after the shapes that providers send, none is a recording.
"""

import json
from typing import Any

import pytest

from holdfast.model import Outcome
from holdfast_executor.dialects import ProviderError
from holdfast_executor.failures import classify, fitted

LONG = b"word " * 300_000
SHORT = b"word " * 100


def said(
    status: int, body: Any, headers: dict[str, str] | None = None, request: bytes = LONG
) -> ProviderError:
    """Say what a refusal of a request comes to."""
    return fitted(classify(status, headers or {}, json.dumps(body).encode()), request)


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def google(status: str, code: int, message: str, *details: Any) -> dict[str, Any]:
    return error(message, status=status, code=code, details=list(details))


RETRY_INFO = {
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    "retryDelay": "48.9s",
}


def quota(quota_id: str, value: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"quotaId": quota_id, "quotaValue": value}],
    }


def test_openai() -> None:
    """By its code."""
    body = error("Your messages are too many.", code="context_length_exceeded")

    assert said(400, body).outcome is Outcome.TOO_LONG


def test_anthropic() -> None:
    """In words, under the type of any other fault of a request."""
    words = "prompt is too long: 250000 tokens > 200000 maximum"
    body = {"type": "error", **error(words, type="invalid_request_error")}

    assert said(400, body).outcome is Outcome.TOO_LONG


def test_bedrock() -> None:
    """In words, without a code in the body."""
    headers = {"x-amzn-errortype": "ValidationException:http://internal.example/"}

    failure = said(400, {"message": "Input Tokens Exceeded"}, headers)

    assert failure.outcome is Outcome.TOO_LONG


def test_vertex() -> None:
    """In words, under a status that any bad argument has."""
    words = "The input token count (1200000) exceeds the maximum of 1048576."

    failure = said(400, google("INVALID_ARGUMENT", 400, words))

    assert failure.outcome is Outcome.TOO_LONG


@pytest.mark.parametrize(
    "body",
    [
        google(
            "RESOURCE_EXHAUSTED",
            429,
            "Quota exceeded for metric: x/input_token_count, limit: 250000, model: m",
            RETRY_INFO,
        ),
        google(
            "RESOURCE_EXHAUSTED",
            429,
            "You exceeded your current quota.",
            quota("GenerateContentInputTokensPerModelPerMinute", "250000"),
            RETRY_INFO,
        ),
    ],
    ids=["words", "violation"],
)
def test_gemini_whose_bucket_is_smaller_than_the_request(body: Any) -> None:
    """As a rate limit with a wait, which never helps; nor is it asked for then."""
    failure = said(429, body)

    assert failure.outcome is Outcome.TOO_LONG
    assert failure.retry_after is None
    assert failure.token_limit == 250_000
    assert said(429, body, request=SHORT).outcome is Outcome.RATE_LIMITED
    assert said(429, body, request=SHORT).retry_after is not None


AZURE_WAITS = {"retry-after": "1", "retry-after-ms": "0"}


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        (
            (
                "Rate limit of 100000 per 60s exceeded for UserByModelByMinuteTokens. "
                "Please wait 1 seconds before retrying."
            ),
            AZURE_WAITS,
        ),
        ("Slow down.", {**AZURE_WAITS, "x-ratelimit-limit-tokens": "100000"}),
    ],
    ids=["words", "header"],
)
def test_azure_whose_bucket_is_smaller_than_the_request(
    message: str, headers: dict[str, str]
) -> None:
    """As a rate limit that asks for a second."""
    body = error(message, code="RateLimitReached")

    assert said(429, body, headers).outcome is Outcome.TOO_LONG
    limited = said(429, body, headers, SHORT)
    assert limited.outcome is Outcome.RATE_LIMITED
    assert limited.retry_after is not None
    assert limited.retry_after.total_seconds() == 1


def test_deepseek() -> None:
    """In words, with a code that says nothing."""
    words = "This model's maximum context length is 131072 tokens. You asked for more."
    body = error(words, type="invalid_request_error", code="invalid_request_error")

    assert said(400, body).outcome is Outcome.TOO_LONG


def test_cohere() -> None:
    """By a type of its own, beside the message."""
    body = {"message": "9 is too much.", "error_type": "TOO_MANY_TOKENS"}

    assert said(400, body).outcome is Outcome.TOO_LONG


def test_openrouter() -> None:
    """In words, with the status as the code."""
    body = error("This endpoint's maximum context length is 32768 tokens.", code=400)

    assert said(400, body).outcome is Outcome.TOO_LONG


def test_perplexity() -> None:
    """By a type of its own."""
    body = error("It does not fit.", type="too_many_prompt_tokens", code=400)

    assert said(400, body).outcome is Outcome.TOO_LONG


def test_ollama() -> None:
    """In words alone."""
    words = "prompt too long; exceeded max context length by 90 tokens"

    assert said(400, {"error": words}).outcome is Outcome.TOO_LONG


@pytest.mark.parametrize("status", [413, 429])
def test_openai_and_groq_whose_bucket_is_smaller_than_the_request(status: int) -> None:
    """With both sizes in words; no estimate is needed."""
    words = "Request too large for m (TPM): Limit 30000, Requested 31000."
    body = error(words, code="rate_limit_exceeded", type="tokens")

    failure = said(status, body, request=SHORT)

    assert failure.outcome is Outcome.TOO_LONG
    assert failure.token_limit == 30_000


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-limit-tokens": "3000000"},
        {"x-ratelimit-limit-tokens": "0"},
        {"x-ratelimit-limit-tokens": "many"},
        {"x-ratelimit-limit-requests": "5"},
        {"anthropic-ratelimit-input-tokens-limit": "30000"},
        {},
    ],
)
def test_a_bucket_that_may_fit_is_waited_for(headers: dict[str, str]) -> None:
    """It is large enough, or its size is not known, or the cache's part is not."""
    failure = said(429, error("Slow down.", code="rate_limit_exceeded"), headers)

    assert failure.outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize(
    "quota_id", ["GenerateRequestsPerMinute", "GenerateContentOutputTokensPerMinute"]
)
def test_a_quota_of_something_else_says_nothing_of_length(quota_id: str) -> None:
    """Fifty requests a minute is no limit of fifty tokens."""
    body = google("RESOURCE_EXHAUSTED", 429, "Too many.", quota(quota_id, "50"))

    assert said(429, body).outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize("kind", ["OutputTokens", "UncachedInputTokens"])
def test_azures_limits_of_other_tokens_say_nothing_of_length(kind: str) -> None:
    """What is written and what the cache holds is not known beforehand."""
    words = f"Rate limit of 8000 per 60s exceeded for UserByModelByMinute{kind}."

    assert said(429, error(words)).outcome is Outcome.RATE_LIMITED


@pytest.mark.parametrize(
    ("request_body", "outcome"),
    [
        (b"A" * 9_000_000, Outcome.RATE_LIMITED),
        (rb"\u0436" * 100_000, Outcome.RATE_LIMITED),
        (rb"\u0436" * 300_000, Outcome.TOO_LONG),
        ("ж".encode() * 300_000, Outcome.TOO_LONG),
    ],
    ids=["image", "escaped", "long-escaped", "long-as-it-is"],
)
def test_only_text_counts_and_counts_alike_however_it_is_written(
    request_body: bytes, outcome: Outcome
) -> None:
    """An image has few tokens for its bytes, and so has an escaped letter."""
    headers = {"x-ratelimit-limit-tokens": "100000"}

    failure = said(429, error("Slow down."), headers, request_body)

    assert failure.outcome is outcome
