"""What became of requests, and what they used, described."""

from collections.abc import Mapping
from typing import Any

from holdfast_edge.history.listing import OUTCOMES, STATES
from holdfast_edge.history.usage import FIGURES, GRANULARITIES, GROUPS
from holdfast_edge.openapi.words import (
    STRING,
    ok,
    open_object,
    operation,
    parameter,
    ref,
)

_TAG = "Traces and usage"

TAGS = [
    {
        "name": _TAG,
        "description": "A key sees its project; one that administers its organization "
        "and those that it has made.",
    }
]

_OR_NULL = {"type": ["string", "null"]}
_MOMENT = {**STRING, "format": "date-time"}
_MOMENT_OR_NULL = {**_OR_NULL, "format": "date-time"}
_NUMBER_OR_NULL = {"type": ["number", "null"]}
_COUNT = {"type": "integer"}
_USD = {**STRING, "description": "US dollars, exactly."}
_TAGS = {"type": "object", "additionalProperties": STRING}

_TOKENS = {
    "type": "object",
    "description": "Under OpenTelemetry's names; the input holds what caches gave.",
    "additionalProperties": _COUNT,
}

SCHEMAS: dict[str, Any] = {
    "TracedRequest": open_object(
        ["id", "request_id", "name", "status", "start_time", "cost", "tags"],
        id={**STRING, "description": "The trace it belongs to."},
        request_id=STRING,
        name={**STRING, "description": "The model that was asked for."},
        status={"enum": ["ok", "error", "running"]},
        error=_OR_NULL,
        error_message=_OR_NULL,
        start_time=_MOMENT,
        end_time=_MOMENT_OR_NULL,
        duration_ms=_NUMBER_OR_NULL,
        ttft_ms={**_NUMBER_OR_NULL, "description": "To the first content."},
        surface=_OR_NULL,
        streamed={"type": "boolean"},
        organization=STRING,
        project=STRING,
        key=STRING,
        requested_model=STRING,
        model={**_OR_NULL, "description": "The model that answered."},
        response_model=_OR_NULL,
        deployment={**_OR_NULL, "description": "Who served it."},
        provider=_OR_NULL,
        geography=_OR_NULL,
        region=_OR_NULL,
        attempts=_COUNT,
        fallback={"type": "boolean"},
        session=_OR_NULL,
        session_affinity=STRING,
        total_tokens=_COUNT,
        usage=_TOKENS,
        cost=_USD,
        saving={**_USD, "description": "What prompt caches saved, in US dollars."},
        tags=_TAGS,
        revision=STRING,
    ),
    "Span": open_object(
        ["id", "trace_id", "parent_id", "name", "type", "status", "start_time", "meta"],
        id=STRING,
        trace_id=STRING,
        parent_id=_OR_NULL,
        name={**STRING, "description": "A request's model, an attempt's deployment."},
        type={"enum": ["request", "attempt"]},
        status={"enum": ["ok", "error", "running"]},
        start_time=_MOMENT,
        end_time=_MOMENT_OR_NULL,
        duration_ms=_NUMBER_OR_NULL,
        error=_OR_NULL,
        tags=_TAGS,
        data={"type": "object"},
        meta={"type": "object"},
    ),
    "Trace": open_object(
        ["id", "name", "status", "start_time", "spans"],
        id=STRING,
        name=STRING,
        status={"enum": ["ok", "error", "running"]},
        start_time=_MOMENT,
        end_time=_MOMENT_OR_NULL,
        duration_ms=_NUMBER_OR_NULL,
        total_tokens=_COUNT,
        cost=_USD,
        saving=_USD,
        input={**_OR_NULL, "description": "Where the project keeps it."},
        output={**_OR_NULL, "description": "Likewise."},
        tags=_TAGS,
        span_count=_COUNT,
        spans={"type": "array", "items": ref("Span")},
        events={"type": "array", "items": {"type": "object"}},
    ),
    "UsageRow": {
        "type": "object",
        "description": "Beside these each group under its name, null where nothing "
        "is known, and each field that was asked for.",
        "required": ["time_bucket", "cost", "count"],
        "properties": {
            "time_bucket": _MOMENT,
            "cost": _USD,
            "count": {**_COUNT, "description": "Requests."},
        },
        "additionalProperties": {"type": ["string", "integer", "null"]},
    },
}


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    written = parameter(name, "query", "string", description)
    return {**written, "schema": {**written["schema"], **schema}} if schema else written


def _one_of(name: str, values: Mapping[str, Any], description: str) -> dict[str, Any]:
    return _query(name, description, enum=[each for each in values if each])


def _several(name: str, description: str, items: Any = STRING) -> dict[str, Any]:
    return _query(name, description) | {"schema": {"type": "array", "items": items}}


_SCOPE = [
    _query("project", "One project."),
    _query("organization", "One organization, with a key that administers it."),
    _query("session", "One session, by the caller's name or by a trace's."),
]

_SPAN = [
    _query("from_date", "The beginning: a date, or a time in RFC 3339."),
    _query("to_date", "The end, which is not part of it."),
]

_LIST = operation(
    _TAG,
    "Requests that have ended, newest first",
    {
        200: ok(
            "A page.",
            {
                "type": "object",
                "required": ["meta", "data"],
                "properties": {
                    "meta": open_object(
                        ["total_count", "next_cursor"],
                        total_count={
                            **_COUNT,
                            "description": "Counted up to 10,000.",
                        },
                        next_cursor={
                            **_OR_NULL,
                            "description": "Asks for the next page.",
                        },
                    ),
                    "data": {"type": "array", "items": ref("TracedRequest")},
                },
            },
        )
    },
    failures=["RESOURCE_NOT_FOUND", "DEADLINE_EXCEEDED"],
    v2=True,
    parameters=[
        _query("name", "The model that was asked for, exactly."),
        _query("model", "The model that answered, or was asked for."),
        _query("deployment", "Who served."),
        _query("provider", "Whose deployment served."),
        _one_of("outcome", OUTCOMES, "How one of the attempts ended."),
        _one_of("status", STATES, "Whether there was an answer."),
        _query("error", "Why there was none: an error's code."),
        _several("tag", "`NAME:VALUE`, each of which it has."),
        _query("key", "The API key, by its id."),
        _query("fallback", "Tried at several deployments.", enum=["true", "false"]),
        *_SCOPE,
        *_SPAN,
        _query("cursor", "The `next_cursor` of a page.", pattern="^[0-9a-f]{32}$"),
        _query("limit", "Rows.", type="integer", minimum=1, maximum=500, default=50),
        _query("offset", "Rows to skip.", type="integer", minimum=0, maximum=10_000),
    ],
)

_ID = parameter("trace_id", "path", "string", "32 hex digits, of a header or a list.")


def _trace(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "parameters": [_ID],
        "get": operation(
            _TAG,
            "One trace: a span for each request, and below it one for each attempt",
            {200: ok("The trace.", schema)},
            failures=["RESOURCE_NOT_FOUND", "DEADLINE_EXCEEDED"],
            v2=True,
        ),
        "delete": operation(
            _TAG,
            "Delete one trace, content and metadata",
            {204: ok("It is gone.")},
            failures=["ADMIN_KEY_REQUIRED", "RESOURCE_NOT_FOUND", "DEADLINE_EXCEEDED"],
            v2=True,
        ),
    }


PATHS: dict[str, Any] = {
    "/v2/traces": {"get": _LIST},
    "/v2/traces/{trace_id}": _trace(ref("Trace")),
    "/v3/traces": {"get": _LIST},
    "/v3/traces/{trace_id}": _trace(open_object(["data"], data=ref("Trace"))),
    "/v2/analytics/usage": {
        "get": operation(
            _TAG,
            "Requests, tokens and money over time",
            {
                200: ok(
                    "By time, then by group.",
                    {"type": "array", "items": ref("UsageRow")},
                )
            },
            failures=["RESOURCE_NOT_FOUND", "DEADLINE_EXCEEDED"],
            v2=True,
            parameters=[
                *_SPAN,
                _one_of("granularity", GRANULARITIES, "How long each row's time is."),
                _several("fields", "What is told beside.", {"enum": list(FIGURES)}),
                _several(
                    "group_by", f"What is told apart: {', '.join(GROUPS)}, or any tag."
                ),
                *_SCOPE,
            ],
        )
    },
}
