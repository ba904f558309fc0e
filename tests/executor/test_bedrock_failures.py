"""What Bedrock's refusals lead to, in the words they come in.

Those that are recorded are in the corpus tests; the rest is as the service
model, AWS's documentation and reports of others have it.
"""

import json
from typing import Any

import pytest

from holdfast.model import Outcome
from holdfast_executor.dialects import ProviderError
from holdfast_executor.dialects.bedrock_converse import BedrockConverse

ORIGIN = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
ON_DEMAND = (
    "Invocation of model ID anthropic.claude-sonnet-4-5-20250929-v1:0 with "
    "on-demand throughput isn\N{RIGHT SINGLE QUOTATION MARK}t supported. Retry your "
    "request with the ID or ARN of an inference profile that contains this model."
)
NO_ACCESS = "You don't have access to the model with the specified model ID."


def refused(status: int, code: str, message: str, **fields: Any) -> ProviderError:
    headers = {"x-amzn-errortype": f"{code}{ORIGIN}"} if code else {}
    body = json.dumps({"message": message, **fields}).encode()
    return BedrockConverse().decode_error(status, headers, body)


@pytest.mark.parametrize(
    ("status", "code", "message", "outcome"),
    [
        (429, "ThrottlingException", "Too many requests.", Outcome.RATE_LIMITED),
        (429, "ThrottlingException", "Too many tokens.", Outcome.RATE_LIMITED),
        (400, "ThrottlingException", "Rate exceeded", Outcome.RATE_LIMITED),
        (429, "ModelNotReadyException", "Not ready yet.", Outcome.SERVER_ERROR),
        (408, "ModelTimeoutException", "Timed out.", Outcome.SERVER_ERROR),
        (424, "ModelErrorException", "It failed.", Outcome.SERVER_ERROR),
        (500, "InternalServerException", "Oops.", Outcome.SERVER_ERROR),
        (503, "ServiceUnavailableException", "Busy.", Outcome.SERVER_ERROR),
    ],
)
def test_what_passes_by_itself(status, code, message, outcome) -> None:
    """Another deployment is tried now, and this one is rested."""
    assert refused(status, code, message).outcome is outcome


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "ServiceQuotaExceededException", "Your quota is used up."),
        (429, "ThrottlingException", "Too many tokens per day, please wait."),
        (403, "AccessDeniedException", NO_ACCESS),
        (403, "", NO_ACCESS),
        (403, "ExpiredTokenException", "The security token is expired"),
        (403, "UnrecognizedClientException", "The security token is invalid."),
        (403, "InvalidSignatureException", "The signature does not match."),
        (404, "ResourceNotFoundException", "The model is at the end of its life."),
        (404, "UnknownOperationException", ""),
        (400, "ValidationException", ON_DEMAND),
        (400, "ValidationException", "The provided model identifier is invalid."),
        (400, "ValidationException", "Operation not allowed"),
        (400, "ValidationException", "Your account is not authorized to invoke this."),
    ],
)
def test_what_makes_a_deployment_unusable(status, code, message) -> None:
    """Nothing that the caller did, and nothing that waiting a little would cure."""
    assert refused(status, code, message).outcome is Outcome.UNUSABLE


@pytest.mark.parametrize(
    "message",
    [
        "Input is too long for requested model.",
        "Input Tokens Exceeded",
        "prompt is too long: 250000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        (
            "The model returned the following errors: Input length (9000) exceeds "
            "model's maximum context length (8192)"
        ),
        (
            "Malformed input request: expected maxLength: 42000, actual: 50000, please "
            "reformat your input and try again."
        ),
    ],
)
def test_requests_that_are_too_long(message: str) -> None:
    """A deployment with a larger window may take them."""
    assert refused(400, "ValidationException", message).outcome is Outcome.TOO_LONG


@pytest.mark.parametrize(
    "message",
    [
        "This model doesn't support tool use in streaming mode.",
        (
            "This model doesn't support the toolConfig.toolChoice.any field. Remove "
            "toolConfig.toolChoice.any and try again."
        ),
        (
            "This model doesn't support system messages. Try again without a system "
            "message or use a model that supports system messages."
        ),
        (
            "A conversation must end with a user message. Try again with a "
            "conversation that ends with a user message."
        ),
        "The maximum tokens you requested exceeds the model limit of 4096.",
        "URL sources are not supported",
    ],
)
def test_what_a_model_lacks_is_no_cause_to_rest_it(message: str) -> None:
    """One odd caller must not take a region out for everyone."""
    refusal = refused(400, "ValidationException", message)

    assert refusal.outcome is Outcome.CAPABILITY_MISSING


def test_a_tool_call_that_the_model_spoilt_is_worth_another_try() -> None:
    """Nova's own error, with a status of the model's."""
    message = "Model produced invalid sequence as part of ToolUse."

    assert refused(424, "ModelErrorException", message).outcome is Outcome.PARSE_FAILED


def test_the_rest_is_the_callers() -> None:
    """In AWS's words, with its code without the address that follows it."""
    refusal = refused(400, "ValidationException", "A field is wrong.")

    assert refusal.outcome is Outcome.REJECTED
    assert refusal.message == "A field is wrong."
    assert refusal.code == "ValidationException"


def test_the_code_may_be_in_the_body() -> None:
    """With the service's name before it."""
    refusal = refused(
        400, "", "Slow down", __type="com.amazon.bedrock#ThrottlingException"
    )

    assert refusal.outcome is Outcome.RATE_LIMITED
    assert refusal.code == "ThrottlingException"
