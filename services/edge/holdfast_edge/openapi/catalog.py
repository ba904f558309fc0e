"""What there is to call, and where a call would go, described."""

from typing import Any

from holdfast.control.resources import KINDS
from holdfast_edge.openapi.words import (
    PAGE,
    STRING,
    body_of,
    listed,
    ok,
    open_object,
    operation,
    parameter,
    ref,
)

_TAG = "Catalog"

TAGS = [{"name": _TAG, "description": "As the key's project may use it."}]

_OR_NULL = {"type": ["string", "null"]}

_PRICE = {"type": ["number", "null"]}

_COUNT = {"type": ["integer", "null"]}

_SECONDS = {"type": ["number", "null"], "description": "Until it is called again."}

SCHEMAS: dict[str, Any] = {
    "Model": open_object(
        ["id", "object", "created", "owned_by"],
        id=STRING,
        object={"const": "model"},
        created={"type": "integer"},
        owned_by=STRING,
    ),
    "Deployment": open_object(
        ["name", "model", "provider", "geography", "allowed", "blocked_by", "health"],
        name={**STRING, "description": "Its id: a call of this name is pinned to it."},
        model=STRING,
        hosting_provider=STRING,
        provider=STRING,
        region=_OR_NULL,
        location=STRING,
        geography={**STRING, "description": "`unknown` where nothing is promised."},
        input_cost_per_token={**_PRICE, "description": "US dollars."},
        output_cost_per_token={**_PRICE, "description": "US dollars."},
        pricing={
            "description": "US dollars per million tokens.",
            "type": ["object", "null"],
            "additionalProperties": {"type": "number"},
        },
        capabilities={"type": "array", "items": STRING},
        context_window_tokens=_COUNT,
        max_output_tokens=_COUNT,
        allowed={"type": "boolean"},
        blocked_by={**_OR_NULL, "description": "The rule that excludes it."},
        health=open_object(
            ["state", "cooldown_seconds"],
            state={
                "enum": [
                    "healthy",
                    "cooling-down",
                    "ejected",
                    "probing",
                    "recovering",
                ]
            },
            cooldown_seconds=_SECONDS,
        ),
    ),
    "Plan": open_object(
        ["requested_model", "session_affinity", "revision", "steps", "exclusions"],
        requested_model=STRING,
        session_affinity=STRING,
        bound_deployment=_OR_NULL,
        revision=STRING,
        trace_id=STRING,
        steps={
            "type": "array",
            "items": open_object(
                ["place", "deployment", "reason"],
                place={"type": "integer", "minimum": 1},
                deployment=STRING,
                reason={**STRING, "description": "Why it is in this place."},
                cooldown_seconds=_SECONDS,
            ),
        },
        exclusions={
            "type": "array",
            "items": open_object(
                ["deployment", "reason", "rule"],
                deployment=STRING,
                reason=STRING,
                rule={**STRING, "description": "In words."},
            ),
        },
    ),
}

PATHS: dict[str, Any] = {
    "/v1/models": {
        "get": operation(
            _TAG,
            "Every name that may be called",
            {
                200: ok(
                    "OpenAI's list.",
                    open_object(
                        ["object", "data"],
                        object={"const": "list"},
                        data={"type": "array", "items": ref("Model")},
                    ),
                )
            },
        )
    },
    "/v1/models/{id}": {
        "get": operation(
            _TAG,
            "One of them",
            {200: ok("OpenAI's model.", ref("Model"))},
            failures=["MODEL_NOT_FOUND"],
            parameters=[parameter("id", "path", "string", "May hold slashes.")],
        )
    },
    "/v2/models": {
        "get": operation(
            _TAG,
            "One row for each deployment",
            {200: ok("A page.", listed(ref("Deployment")))},
            v2=True,
            parameters=PAGE,
        )
    },
    "/v2/me": {
        "get": operation(
            _TAG,
            "Whose key it is",
            {
                200: ok(
                    "The key.",
                    open_object(
                        ["organization", "project", "key", "admin"],
                        organization=STRING,
                        project=STRING,
                        key=STRING,
                        admin={"type": "boolean"},
                    ),
                )
            },
            v2=True,
        )
    },
    "/v2/explain": {
        "post": operation(
            _TAG,
            "Where a request would go, and why",
            {200: ok("The plan, of which nothing is carried out.", ref("Plan"))},
            failures=["NO_DEPLOYMENT_ALLOWED", "MODEL_NOT_FOUND"],
            v2=True,
            body=body_of(
                open_object(
                    ["model"],
                    model={**STRING, "minLength": 1},
                    session={"type": ["string", "null"]},
                    edit={
                        "description": "The plan as it would be after an edit.",
                        "type": ["object", "null"],
                        "required": ["kind", "resource"],
                        "properties": {
                            "kind": {"enum": list(KINDS)},
                            "resource": {"type": "object"},
                        },
                    },
                )
            ),
        )
    },
}
