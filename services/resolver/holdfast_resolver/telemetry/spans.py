"""Requests and attempts as spans in OpenTelemetry's words: imported by who sends alone.

Names are those of the conventions for generative AI (`gen_ai.*`) where there is one.
Usage is on attempts alone, so that a backend that adds it up counts it once. Nothing
of a prompt or an output is in any of it.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from holdfast.model import Caller, Capability, Deployment, Outcome
from holdfast.spans import attempt_span_id, request_span_id
from holdfast_resolver.plan_ids import made_ms
from holdfast_resolver.telemetry.exporting import (
    AttemptNote,
    Note,
    RefusalNote,
    RequestNote,
)
from holdfast_resolver.words import AFFINITIES, OUTCOMES, STEP_REASONS

_SERVICE = "holdfast"
"""What it is called unless OTEL_SERVICE_NAME says otherwise."""

_MS = 1_000_000
"""In nanoseconds."""

_EMBEDDINGS = "embeddings"
_CHAT = "chat"

Value = str | bool | int | float | Sequence[str]


class OtlpSender:
    """Sends over OTLP with HTTP, as the environment says where and how."""

    def __init__(self) -> None:
        """Prepare; nothing is sent yet."""
        self._resource = Resource({SERVICE_NAME: _SERVICE}).merge(_told())
        self._exporter = OTLPSpanExporter()

    def send(self, notes: Sequence[Note]) -> bool:
        """Send notes as spans, and say whether they were taken."""
        spans = [span_of(note, self._resource) for note in notes]
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def _told() -> Resource:
    """Return what the environment says of this process, and the SDK of itself."""
    told = Resource.create()
    unnamed = str(told.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    kept = {
        name: value
        for name, value in told.attributes.items()
        if name != SERVICE_NAME or not unnamed
    }
    return Resource(kept)


def span_of(note: Note, resource: Resource) -> ReadableSpan:
    """Write what was noted as a span."""
    if isinstance(note, AttemptNote):
        return _attempt(note, resource)
    if isinstance(note, RequestNote):
        return _request(note, resource)
    return _refusal(note, resource)


def _attempt(note: AttemptNote, resource: Resource) -> ReadableSpan:
    report, attempt, deployment = note.report, note.attempt, note.deployment
    outcome = OUTCOMES[attempt.outcome]
    begins = attempt.start_time_ms * _MS
    attributes: dict[str, Value | None] = {
        "gen_ai.operation.name": _operation(deployment),
        "gen_ai.request.model": deployment.provider_model if deployment else None,
        **_place(attempt.deployment_id, deployment),
        **_of_caller(report.caller),
        "holdfast.plan.id": report.plan_id,
        "holdfast.attempt.ordinal": attempt.ordinal,
        "holdfast.attempt.outcome": outcome,
        "holdfast.step.reason": STEP_REASONS[attempt.step_reason]
        if attempt.step_reason
        else None,
        "holdfast.credential": attempt.credential,
        "holdfast.observed_geography": attempt.observed_geography,
        "holdfast.left_out": attempt.left_out or None,
        "holdfast.cost_usd_nanos": attempt.cost_usd_nanos,
        "holdfast.cache_saving_usd_nanos": attempt.cache_saving_usd_nanos,
        "http.response.status_code": attempt.http_status or None,
        "gen_ai.response.time_to_first_chunk": _seconds(attempt.first_token),
        "holdfast.retry_after": _seconds(attempt.retry_after),
    }
    if attempt.usage is not None:
        usage = attempt.usage
        attributes |= {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_input_tokens,
            "gen_ai.usage.cache_creation.input_tokens": (
                usage.cache_creation_input_tokens
            ),
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_output_tokens,
        }
    is_error = attempt.outcome is not Outcome.SUCCEEDED
    if is_error:
        attributes["error.type"] = outcome
    return ReadableSpan(
        f"{_operation(deployment)} {attempt.deployment_id}",
        _context(report.trace_id, attempt_span_id(report.plan_id, attempt.ordinal)),
        _context(report.trace_id, request_span_id(report.plan_id)),
        resource,
        _given(attributes),
        kind=SpanKind.CLIENT,
        status=_status(attempt.error_message or outcome if is_error else ""),
        start_time=begins,
        end_time=begins + _nanoseconds(attempt.duration),
        instrumentation_scope=_SCOPE,
    )


def _request(note: RequestNote, resource: Resource) -> ReadableSpan:
    report, finished = note.report, note.report.finished
    assert finished is not None  # noqa: S101 - that is why it was noted
    begins = finished.start_time_ms * _MS
    operation = _EMBEDDINGS if finished.surface == _EMBEDDINGS else _CHAT
    attributes: dict[str, Value | None] = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": finished.requested_model,
        "gen_ai.response.model": finished.response_model,
        "gen_ai.conversation.id": report.session_key,
        **_place(finished.deployment_id, note.deployment),
        **_of_caller(report.caller),
        "holdfast.plan.id": report.plan_id,
        "holdfast.surface": finished.surface,
        "holdfast.streamed": finished.streamed,
        "holdfast.attempts": finished.attempt_count,
        "holdfast.session.affinity": AFFINITIES[finished.session_affinity],
        "holdfast.revision": finished.revision,
        "gen_ai.response.time_to_first_chunk": _seconds(finished.first_token),
        "error.type": finished.error_reason.lower(),
        **{f"holdfast.tag.{name}": value for name, value in finished.tags.items()},
        **{
            f"holdfast.guardrail.{each.guardrail}": each.action
            for each in finished.guardrail_results
        },
    }
    return ReadableSpan(
        f"{operation} {finished.requested_model}",
        _context(finished.trace_id, request_span_id(report.plan_id)),
        _context(finished.trace_id, finished.parent_span_id, is_remote=True)
        if finished.parent_span_id
        else None,
        resource,
        _given(attributes),
        kind=SpanKind.SERVER,
        status=_status(finished.error_reason.lower()),
        start_time=begins,
        end_time=begins + _nanoseconds(finished.duration),
        instrumentation_scope=_SCOPE,
    )


def _refusal(note: RefusalNote, resource: Resource) -> ReadableSpan:
    request, begins = note.request, made_ms(note.plan_id) * _MS
    reason = note.error.reason.lower()
    return ReadableSpan(
        f"{_CHAT} {request.model}",
        _context(request.trace_id, request_span_id(note.plan_id)),
        _context(request.trace_id, request.parent_span_id, is_remote=True)
        if request.parent_span_id
        else None,
        resource,
        _given(
            {
                "gen_ai.operation.name": _CHAT,
                "gen_ai.request.model": request.model,
                "error.type": reason,
                **_of_caller(note.caller),
            }
        ),
        kind=SpanKind.SERVER,
        status=_status(reason),
        start_time=begins,
        end_time=begins,
        instrumentation_scope=_SCOPE,
    )


_SCOPE = InstrumentationScope("holdfast")


def _context(trace_id: str, span_id: str, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(
        int(trace_id or "0", 16),
        int(span_id, 16),
        is_remote,
        TraceFlags(TraceFlags.SAMPLED),
    )


def _operation(deployment: Deployment | None) -> str:
    if deployment is not None and Capability.EMBEDDINGS in deployment.capabilities:
        return _EMBEDDINGS
    return _CHAT


def _place(deployment_id: str, deployment: Deployment | None) -> dict[str, Value]:
    if deployment is None:
        return {"holdfast.deployment.id": deployment_id}
    return {
        "gen_ai.provider.name": deployment.provider_id,
        "holdfast.deployment.id": deployment_id,
        "holdfast.deployment.geography": deployment.geography,
        "holdfast.deployment.region": deployment.region,
        "holdfast.model": deployment.model_id,
    }


def _of_caller(caller: Caller) -> dict[str, Value]:
    return {
        "holdfast.organization": caller.organization_id,
        "holdfast.project": caller.project_id,
        "holdfast.key": caller.api_key_id,
    }


def _given(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    """Leave out what is not known."""
    return {name: v for name, v in attributes.items() if v is not None and v != ""}


def _status(why: str) -> Status:
    return Status(StatusCode.ERROR, why) if why else Status(StatusCode.UNSET)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _nanoseconds(span: timedelta) -> int:
    return (span // timedelta(microseconds=1)) * 1_000
