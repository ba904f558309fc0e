"""Requests and attempts in OpenTelemetry's words."""

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from fakes.clock import Clock
from fakes.ledger import A, B, C, Call, refused, told
from holdfast.errors import ModelNotFoundError
from holdfast.model import GuardrailResult, Outcome, SessionAffinity, Usage
from holdfast.spans import attempt_span_id, request_span_id
from holdfast_resolver.telemetry.exporting import Exporting
from holdfast_resolver.telemetry.spans import span_of

RESOURCE = Resource({})


class Kept:
    """Keeps what is noted, for the test to write as spans."""

    def __init__(self) -> None:
        self.notes = []

    def send(self, notes) -> bool:
        self.notes += notes
        return True

    def close(self) -> None:
        """Do nothing."""


async def spans_of(tell):
    kept = Kept()
    exporting = Exporting(lambda: kept)
    tell(exporting)
    await exporting.flush()
    return [span_of(note, RESOURCE) for note in kept.notes]


@pytest.fixture
async def fallback():
    """Give the spans of a request that fell back twice."""
    request = told(
        Clock(),
        Call(A, Outcome.SERVER_ERROR, cost=0, usage=None, error="overloaded"),
        Call(B, Outcome.RATE_LIMITED, cost=0, usage=None),
        Call(C, cost=2_500, usage=Usage(100, 20, 60, 5, 3)),
        session="s",
        affinity=SessionAffinity.MOVED,
        tags={"team": "search"},
        guardrail_results=(GuardrailResult("cards", "input", "redact"),),
        parent_span_id="12" * 8,
    )
    return request.plan, await spans_of(request.tell)


async def test_three_attempts_are_three_spans_below_one(fallback):
    """With the request's span as their parent, and the caller's as its own."""
    plan, (first, second, third, request) = fallback

    trace_id = int(plan.trace_id, 16)
    ids = [span.context.span_id for span in (first, second, third)]
    assert {span.context.trace_id for span in (first, second, third, request)} == {
        trace_id
    }
    assert ids == [int(attempt_span_id(plan.plan_id, n), 16) for n in (1, 2, 3)]
    assert request.context.span_id == int(request_span_id(plan.plan_id), 16)
    assert {span.parent.span_id for span in (first, second, third)} == {
        request.context.span_id
    }
    assert request.parent.span_id == 0x1212121212121212
    assert request.parent.is_remote
    assert [span.kind for span in (first, request)] == [
        SpanKind.CLIENT,
        SpanKind.SERVER,
    ]


async def test_usage_is_there_once(fallback):
    """A backend that adds up all spans counts no token twice."""
    _, spans = fallback

    (used,) = [s for s in spans if "gen_ai.usage.input_tokens" in s.attributes]

    assert used.attributes["gen_ai.usage.input_tokens"] == 100
    assert used.attributes["gen_ai.usage.output_tokens"] == 20
    assert used.attributes["gen_ai.usage.cache_read.input_tokens"] == 60
    assert used.attributes["holdfast.cost_usd_nanos"] == 2_500


async def test_an_attempt_says_where_how_and_why_there(fallback):
    """Deployment, geography, outcome, time to first token, the plan's reason."""
    _, (first, _, third, _) = fallback

    assert first.name == "chat a/m-eu"
    assert first.attributes["gen_ai.provider.name"] == "a"
    assert first.attributes["holdfast.deployment.geography"] == "eu"
    assert first.attributes["holdfast.attempt.outcome"] == "server-error"
    assert first.attributes["error.type"] == "server-error"
    assert first.attributes["http.response.status_code"] == 503
    assert first.attributes["holdfast.step.reason"] == "hashed"
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description == "overloaded"
    assert third.attributes["gen_ai.response.time_to_first_chunk"] == 0.1
    assert "error.type" not in third.attributes
    assert third.end_time - third.start_time == 300_000_000


async def test_a_request_says_what_was_asked_and_who_served(fallback):
    """With its session, its tags and what guardrails did."""
    _, (*_, request) = fallback

    attributes = request.attributes
    assert request.name == "chat m"
    assert attributes["gen_ai.request.model"] == "m"
    assert attributes["gen_ai.response.model"] == "m"
    assert attributes["holdfast.deployment.id"] == "c/m-eu"
    assert attributes["holdfast.session.affinity"] == "moved"
    assert attributes["holdfast.attempts"] == 3
    assert attributes["holdfast.tag.team"] == "search"
    assert attributes["holdfast.guardrail.cards"] == "redact"
    assert attributes["holdfast.project"] == "web"
    assert request.status.status_code is StatusCode.UNSET
    assert request.end_time - request.start_time == 1_000_000_000


async def test_a_request_without_an_answer_is_an_error():
    """With the reason as its type."""
    request = told(Clock(), Call(A, Outcome.TIMED_OUT), error="DEADLINE_EXCEEDED")

    *_, span = await spans_of(request.tell)

    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "deadline_exceeded"
    assert "holdfast.deployment.id" not in span.attributes


async def test_a_refused_request_is_a_span_of_its_own():
    """Though nothing was tried."""
    error = ModelNotFoundError("There is no model 'x'.", model="x")

    (span,) = await spans_of(lambda to: refused(to, error, model="x"))

    assert span.attributes["error.type"] == "model_not_found"
    assert span.attributes["gen_ai.request.model"] == "x"
