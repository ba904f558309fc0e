"""From rows of the ledger to what is told of requests: pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from holdfast import convert
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.ledger.v1 import trace_pb2 as pb
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb
from holdfast.api.routing.v1 import attempt_pb2, plan_pb2
from holdfast.model import (
    Attempt,
    ExclusionReason,
    GuardrailResult,
    Outcome,
    SessionAffinity,
    StepReason,
    Usage,
)
from holdfast_resolver.ledger import layout
from holdfast_resolver.ledger.layout import Layout
from holdfast_resolver.plan_ids import made_ms
from holdfast_resolver.words import (
    AFFINITIES,
    EXCLUSION_REASONS,
    OUTCOMES,
    STEP_REASONS,
)

Found = Mapping[str, Any]
"""A row, by the names of its columns."""

_OUTCOMES: Mapping[str, Outcome] = {word: each for each, word in OUTCOMES.items()}
_STEP_REASONS: Mapping[str, StepReason] = {w: e for e, w in STEP_REASONS.items()}
_EXCLUSION_REASONS: Mapping[str, ExclusionReason] = {
    word: each for each, word in EXCLUSION_REASONS.items()
}
_AFFINITIES: Mapping[str, SessionAffinity] = {w: e for e, w in AFFINITIES.items()}

_steps = msgspec.json.Decoder(list[tuple[str, str, int | None]])
_exclusions = msgspec.json.Decoder(list[tuple[str, str, str]])
_guardrails = msgspec.json.Decoder(list[GuardrailResult])
_texts = msgspec.json.Decoder(list[str])


def named(described: Layout, rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Name the values of rows; what they have beyond the layout is left out."""
    names = [column.name for column in described.columns]
    return [dict(zip(names, row, strict=False)) for row in rows]


def request(row: Found) -> pb.TracedRequest:
    """Tell of a request that has ended."""
    told = pb.TracedRequest(
        plan_id=row["plan_id"],
        trace_id=row["trace_id"],
        parent_span_id=row["parent_span_id"],
        caller=_caller(row),
        requested_model=row["requested_model"],
        surface=row["surface"],
        streamed=bool(row["streamed"]),
        state=pb.TRACE_STATE_FAILED
        if row["error_reason"]
        else pb.TRACE_STATE_SUCCEEDED,
        start_time=_moment(row["start_ms"]),
        total_duration=convert.duration_to_wire(_span(row["duration_us"])),
        served_by=_place(row),
        response_model=row["response_model"],
        error_reason=row["error_reason"],
        error_message=row["error_message"],
        session_affinity=_affinity(row["session_affinity"]),
        session_key=row["session_key"],
        attempt_count=row["attempt_count"],
        fell_back=bool(row["fell_back"]),
        revision=row["revision"],
        content_bytes_left_out=row["content_bytes_left_out"],
    )
    if row["first_token_us"] is not None:
        first = convert.duration_to_wire(_span(row["first_token_us"]))
        told.first_token_duration.CopyFrom(first)
    if row["guardrails"]:
        told.guardrail_results.extend(
            resolver_pb.GuardrailResult(
                guardrail=result.guardrail,
                stage=result.stage,
                action=result.action,
                match_count=result.match_count,
                matched=result.matched,
            )
            for result in _guardrails.decode(row["guardrails"])
        )
    return told


def running(plan: Found) -> pb.TracedRequest:
    """Tell of a request whose end nobody has told."""
    return pb.TracedRequest(
        plan_id=plan["plan_id"],
        trace_id=plan["trace_id"],
        parent_span_id=plan["parent_span_id"],
        caller=_caller(plan),
        requested_model=plan["requested_model"],
        state=pb.TRACE_STATE_RUNNING,
        start_time=_moment(made_ms(plan["plan_id"])),
        session_affinity=_affinity(plan["session_affinity"]),
        session_key=plan["session_key"],
        revision=plan["revision"],
    )


def add_spent(told: pb.TracedRequest, row: Sequence[Any]) -> None:
    """Tell what a request's attempts used and cost.

    Args:
        told: The request.
        row: Its plan's id, and sums.
    """
    _, *sums = row
    *tokens, cost, saving = map(int, sums)
    told.cost_usd_nanos, told.cache_saving_usd_nanos = cost, saving
    fresh, written, cached, created, reasoned = tokens
    told.usage.CopyFrom(
        attempt_pb2.Usage(
            input_tokens=fresh,
            output_tokens=written,
            cache_read_input_tokens=cached,
            cache_creation_input_tokens=created,
            reasoning_output_tokens=reasoned,
        )
    )


def add_plan(told: pb.TracedRequest, plan: Found, exclusions: str | None) -> None:
    """Tell what was to be tried for a request, and what was left out."""
    told.bound_deployment_id = plan["bound_deployment_id"]
    for deployment_id, reason, cooldown_ms in _steps.decode(plan["steps"]):
        told.steps.add(
            deployment_id=deployment_id,
            reason=plan_pb2.StepReason.ValueType(_STEP_REASONS[reason].value),
            cooldown=None
            if cooldown_ms is None
            else convert.duration_to_wire(timedelta(milliseconds=cooldown_ms)),
        )
    for deployment_id, why, rule in _exclusions.decode(exclusions or "[]"):
        told.exclusions.add(
            deployment_id=deployment_id,
            reason=plan_pb2.ExclusionReason.ValueType(_EXCLUSION_REASONS[why].value),
            rule=rule,
        )


def add_attempt(told: pb.TracedRequest, row: Found) -> None:
    """Tell how an attempt of a request ended."""
    first, retry_after = row["first_token_us"], row["retry_after_ms"]
    attempt = Attempt(
        ordinal=row["ordinal"],
        deployment_id=row["deployment_id"],
        outcome=_OUTCOMES[row["outcome"]],
        http_status=row["http_status"],
        error_message=row["error_message"],
        start_time_ms=row["start_ms"],
        duration=_span(row["duration_us"]),
        first_token=None if first is None else _span(first),
        retry_after=None if retry_after is None else _span(retry_after * 1_000),
        usage=Usage(
            row["input_tokens"],
            row["output_tokens"],
            row["cache_read_input_tokens"],
            row["cache_creation_input_tokens"],
            row["reasoning_output_tokens"],
        ),
        cost_usd_nanos=row["cost_usd_nanos"],
        credential=row["credential"],
        observed_geography=row["observed_geography"],
        left_out=tuple(_texts.decode(row["left_out"] or "[]")),
        step_reason=_STEP_REASONS.get(row["step_reason"]),
        cache_saving_usd_nanos=row["cache_saving_usd_nanos"],
    )
    told.attempts.add(attempt=convert.attempt_to_wire(attempt), place=_place(row))


def add_content(told: pb.TracedRequest, row: Found) -> None:
    """Tell what was said in a request."""
    told.content.request = row["request"]
    told.content.response = row["response"]
    told.content.expire_time.CopyFrom(_moment(row["expires_ms"]))


def turn(row: Sequence[Any]) -> pb.Turn:
    """Tell of another request of a session."""
    trace_id, plan_id, start_ms, deployment_id, affinity = row
    return pb.Turn(
        trace_id=trace_id,
        plan_id=plan_id,
        start_time=_moment(start_ms),
        deployment_id=deployment_id,
        session_affinity=_affinity(affinity),
    )


def requests(rows: Iterable[Sequence[Any]]) -> list[pb.TracedRequest]:
    """Tell of requests that have ended."""
    return [request(row) for row in named(layout.REQUESTS, rows)]


def _caller(row: Found) -> caller_pb2.Caller:
    return caller_pb2.Caller(
        organization_id=row["organization_id"],
        project_id=row["project_id"],
        api_key_id=row["api_key_id"],
    )


def _place(row: Found) -> pb.Place:
    return pb.Place(
        deployment_id=row["deployment_id"],
        model_id=row["model_id"],
        provider_id=row["provider_id"],
        geography=row["geography"],
        region=row["region"],
    )


def _affinity(word: str) -> plan_pb2.SessionAffinity.ValueType:
    known = _AFFINITIES.get(word, SessionAffinity.UNKNOWN)
    return plan_pb2.SessionAffinity.ValueType(known.value)


def _moment(ms: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(ms)
    return moment


def _span(us: int) -> timedelta:
    return timedelta(microseconds=us)
