"""Everything that can go wrong, once: a class, a status code, a reason.

* GatewayError
  * RequestMalformedError           INVALID_ARGUMENT    REQUEST_MALFORMED
  * JsonInvalidError                INVALID_ARGUMENT    JSON_INVALID
  * RequestTooLargeError            INVALID_ARGUMENT    REQUEST_TOO_LARGE
  * NotServedError                  UNIMPLEMENTED       NOT_SERVED
  * ApiKeyUnknownError              UNAUTHENTICATED     API_KEY_UNKNOWN
  * AdminKeyRequiredError           PERMISSION_DENIED   ADMIN_KEY_REQUIRED
  * RuntimeKeyRequiredError         PERMISSION_DENIED   RUNTIME_KEY_REQUIRED
  * AliasTargetUnknownError         INVALID_ARGUMENT    ALIAS_TARGET_UNKNOWN
  * AliasNestedError                INVALID_ARGUMENT    ALIAS_NESTED
  * ResourceNotFoundError           NOT_FOUND           RESOURCE_NOT_FOUND
  * ResourceExistsError             ALREADY_EXISTS      RESOURCE_EXISTS
  * ResourceInUseError              FAILED_PRECONDITION RESOURCE_IN_USE
  * DeclaredInFileError             FAILED_PRECONDITION DECLARED_IN_FILE
  * EditConflictError               ABORTED             EDIT_CONFLICT
  * GenerationGoneError             OUT_OF_RANGE        GENERATION_GONE
  * ModelNotFoundError              NOT_FOUND           MODEL_NOT_FOUND
  * NoDeploymentAllowedError        PERMISSION_DENIED   NO_DEPLOYMENT_ALLOWED
  * BudgetExhaustedError            RESOURCE_EXHAUSTED  BUDGET_EXHAUSTED
  * BudgetUnknownError              UNAVAILABLE         BUDGET_UNKNOWN
  * RateLimitedError                RESOURCE_EXHAUSTED  RATE_LIMITED
  * PlanRefusedError                PERMISSION_DENIED   PLAN_REFUSED
  * ServiceUnavailableError         UNAVAILABLE         SERVICE_UNAVAILABLE
  * InternalError                   INTERNAL            INTERNAL
  * ExecutionError                  (those that carry the attempts made)
    * AllAttemptsFailedError        UNAVAILABLE         ALL_ATTEMPTS_FAILED
    * AllAttemptsRateLimitedError   RESOURCE_EXHAUSTED  ALL_ATTEMPTS_RATE_LIMITED
    * AllDeploymentsUnavailableError UNAVAILABLE        ALL_DEPLOYMENTS_UNAVAILABLE
    * DeadlineExceededError         DEADLINE_EXCEEDED   DEADLINE_EXCEEDED
    * StreamInterruptedError        UNAVAILABLE         STREAM_INTERRUPTED
    * ProviderRejectedRequestError  INVALID_ARGUMENT    PROVIDER_REJECTED_REQUEST
    * ContextLengthExceededError    INVALID_ARGUMENT    CONTEXT_LENGTH_EXCEEDED
    * ContentFilteredError          INVALID_ARGUMENT    CONTENT_FILTERED
    * GuardrailBlockedError         PERMISSION_DENIED   GUARDRAIL_BLOCKED
    * StructuredOutputInvalidError  FAILED_PRECONDITION STRUCTURED_OUTPUT_INVALID

A message is for the caller: it says what was wrong and what to do, and holds
nothing of a prompt, an output or a secret.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from holdfast.model import Attempt


class GatewayError(Exception):
    """A failure a caller can act on.

    Raised deep inside and turned into a gRPC status or an OpenAI error body at
    the edge of a service, never in between.

    Attributes:
        code: The canonical gRPC status code.
        reason: What went wrong, for programs. A value of `ErrorReason`.
        message: What went wrong and what to do, for people.
        metadata: Every request-specific word of the message, for programs.
        attempts: What was tried before giving up. Empty where nothing was.
    """

    code: ClassVar[str]
    reason: ClassVar[str]

    def __init__(
        self, message: str, *, attempts: Sequence[Attempt] = (), **metadata: str
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata
        self.attempts = tuple(attempts)


class RequestMalformedError(GatewayError):
    """A field of the request is missing or wrong. Metadata: `field`."""

    code = "INVALID_ARGUMENT"
    reason = "REQUEST_MALFORMED"


class JsonInvalidError(GatewayError):
    """The body is no JSON. Metadata: `offset_bytes` where it is known."""

    code = "INVALID_ARGUMENT"
    reason = "JSON_INVALID"


class RequestTooLargeError(GatewayError):
    """The body is larger than a request may be. Metadata: `limit_bytes`."""

    code = "INVALID_ARGUMENT"
    reason = "REQUEST_TOO_LARGE"


class NotServedError(GatewayError):
    """The path, method or media type is none that is served. Metadata: `field`."""

    code = "UNIMPLEMENTED"
    reason = "NOT_SERVED"


class ApiKeyUnknownError(GatewayError):
    """There is no API key, or it is unknown or disabled."""

    code = "UNAUTHENTICATED"
    reason = "API_KEY_UNKNOWN"


class AdminKeyRequiredError(GatewayError):
    """The API key lacks the right to administrate."""

    code = "PERMISSION_DENIED"
    reason = "ADMIN_KEY_REQUIRED"


class RuntimeKeyRequiredError(GatewayError):
    """The API key administrates, and such a key calls no models."""

    code = "PERMISSION_DENIED"
    reason = "RUNTIME_KEY_REQUIRED"


class AliasTargetUnknownError(GatewayError):
    """An alias names something that does not exist.

    Metadata: `field`, `target`.
    """

    code = "INVALID_ARGUMENT"
    reason = "ALIAS_TARGET_UNKNOWN"


class AliasNestedError(GatewayError):
    """An alias names an alias. Metadata: `field`, `target`."""

    code = "INVALID_ARGUMENT"
    reason = "ALIAS_NESTED"


class ResourceNotFoundError(GatewayError):
    """There is none of that kind and name, or the key may not see it.

    Metadata: `kind`, `name`.
    """

    code = "NOT_FOUND"
    reason = "RESOURCE_NOT_FOUND"


class ResourceExistsError(GatewayError):
    """There is one of that name, or the name means something else.

    Metadata: `kind`, `name`.
    """

    code = "ALREADY_EXISTS"
    reason = "RESOURCE_EXISTS"


class ResourceInUseError(GatewayError):
    """Something else still needs it. Metadata: `kind`, `name`."""

    code = "FAILED_PRECONDITION"
    reason = "RESOURCE_IN_USE"


class DeclaredInFileError(GatewayError):
    """The configuration file declares it, so that nothing else may change it.

    Metadata: `kind`, `name`.
    """

    code = "FAILED_PRECONDITION"
    reason = "DECLARED_IN_FILE"


class EditConflictError(GatewayError):
    """Somebody has changed it since the caller read it.

    Metadata: `kind`, `name`, `etag` (the one it has now).
    """

    code = "ABORTED"
    reason = "EDIT_CONFLICT"


class GenerationGoneError(GatewayError):
    """A generation is older than what is kept, or not there yet.

    Metadata: `generation`, `oldest`, `newest`.
    """

    code = "OUT_OF_RANGE"
    reason = "GENERATION_GONE"


class CsrfTokenMissingError(GatewayError):
    """A browser's session does not show that a page of ours sent the request.

    Metadata: `field`.
    """

    code = "PERMISSION_DENIED"
    reason = "CSRF_TOKEN_MISSING"


class ModelNotFoundError(GatewayError):
    """The name is no model, alias or deployment of the caller's.

    Metadata: `model`.
    """

    code = "NOT_FOUND"
    reason = "MODEL_NOT_FOUND"


class NoDeploymentAllowedError(GatewayError):
    """The name has deployments, and every one is excluded.

    Metadata: `model`, `excluded_count`, `revision`.
    """

    code = "PERMISSION_DENIED"
    reason = "NO_DEPLOYMENT_ALLOWED"


class BudgetExhaustedError(GatewayError):
    """Nothing is left of a budget of the caller's.

    Metadata: `budget_id`, `limit_usd`, `reset_time` (RFC 3339).
    """

    code = "RESOURCE_EXHAUSTED"
    reason = "BUDGET_EXHAUSTED"


class BudgetUnknownError(GatewayError):
    """What is spent is not known now, and a budget says to refuse calls then.

    Metadata: `budget_id`.
    """

    code = "UNAVAILABLE"
    reason = "BUDGET_UNKNOWN"


class RateLimitedError(GatewayError):
    """The key's own rate is used up. Metadata: `limit`, `retry_after_seconds`."""

    code = "RESOURCE_EXHAUSTED"
    reason = "RATE_LIMITED"


class PlanRefusedError(GatewayError):
    """The plan is altered, expired, or signed with an unknown key.

    Metadata: `key_id`.
    """

    code = "PERMISSION_DENIED"
    reason = "PLAN_REFUSED"


class ServiceUnavailableError(GatewayError):
    """A service of the gateway itself could not be reached. Metadata: `service`."""

    code = "UNAVAILABLE"
    reason = "SERVICE_UNAVAILABLE"


class InternalError(GatewayError):
    """A fault of the gateway's own; the trace id finds it in the logs."""

    code = "INTERNAL"
    reason = "INTERNAL"


class ExecutionError(GatewayError):
    """A plan was carried out and gave no answer. Carries the attempts.

    Metadata: `plan_id`, `attempt_count`; `revision` unless part of an answer had
    gone out.
    """


class AllAttemptsFailedError(ExecutionError):
    """Every attempt failed, for reasons of more than one kind.

    Metadata: `retry_after_seconds` too, if some of them may pass.
    """

    code = "UNAVAILABLE"
    reason = "ALL_ATTEMPTS_FAILED"


class AllAttemptsRateLimitedError(ExecutionError):
    """Every attempt was rate limited. Metadata: `retry_after_seconds` too."""

    code = "RESOURCE_EXHAUSTED"
    reason = "ALL_ATTEMPTS_RATE_LIMITED"


class AllDeploymentsUnavailableError(ExecutionError):
    """No deployment could be reached, or none answered in time."""

    code = "UNAVAILABLE"
    reason = "ALL_DEPLOYMENTS_UNAVAILABLE"


class DeadlineExceededError(ExecutionError):
    """The request's own time ran out before any deployment answered."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


class StreamInterruptedError(ExecutionError):
    """The stream broke after output was passed on. Metadata: `deployment_id` too."""

    code = "UNAVAILABLE"
    reason = "STREAM_INTERRUPTED"


class ProviderRejectedRequestError(ExecutionError):
    """The provider refused the request as malformed.

    Metadata: `deployment_id`, `http_status`; `field`, `provider_code` where known.
    """

    code = "INVALID_ARGUMENT"
    reason = "PROVIDER_REJECTED_REQUEST"


class ContextLengthExceededError(ExecutionError):
    """The request is longer than every deployment takes.

    Metadata: `deployment_id`, `http_status`.
    """

    code = "INVALID_ARGUMENT"
    reason = "CONTEXT_LENGTH_EXCEEDED"


class ContentFilteredError(ExecutionError):
    """The provider's content filter refused the request.

    Metadata: `deployment_id`, `http_status`.
    """

    code = "INVALID_ARGUMENT"
    reason = "CONTENT_FILTERED"


class GuardrailBlockedError(ExecutionError):
    """A guardrail stopped the request, or its answer.

    Metadata: `guardrail_id`, and `stage`: `input` or `output`.
    """

    code = "PERMISSION_DENIED"
    reason = "GUARDRAIL_BLOCKED"


class StructuredOutputInvalidError(ExecutionError):
    """No deployment gave an answer that fits the request's `response_format`.

    Metadata: `deployment_id` and `violations`, those of the last such answer: a
    line each, a JSON pointer, a space and what it offends against. `text`, the
    beginning of that answer, where the project keeps content. `retry_after_seconds`
    where other deployments failed in ways that may pass.
    """

    code = "FAILED_PRECONDITION"
    reason = "STRUCTURED_OUTPUT_INVALID"


def _leaves(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    if hasattr(kind, "reason"):
        yield kind
    for below in kind.__subclasses__():
        yield from _leaves(below)


BY_REASON = {kind.reason: kind for kind in _leaves(GatewayError)}
"""Every kind of failure by its reason: how a client rebuilds what was raised."""
