"""What a caller is told when something goes wrong: status, code, body, retry.

`RESPONSES` says for every reason there is how it looks from outside, and
`docs/errors.md` says the same to people.
"""

import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
import structlog

from holdfast.errors import GatewayError, InternalError, ServiceUnavailableError
from holdfast.model import Attempt
from holdfast_edge.headers import Header, header_value

_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode

SHORTEST_RETRY_AFTER_S = 1
"""What `Retry-After` says where waiting helps and nobody knows how long, in
seconds: the header counts in whole ones."""


class Retry(Enum):
    """Whether the same request may succeed when it is sent again."""

    NEVER = "no"
    IF_TOLD_WHEN = "only with Retry-After"
    YES = "yes"
    AFTER_A_WHILE = "yes, with Retry-After"


@dataclass(frozen=True, slots=True)
class Response:
    """How one reason looks to a caller.

    Attributes:
        status: The HTTP status.
        code: The error's `code`, for programs.
        type: The error's `type`, one of OpenAI's words.
        retry: What `x-should-retry` and `Retry-After` say.
    """

    status: int
    code: str
    type: str
    retry: Retry = Retry.NEVER


_CALLER = "invalid_request_error"
_SERVER = "server_error"

RESPONSES = {
    "REQUEST_MALFORMED": Response(400, "invalid_request", _CALLER),
    "JSON_INVALID": Response(400, "invalid_json", _CALLER),
    "CONTEXT_LENGTH_EXCEEDED": Response(400, "context_length_exceeded", _CALLER),
    "CONTENT_FILTERED": Response(400, "content_filter", _CALLER),
    "PROVIDER_REJECTED_REQUEST": Response(400, "invalid_request", _CALLER),
    "ALIAS_TARGET_UNKNOWN": Response(400, "invalid_request", _CALLER),
    "ALIAS_NESTED": Response(400, "invalid_request", _CALLER),
    "API_KEY_UNKNOWN": Response(401, "invalid_api_key", "authentication_error"),
    "BUDGET_EXHAUSTED": Response(402, "budget_exhausted", "insufficient_quota"),
    "NO_DEPLOYMENT_ALLOWED": Response(403, "model_not_allowed", "permission_error"),
    "GUARDRAIL_BLOCKED": Response(403, "guardrail_blocked", "permission_error"),
    "ADMIN_KEY_REQUIRED": Response(403, "admin_key_required", "permission_error"),
    "RUNTIME_KEY_REQUIRED": Response(403, "runtime_key_required", "permission_error"),
    "CSRF_TOKEN_MISSING": Response(403, "csrf_token_missing", "permission_error"),
    "MODEL_NOT_FOUND": Response(404, "model_not_found", _CALLER),
    "RESOURCE_NOT_FOUND": Response(404, "not_found", _CALLER),
    "NOT_SERVED": Response(404, "not_served", _CALLER),
    "RESOURCE_EXISTS": Response(409, "already_exists", "conflict_error"),
    "RESOURCE_IN_USE": Response(409, "in_use", "conflict_error"),
    "DECLARED_IN_FILE": Response(409, "declared_in_file", "conflict_error"),
    "GENERATION_GONE": Response(410, "generation_gone", _CALLER),
    "EDIT_CONFLICT": Response(412, "edit_conflict", "conflict_error"),
    "REQUEST_TOO_LARGE": Response(413, "request_too_large", _CALLER),
    "STRUCTURED_OUTPUT_INVALID": Response(
        422, "structured_output_invalid", _CALLER, Retry.IF_TOLD_WHEN
    ),
    "RATE_LIMITED": Response(
        429, "rate_limited", "rate_limit_error", Retry.AFTER_A_WHILE
    ),
    "ALL_ATTEMPTS_RATE_LIMITED": Response(
        429, "rate_limited", "rate_limit_error", Retry.AFTER_A_WHILE
    ),
    "INTERNAL": Response(500, "internal_error", _SERVER),
    "ALL_ATTEMPTS_FAILED": Response(
        502, "all_attempts_failed", _SERVER, Retry.IF_TOLD_WHEN
    ),
    "STREAM_INTERRUPTED": Response(
        502, "stream_interrupted", _SERVER, Retry.IF_TOLD_WHEN
    ),
    "ALL_DEPLOYMENTS_UNAVAILABLE": Response(
        503, "all_deployments_unavailable", _SERVER, Retry.YES
    ),
    "BUDGET_UNKNOWN": Response(503, "budget_unknown", _SERVER, Retry.AFTER_A_WHILE),
    # A plan is refused when it outlived its few seconds or the key that signed
    # it: asked again, the resolver makes another one.
    "PLAN_REFUSED": Response(503, "service_unavailable", _SERVER, Retry.AFTER_A_WHILE),
    "SERVICE_UNAVAILABLE": Response(
        503, "service_unavailable", _SERVER, Retry.AFTER_A_WHILE
    ),
    # The caller's own time is used up, and a second try would use it up again.
    "DEADLINE_EXCEEDED": Response(
        504, "deadline_exceeded", _SERVER, Retry.IF_TOLD_WHEN
    ),
}
"""Every reason of `ErrorReason`, and what it looks like from outside."""

NOT_SERVED_STATUSES = {"path": 404, "method": 405}
"""The status of NOT_SERVED by what is not served. A media type is a 415."""

_V2_TYPES = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    404: "NotFoundError",
    409: "ConflictError",
}
"""What the API below `/v2` calls an error: its SDK raises exceptions of these names."""

_PARAM_OF_REASON = {
    "MODEL_NOT_FOUND": "model",
    "NO_DEPLOYMENT_ALLOWED": "model",
    "STRUCTURED_OUTPUT_INVALID": "response_format",
}
"""The field at fault, where the reason alone says which."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """An error as it goes to the caller."""

    status: int
    headers: list[Header]
    body: bytes

    @property
    def event(self) -> bytes:
        """The error as the last event of a stream that has begun."""
        return b"data: " + self.body + b"\n\n"


Shape = Callable[[dict[str, Any], Response], Any]
"""Writes an error's body as an API's clients expect it."""


def openai_shape(fields: dict[str, Any], _response: Response) -> Any:
    """Write an error as OpenAI does."""
    return {"error": fields}


def v2_shape(fields: dict[str, Any], response: Response) -> Any:
    """Write an error so that the SDKs of the API below `/v2` find theirs too."""
    return {
        "error": fields,
        "type": _V2_TYPES.get(response.status, "HTTPException"),
        "message": fields["message"],
        "detail": {"code": response.code, "param": fields["param"]},
    }


def render(error: GatewayError, trace_id: str, shape: Shape = openai_shape) -> Rendered:
    """Write an error, with what it says about trying again."""
    response = response_to(error)
    body = _encode(shape(fields_of(error, trace_id), response))
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *_retry_headers(error, response.retry),
    ]
    if attempt_count := _attempt_count(error):
        headers.append((b"x-holdfast-attempts", str(attempt_count).encode()))
    if revision := error.metadata.get("revision"):
        headers.append((b"x-holdfast-revision", header_value(revision)))
    if allow := error.metadata.get("allow"):
        headers.append((b"allow", header_value(allow)))
    return Rendered(response.status, headers, body)


def fields_of(error: GatewayError, trace_id: str) -> dict[str, Any]:
    """Return what a caller is told of an error, whatever the API."""
    response = response_to(error)
    return {
        "message": error.message,
        "type": response.type,
        "param": _param(error),
        "code": response.code,
        "trace_id": trace_id,
        "attempts": [_attempt(attempt) for attempt in error.attempts],
        **_violations(error),
    }


def response_to(error: GatewayError) -> Response:
    """Say how an error looks to a caller."""
    response = RESPONSES.get(error.reason, RESPONSES["INTERNAL"])
    if error.reason == "NOT_SERVED":
        status = NOT_SERVED_STATUSES.get(error.metadata.get("field", ""), 415)
        return Response(status, response.code, response.type, response.retry)
    if (
        error.reason == "PROVIDER_REJECTED_REQUEST"
        and error.metadata.get("http_status") == "413"
    ):
        return RESPONSES["REQUEST_TOO_LARGE"]
    return response


def unexpected(exception: Exception, trace_id: str) -> InternalError:
    """Log a fault of the gateway's own and return what the caller is told of it.

    What is logged is where it happened and of which kind it is: an exception's
    message may quote what it tripped over.
    """
    _log.error(
        "request_failed",
        trace_id=trace_id,
        exception=type(exception).__qualname__,
        traceback=[
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(exception.__traceback__)
        ],
    )
    return InternalError(
        "The gateway failed. Its logs say why, under this error's trace id."
    )


def shutting_down() -> ServiceUnavailableError:
    """Say that a request outlived the time a stopping gateway waits."""
    return ServiceUnavailableError(
        "The gateway is shutting down and could not wait any longer.", service="edge"
    )


def _retry_headers(error: GatewayError, retry: Retry) -> list[Header]:
    wait_s = _seconds(error.metadata.get("retry_after_seconds"))
    if retry is Retry.NEVER or (retry is Retry.IF_TOLD_WHEN and wait_s is None):
        return [(b"x-should-retry", b"false")]
    if wait_s is None and retry is Retry.AFTER_A_WHILE:
        wait_s = SHORTEST_RETRY_AFTER_S
    told: list[Header] = [(b"x-should-retry", b"true")]
    if wait_s is not None:
        told.append((b"retry-after", str(wait_s).encode()))
    return told


def _seconds(text: str | None) -> int | None:
    try:
        return max(SHORTEST_RETRY_AFTER_S, math.ceil(float(text or "")))
    except (ValueError, OverflowError):
        return None


def _param(error: GatewayError) -> str | None:
    if error.reason == "NOT_SERVED" and error.metadata.get("field") in (
        NOT_SERVED_STATUSES
    ):
        return None
    return error.metadata.get("field") or _PARAM_OF_REASON.get(error.reason)


def _attempt(attempt: Attempt) -> dict[str, str | int | None]:
    return {
        "deployment": attempt.deployment_id,
        "outcome": attempt.outcome.name.lower().replace("_", "-"),
        "status": attempt.http_status or None,
    }


def _violations(error: GatewayError) -> dict[str, Any]:
    """Say where the last answer went wrong, where it is an answer that did."""
    told = error.metadata.get("violations")
    if told is None:
        return {}
    places = (line.rpartition(" ") for line in told.split("\n"))
    errors = [{"path": path, "keyword": keyword} for path, _, keyword in places]
    text = error.metadata.get("text")
    return {
        "validation_errors": errors,
        **({"text": text} if text is not None else {}),
    }


def _attempt_count(error: GatewayError) -> int:
    """Count the attempts: an error carries the last few of them only."""
    told = error.metadata.get("attempt_count", "")
    return int(told) if told.isdecimal() else len(error.attempts)
