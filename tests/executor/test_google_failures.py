"""What Google's refusals lead to, on the Gemini API and on Vertex AI."""

import json
from typing import Any

import pytest

from holdfast.model import Outcome
from holdfast_executor.dialects.gemini_generate import Gemini


def refusal(code: int, status: str, message: str, *details: Any) -> dict[str, Any]:
    error = {"code": code, "message": message, "status": status}
    return {"error": {**error, "details": list(details)} if details else error}


def quota(quota_id: str, value: str = "50") -> dict[str, Any]:
    violation = {"quotaId": quota_id, "quotaValue": value}
    return {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [violation],
    }


def info(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
    }


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}
EXHAUSTED = "You exceeded your current quota, please check your plan and billing."

CASES = {
    "a key that is wrong comes as 400": (
        refusal(400, "INVALID_ARGUMENT", "API key not valid.", info("API_KEY_INVALID")),
        Outcome.UNUSABLE,
    ),
    "a key that has expired": (
        refusal(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."),
        Outcome.UNUSABLE,
    ),
    "a key for something else": (
        refusal(403, "PERMISSION_DENIED", "Blocked.", info("API_KEY_SERVICE_BLOCKED")),
        Outcome.UNUSABLE,
    ),
    "an API that is not switched on": (
        refusal(403, "PERMISSION_DENIED", "Not enabled.", info("SERVICE_DISABLED")),
        Outcome.UNUSABLE,
    ),
    "a token that has expired": (
        refusal(401, "UNAUTHENTICATED", "Expired.", info("ACCESS_TOKEN_EXPIRED")),
        Outcome.UNUSABLE,
    ),
    "a country that is not served": (
        refusal(
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
        ),
        Outcome.UNUSABLE,
    ),
    "a model that the project may not use": (
        refusal(
            400,
            "FAILED_PRECONDITION",
            "Project `1` is not allowed to use Publisher Model `m`",
        ),
        Outcome.UNUSABLE,
    ),
    "a model that is not there, on Vertex": (
        refusal(404, "NOT_FOUND", "Publisher Model `projects/p/m` not found."),
        Outcome.UNUSABLE,
    ),
    "a model that is not there, on the Gemini API": (
        refusal(404, "NOT_FOUND", "models/m is not found for API version v1beta."),
        Outcome.UNUSABLE,
    ),
    "the quota of a minute": (
        refusal(
            429,
            "RESOURCE_EXHAUSTED",
            EXHAUSTED,
            quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
            RETRY,
        ),
        Outcome.RATE_LIMITED,
    ),
    "the quota of a day": (
        refusal(
            429,
            "RESOURCE_EXHAUSTED",
            EXHAUSTED,
            quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
            RETRY,
        ),
        Outcome.UNUSABLE,
    ),
    "the quota of a day, by tokens": (
        refusal(
            429,
            "RESOURCE_EXHAUSTED",
            EXHAUSTED,
            quota("GenerateContentInputTokensPerDayPerModel"),
        ),
        Outcome.UNUSABLE,
    ),
    "a quota of nothing": (
        refusal(
            429,
            "RESOURCE_EXHAUSTED",
            EXHAUSTED,
            quota("GenerateRequestsPerMinute", "0"),
        ),
        Outcome.UNUSABLE,
    ),
    "a crowd on Vertex": (
        refusal(
            429,
            "RESOURCE_EXHAUSTED",
            "Resource exhausted. Please try again later.",
        ),
        Outcome.RATE_LIMITED,
    ),
    "too long for the model": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens "
            "allowed (1048576).",
        ),
        Outcome.TOO_LONG,
    ),
    "too many bytes": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "Request payload size exceeds the limit: 20971520 bytes.",
        ),
        Outcome.TOO_LONG,
    ),
    "a model too busy": (
        refusal(503, "UNAVAILABLE", "The model is overloaded."),
        Outcome.SERVER_ERROR,
    ),
    "a fault inside": (
        refusal(500, "INTERNAL", "An internal error has occurred."),
        Outcome.SERVER_ERROR,
    ),
    "a deadline": (
        refusal(504, "DEADLINE_EXCEEDED", "The request timed out."),
        Outcome.SERVER_ERROR,
    ),
    "penalties": (
        refusal(400, "INVALID_ARGUMENT", "Penalty is not enabled for this model"),
        Outcome.CAPABILITY_MISSING,
    ),
    "several answers": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "Multiple candidates is not enabled for this model",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "system text": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "Developer instruction is not enabled for models/gemma-3-27b-it",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "a field that this endpoint does not know": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            'Invalid JSON payload received. Unknown name "const" at '
            "'tools[0].function_declarations[0].parameters': Cannot find field.",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "a schema that is too large": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "The specified schema produces a constraint that has too many states for "
            "serving.",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "a schema that is refused": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "* GenerateContentRequest.generation_config.response_schema.properties: "
            "should be non-empty for OBJECT type",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "JSON beside functions": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "Function calling with a response mime type: 'application/json' is "
            "unsupported",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "a signature of another model": (
        refusal(400, "INVALID_ARGUMENT", "Corrupted thought signature."),
        Outcome.CAPABILITY_MISSING,
    ),
    "a signature that is missing": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "Function call is missing a thought_signature in functionCall parts.",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "thinking that cannot be switched off": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "Budget 0 is invalid. This model only works in thinking mode.",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "a page that Google may not read": (
        refusal(
            400,
            "INVALID_ARGUMENT",
            "Cannot fetch content from the provided URL. Status: ROBOTED_DENIED",
        ),
        Outcome.CAPABILITY_MISSING,
    ),
    "a medium": (
        refusal(400, "INVALID_ARGUMENT", "Unsupported MIME type: image/gif"),
        Outcome.CAPABILITY_MISSING,
    ),
    "the caller's mistake": (
        refusal(400, "INVALID_ARGUMENT", "temperature must be in the range [0, 2]."),
        Outcome.REJECTED,
    ),
}


@pytest.mark.parametrize("wrapped", [False, True], ids=["object", "array"])
@pytest.mark.parametrize(("body", "expected"), CASES.values(), ids=CASES)
def test_what_a_refusal_leads_to(
    body: dict[str, Any], expected: Outcome, wrapped: bool
) -> None:
    """The same where Vertex wraps it in an array."""
    raw = json.dumps([body] if wrapped else body).encode()

    failure = Gemini().decode_error(body["error"]["code"], {}, raw)

    assert failure.outcome is expected
    assert failure.message == body["error"]["message"]


def test_the_wait_is_in_the_body() -> None:
    """Google sends no header for it."""
    body = refusal(429, "RESOURCE_EXHAUSTED", EXHAUSTED, quota("PerMinute"), RETRY)

    failure = Gemini().decode_error(429, {}, json.dumps([body]).encode())

    assert failure.retry_after is not None
    assert failure.retry_after.total_seconds() == 34.4
