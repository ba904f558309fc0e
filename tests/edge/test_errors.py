"""What each failure looks like to a caller."""

import logging

import openai
import pytest
import structlog

from fakes.services import MODEL, PINNED, FailingExecutor
from holdfast import errors as holdfast_errors
from holdfast.api.common.v1 import error_reason_pb2
from holdfast.errors import (
    AllAttemptsFailedError,
    AllAttemptsRateLimitedError,
    AllDeploymentsUnavailableError,
    DeadlineExceededError,
    GatewayError,
    NoDeploymentAllowedError,
    PlanRefusedError,
    ProviderRejectedRequestError,
    ServiceUnavailableError,
    StructuredOutputInvalidError,
)
from holdfast.model import Attempt, Outcome
from holdfast_edge.errors import RESPONSES, render

from .conftest import CHAT, Serve

ATTEMPTS = [
    Attempt(1, PINNED, Outcome.CONNECTION_FAILED, error_message="refused"),
    Attempt(2, "lab/x", Outcome.RATE_LIMITED, http_status=429),
]


def test_has_a_response_for_every_reason() -> None:
    """The protos, the classes and the edge know the same reasons."""
    reasons = {
        name.removeprefix("ERROR_REASON_")
        for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    } - {"UNSPECIFIED"}

    assert set(RESPONSES) == reasons
    assert set(holdfast_errors.BY_REASON) <= reasons


@pytest.mark.parametrize(
    ("error", "status", "retry_after", "should_retry"),
    [
        (NoDeploymentAllowedError("m", model="x"), 403, None, "false"),
        (AllAttemptsRateLimitedError("m", retry_after_seconds="0.2"), 429, "1", "true"),
        (
            AllAttemptsRateLimitedError("m", retry_after_seconds="61.5"),
            429,
            "62",
            "true",
        ),
        (AllAttemptsRateLimitedError("m"), 429, "1", "true"),
        (
            AllAttemptsRateLimitedError("m", retry_after_seconds="soon"),
            429,
            "1",
            "true",
        ),
        (AllAttemptsFailedError("m"), 502, None, "false"),
        (AllAttemptsFailedError("m", retry_after_seconds="3"), 502, "3", "true"),
        (AllDeploymentsUnavailableError("m"), 503, None, "true"),
        (
            AllDeploymentsUnavailableError("m", retry_after_seconds="9"),
            503,
            "9",
            "true",
        ),
        (ServiceUnavailableError("m", service="resolver"), 503, "1", "true"),
        (PlanRefusedError("m", key_id="k"), 503, "1", "true"),
        (DeadlineExceededError("m"), 504, None, "false"),
        (ProviderRejectedRequestError("m", http_status="422"), 400, None, "false"),
        (ProviderRejectedRequestError("m", http_status="413"), 413, None, "false"),
    ],
)
def test_says_whether_waiting_helps(
    error: GatewayError, status: int, retry_after: str | None, should_retry: str
) -> None:
    """The status, and an honest word on trying again."""
    rendered = render(error, "t")
    headers = {name.decode(): value.decode() for name, value in rendered.headers}

    assert rendered.status == status
    assert headers.get("retry-after") == retry_after
    assert headers["x-should-retry"] == should_retry


async def test_says_what_it_was_decided_on(serve: Serve) -> None:
    """Where it was decided on anything."""
    error = AllAttemptsFailedError("Every deployment failed.", revision="r7")
    edge = await serve(FailingExecutor(error))

    failed = await edge.chat()
    unread = await edge.chat(content=b"{")

    assert failed.headers["x-holdfast-revision"] == "r7"
    assert "x-holdfast-revision" not in unread.headers


async def test_says_what_was_tried(serve: Serve) -> None:
    """The attempts are in the body, and counted in the header."""
    error = AllAttemptsFailedError(
        "Every deployment failed.", attempts=ATTEMPTS, attempt_count="9"
    )
    edge = await serve(FailingExecutor(error))

    response = await edge.chat()

    assert response.headers["x-holdfast-attempts"] == "9"
    assert response.json()["error"] == {
        "message": "Every deployment failed.",
        "type": "server_error",
        "param": None,
        "code": "all_attempts_failed",
        "trace_id": response.headers["x-holdfast-trace-id"],
        "attempts": [
            {"deployment": PINNED, "outcome": "connection-failed", "status": None},
            {"deployment": "lab/x", "outcome": "rate-limited", "status": 429},
        ],
    }


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (NoDeploymentAllowedError("m", model="x"), openai.PermissionDeniedError),
        (AllAttemptsRateLimitedError("m"), openai.RateLimitError),
        (ProviderRejectedRequestError("m", field="x"), openai.BadRequestError),
        (AllDeploymentsUnavailableError("m"), openai.InternalServerError),
    ],
)
async def test_has_the_sdk_raise_its_own_error(
    serve: Serve, error: GatewayError, raised: type[openai.APIStatusError]
) -> None:
    """OpenAI's SDK knows each failure by its own class, code and field."""
    edge = await serve(FailingExecutor(error))

    async with edge.openai() as client:
        with pytest.raises(raised) as caught:
            await client.chat.completions.create(model=MODEL, messages=CHAT["messages"])

    assert caught.value.code == RESPONSES[error.reason].code
    assert caught.value.param == (error.metadata.get("field") or caught.value.param)


@pytest.mark.parametrize("kept", [{}, {"text": "{"}])
async def test_says_where_an_answer_did_not_fit(
    serve: Serve, kept: dict[str, str]
) -> None:
    """Places and keywords; the answer itself only where it may be told."""
    error = StructuredOutputInvalidError(
        "No.", violations="/age type\n/a b required\n json", **kept
    )
    edge = await serve(FailingExecutor(error))

    response = await edge.chat()

    told = response.json()["error"]
    assert response.status_code == 422
    assert told["param"] == "response_format"
    assert told["validation_errors"] == [
        {"path": "/age", "keyword": "type"},
        {"path": "/a b", "keyword": "required"},
        {"path": "", "keyword": "json"},
    ]
    assert told.get("text") == kept.get("text")


@pytest.mark.parametrize("stream", [False, True])
async def test_tells_nothing_of_a_fault_of_its_own(serve: Serve, stream: bool) -> None:
    """An unforeseen fault is a 500 with a trace id; its words are in no log."""
    edge = await serve(FailingExecutor(ValueError("the prompt was: secret")))

    with structlog.testing.capture_logs() as logged:
        response = await edge.chat(json={**CHAT, "stream": stream})

    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    [event] = logged
    assert event["trace_id"] == response.headers["x-holdfast-trace-id"]
    assert event["exception"] == "ValueError"
    assert event["traceback"][-1].endswith(("execute", "execute_stream"))
    assert "secret" not in response.text + str(logged)


async def test_leaves_no_trace_of_failures_in_the_servers_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The HTTP server has nothing of its own to say about a failed request."""
    caplog.set_level(logging.WARNING)
    edge = await serve(FailingExecutor(ValueError("secret")))

    await edge.chat()
    await edge.http.get("/nowhere")

    assert not caplog.records
