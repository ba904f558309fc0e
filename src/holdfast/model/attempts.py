"""What came of calling deployments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import MappingProxyType

from holdfast.model.guardrails import GuardrailResult
from holdfast.model.plans import SessionAffinity, StepReason


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider reported them, named as in `gen_ai.usage.*`.

    Attributes:
        input_tokens: All of them, those read from or written to the cache too.
        output_tokens: All of them, reasoning included.
        inference_geo: Where the provider says it worked, in its own word. Empty
            if it says nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    reasoning_output_tokens: int = 0
    inference_geo: str = ""


class Outcome(Enum):
    """How an attempt ended. Mirrors `AttemptOutcome` in attempt.proto."""

    SUCCEEDED = 1
    RATE_LIMITED = 2
    SERVER_ERROR = 3
    CONNECTION_FAILED = 4
    TIMED_OUT = 5
    INTERRUPTED = 6
    PARSE_FAILED = 7
    REJECTED = 8
    UNUSABLE = 9
    BLOCKED = 10
    CANCELLED = 11
    CAPABILITY_MISSING = 12
    TOO_LONG = 13
    FILTERED = 14
    EXECUTOR_LOST = 15


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the rate limit that is nearest to its end.

    Attributes:
        remaining_share: From 0 to 1.
        resets_in: When it is full again. None if the provider did not say.
    """

    remaining_share: float
    resets_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of one deployment, and how it ended. Holds no prompt or output.

    Attributes:
        ordinal: Its place in its request, from 1.
        http_status: The provider's. Zero if there was no response.
        error_message: What went wrong, at most 200 characters.
        start_time_ms: When the call was sent, in Unix milliseconds.
        first_token: From sending to the first content. None if none came.
        retry_after: How long the provider asked to be left alone.
        cost_usd_nanos: Zero if usage or pricing is unknown.
        credential: The name of the provider's credential that it was made with.
            Empty if none was shown.
        allowance: None unless the provider said that little is left.
        observed_geography: Where the work was done, where that contradicts the
            deployment's geography. Empty if nothing does.
        left_out: Names of the caller's fields that the provider's format has no
            counterpart for, so that they were not sent.
        step_reason: Why its step stood where it did. None if that is not known.
        cache_saving_usd_nanos: What the provider's prompt cache saved; negative
            where writing it cost more.
    """

    ordinal: int
    deployment_id: str
    outcome: Outcome
    http_status: int = 0
    error_message: str = ""
    start_time_ms: int = 0
    duration: timedelta = timedelta()
    first_token: timedelta | None = None
    retry_after: timedelta | None = None
    usage: Usage | None = None
    cost_usd_nanos: int = 0
    credential: str = ""
    allowance: Allowance | None = None
    observed_geography: str = ""
    left_out: tuple[str, ...] = ()
    step_reason: StepReason | None = None
    cache_saving_usd_nanos: int = 0


CANCELLED = "CANCELLED"
"""The reason of a request whose caller went away before it had its answer."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a request ended, told once; see `Finished` in resolver_service.proto.

    Attributes:
        surface: Which API it was written in, e.g. `chat_completions`.
        start_time_ms: When the executor took it, in Unix milliseconds.
        duration: From then to its end.
        first_token: From then to the first content of a streamed answer.
        deployment_id: Who served it. Empty: nobody.
        error_reason: Why there was no answer. Empty: there was one.
        cost_usd_nanos: Of all its attempts.
        request_content: Its body, where the project keeps content.
        response_content: What the caller got, likewise.
        content_bytes_left_out: How much of both was too much to keep.
        fell_back: Whether attempts were made at more than one deployment.
    """

    trace_id: str
    requested_model: str
    surface: str
    streamed: bool
    start_time_ms: int
    duration: timedelta
    parent_span_id: str = ""
    revision: str = ""
    first_token: timedelta | None = None
    deployment_id: str = ""
    response_model: str = ""
    error_reason: str = ""
    session_affinity: SessionAffinity = SessionAffinity.NONE
    attempt_count: int = 0
    cost_usd_nanos: int = 0
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    guardrail_results: tuple[GuardrailResult, ...] = ()
    request_content: bytes = field(default=b"", repr=False)
    response_content: bytes = field(default=b"", repr=False)
    content_bytes_left_out: int = 0
    fell_back: bool = False
