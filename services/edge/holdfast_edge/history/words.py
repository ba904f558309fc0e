"""How the past is written: moments, spans of time, money, states, tokens."""

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from holdfast.api.ledger.v1 import trace_pb2 as pb
from holdfast.api.routing.v1 import attempt_pb2, plan_pb2

STATES = {
    pb.TRACE_STATE_RUNNING: "running",
    pb.TRACE_STATE_SUCCEEDED: "ok",
    pb.TRACE_STATE_FAILED: "error",
}
"""How far a request has come."""


def _words(kind: Any, prefix: str) -> dict[int, str]:
    return {
        number: name.removeprefix(prefix).lower().replace("_", "-")
        for name, number in kind.items()
    }


OUTCOMES = _words(attempt_pb2.AttemptOutcome, "ATTEMPT_OUTCOME_")
STEP_REASONS = _words(plan_pb2.StepReason, "STEP_REASON_")
EXCLUSION_REASONS = _words(plan_pb2.ExclusionReason, "EXCLUSION_REASON_")


def moment(at: Timestamp, plus: Duration | None = None) -> str:
    """Write a moment, or what comes so much later, to the millisecond in UTC."""
    ms = at.ToMilliseconds() + (0 if plus is None else plus.ToMilliseconds())
    shown = Timestamp()
    shown.FromMilliseconds(ms)
    whole: str = shown.ToJsonString().partition(".")[0].rstrip("Z")
    return f"{whole}.{ms % 1_000:03d}Z"


def milliseconds(span: Duration) -> float:
    """Write a span of time, to the microsecond."""
    return span.ToMicroseconds() / 1_000


def tokens(usage: attempt_pb2.Usage) -> dict[str, int]:
    """Write tokens, under OpenTelemetry's names, and all of them."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "reasoning_output_tokens": usage.reasoning_output_tokens,
        "total_tokens": total_tokens(usage),
    }


def total_tokens(usage: attempt_pb2.Usage) -> int:
    """Count all tokens."""
    return usage.input_tokens + usage.output_tokens
