"""One trace as it is shown: its requests, and what was tried for each, as spans."""

from collections.abc import Sequence
from typing import Any

from holdfast.api.ledger.v1 import trace_pb2 as pb
from holdfast.api.routing.v1 import plan_pb2
from holdfast.pricing import usd
from holdfast.spans import attempt_span_id, request_span_id
from holdfast_edge.history.words import (
    EXCLUSION_REASONS,
    OUTCOMES,
    STATES,
    STEP_REASONS,
    milliseconds,
    moment,
    tokens,
    total_tokens,
)
from holdfast_edge.served import AFFINITIES, UNKNOWN

_SUCCEEDED = "succeeded"


def summary(request: pb.TracedRequest) -> dict[str, Any]:
    """Write what a list shows of a request."""
    ended = request.HasField("total_duration")
    served, caller = request.served_by, request.caller
    return {
        "id": request.trace_id,
        "request_id": request.plan_id,
        "name": request.requested_model,
        "status": STATES.get(request.state, "running"),
        "error": request.error_reason.lower() or None,
        "error_message": request.error_message or None,
        "start_time": moment(request.start_time),
        "end_time": moment(request.start_time, request.total_duration)
        if ended
        else None,
        "duration_ms": round(milliseconds(request.total_duration)) if ended else None,
        "ttft_ms": milliseconds(request.first_token_duration)
        if request.HasField("first_token_duration")
        else None,
        "surface": request.surface or None,
        "streamed": request.streamed,
        "organization": caller.organization_id,
        "project": caller.project_id,
        "key": caller.api_key_id,
        "requested_model": request.requested_model,
        "model": served.model_id or None,
        "response_model": request.response_model or None,
        **_place(served),
        "attempts": request.attempt_count,
        "fallback": request.fell_back,
        "session": request.session_key or None,
        "session_affinity": AFFINITIES.get(request.session_affinity, "none"),
        "total_tokens": total_tokens(request.usage),
        "usage": tokens(request.usage),
        "cost": usd(request.cost_usd_nanos),
        "saving": usd(request.cache_saving_usd_nanos),
        "tags": dict(sorted(request.tags.items())),
        "revision": request.revision,
    }


def trace(trace_id: str, requests: Sequence[pb.TracedRequest]) -> dict[str, Any]:
    """Write all that is known of a trace."""
    summaries = [summary(request) for request in requests]
    first, last = summaries[0], summaries[-1]
    spans = [span for request in requests for span in _spans(request)]
    states = {each["status"] for each in summaries}
    ends = [each["end_time"] for each in summaries]
    end_time = None if None in ends else max(ends)
    contents = [_content(request) for request in requests]
    return {
        "id": trace_id,
        "name": first["name"],
        "status": next((s for s in ("running", "error") if s in states), "ok"),
        "start_time": first["start_time"],
        "end_time": end_time,
        "duration_ms": _between(requests) if end_time else None,
        "total_tokens": sum(each["total_tokens"] for each in summaries),
        "cost": usd(sum(request.cost_usd_nanos for request in requests)),
        "saving": usd(sum(request.cache_saving_usd_nanos for request in requests)),
        "input": contents[0]["input"],
        "output": contents[-1]["output"],
        "tags": last["tags"],
        "span_count": len(spans),
        "spans": spans,
        "events": [event for request in requests for event in _events(request)],
    }


def _between(requests: Sequence[pb.TracedRequest]) -> int:
    """Say how long it was from the first request's beginning to the last one's end."""
    begins = min(each.start_time.ToMilliseconds() for each in requests)
    ends = max(
        each.start_time.ToMilliseconds() + each.total_duration.ToMilliseconds()
        for each in requests
    )
    return ends - begins


def _spans(request: pb.TracedRequest) -> list[dict[str, Any]]:
    told = summary(request)
    root = request_span_id(request.plan_id)
    content = _content(request)
    return [
        {
            "id": root,
            "trace_id": request.trace_id,
            "parent_id": request.parent_span_id or None,
            "name": told["name"],
            "type": "request",
            "status": told["status"],
            "start_time": told["start_time"],
            "end_time": told["end_time"],
            "duration_ms": told["duration_ms"],
            "error": told["error_message"] or told["error"],
            "tags": told["tags"],
            "data": {
                **content,
                "model": told["deployment"] or told["requested_model"],
                "total_tokens": told["total_tokens"],
            },
            "meta": {
                **_of_request(told),
                "model": told["deployment"],
                "plan": _plan(request),
                "session": _session(request),
                "guardrails": [_guardrail(each) for each in request.guardrail_results],
                "content": _kept(request),
            },
        },
        *(_attempt(request, attempt, root) for attempt in request.attempts),
    ]


_IN_THE_SPAN = frozenset(
    {"id", "name", "status", "start_time", "end_time", "duration_ms", "tags", "session"}
)


def _of_request(told: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in told.items() if name not in _IN_THE_SPAN}


def _attempt(
    request: pb.TracedRequest, told: pb.TracedAttempt, root: str
) -> dict[str, Any]:
    attempt = told.attempt
    outcome = OUTCOMES[attempt.outcome]
    has = attempt.HasField
    return {
        "id": attempt_span_id(request.plan_id, attempt.ordinal),
        "trace_id": request.trace_id,
        "parent_id": root,
        "name": attempt.deployment_id,
        "type": "attempt",
        "status": "ok" if outcome == _SUCCEEDED else "error",
        "start_time": moment(attempt.start_time),
        "end_time": moment(attempt.start_time, attempt.total_duration),
        "duration_ms": round(milliseconds(attempt.total_duration)),
        "error": None if outcome == _SUCCEEDED else attempt.error_message or outcome,
        "tags": {},
        "data": {
            "model": attempt.deployment_id,
            "total_tokens": total_tokens(attempt.usage),
        },
        "meta": {
            "attempt": attempt.ordinal,
            "deployment_id": attempt.deployment_id,
            "model": told.place.model_id or None,
            **_place(told.place),
            "outcome": outcome,
            "error_class": None if outcome == _SUCCEEDED else outcome,
            "http_status": attempt.http_status or None,
            "latency_ms": milliseconds(attempt.total_duration),
            "ttft_ms": milliseconds(attempt.first_token_duration)
            if has("first_token_duration")
            else None,
            "retry_after_ms": milliseconds(attempt.retry_after)
            if has("retry_after")
            else None,
            "step_reason": STEP_REASONS[attempt.step_reason]
            if attempt.step_reason
            else None,
            "sticky": _sticky(request, attempt.deployment_id),
            "credential": attempt.credential or None,
            "observed_geography": attempt.observed_geography or None,
            "left_out": list(attempt.left_out),
            "usage": tokens(attempt.usage),
            "cost": usd(attempt.cost_usd_nanos),
            "saving": usd(attempt.cache_saving_usd_nanos),
        },
    }


def _sticky(request: pb.TracedRequest, deployment_id: str) -> str | None:
    """Say whether an attempt was where the session was bound to."""
    if not request.session_key:
        return None
    bound = request.bound_deployment_id
    if not bound:
        return "miss"
    return "hit" if bound == deployment_id else "moved"


def _place(place: pb.Place) -> dict[str, Any]:
    return {
        "deployment": place.deployment_id or None,
        "provider": place.provider_id or None,
        "geography": (place.geography or UNKNOWN) if place.deployment_id else None,
        "region": place.region or None,
    }


def _plan(request: pb.TracedRequest) -> dict[str, Any]:
    tried = {each.attempt.deployment_id for each in request.attempts}
    return {
        "steps": [
            {
                "place": place,
                "deployment": step.deployment_id,
                "reason": STEP_REASONS[step.reason],
                "cooldown_seconds": step.cooldown.ToMilliseconds() / 1_000
                if step.HasField("cooldown")
                else None,
                "attempted": step.deployment_id in tried,
            }
            for place, step in enumerate(request.steps, start=1)
        ],
        "exclusions": [
            {
                "deployment": each.deployment_id,
                "reason": EXCLUSION_REASONS[each.reason],
                "rule": each.rule,
            }
            for each in request.exclusions
        ],
    }


def _session(request: pb.TracedRequest) -> dict[str, Any] | None:
    """Write what is known of a session, and between which turns it moved."""
    if not request.session_key:
        return None
    history: list[dict[str, Any]] = []
    before = ""
    for turn in request.session_history:
        moved = bool(before and turn.deployment_id and turn.deployment_id != before)
        before = turn.deployment_id or before
        history.append(
            {
                "trace_id": turn.trace_id,
                "request_id": turn.plan_id,
                "start_time": moment(turn.start_time),
                "deployment": turn.deployment_id or None,
                "affinity": AFFINITIES.get(turn.session_affinity, "none"),
                "moved": moved,
                "this": turn.plan_id == request.plan_id,
            }
        )
    return {
        "id": request.session_key,
        "affinity": AFFINITIES.get(
            request.session_affinity, AFFINITIES[plan_pb2.SESSION_AFFINITY_NONE]
        ),
        "bound_deployment": request.bound_deployment_id or None,
        "history": history,
    }


def _guardrail(result: Any) -> dict[str, Any]:
    return {
        "guardrail": result.guardrail,
        "stage": result.stage,
        "action": result.action,
        "match_count": result.match_count,
        "matched": list(result.matched),
    }


def _events(request: pb.TracedRequest) -> list[dict[str, Any]]:
    """Write what rules did to a request, as events on its span."""
    span_id = request_span_id(request.plan_id)
    return [
        {
            "span_id": span_id,
            "kind": "guardrail",
            "source": result.guardrail,
            "data": _guardrail(result),
        }
        for result in request.guardrail_results
    ]


def _content(request: pb.TracedRequest) -> dict[str, str | None]:
    if not request.HasField("content"):
        return {"input": None, "output": None}
    return {
        "input": request.content.request.decode("utf-8", "replace"),
        "output": request.content.response.decode("utf-8", "replace"),
    }


def _kept(request: pb.TracedRequest) -> dict[str, Any] | None:
    """Say until when what was said is kept, and how much of it was too much."""
    if not request.HasField("content"):
        return None
    return {
        "expire_time": moment(request.content.expire_time),
        "bytes_left_out": request.content_bytes_left_out,
    }
