"""The description of what is served, in OpenAPI 3.1: small, by hand, and true."""

from typing import Any

_ERROR = {
    "description": "An error in OpenAI's shape.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def _operation(summary: str, *, keyed: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "summary": summary,
        "security": [{"bearer": []}, {"x-opper-api-key": []}, {"x-api-key": []}]
        if keyed
        else [],
        "responses": {
            "200": {"description": "The answer."},
            "default": _ERROR,
        },
        **more,
    }


def _body(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": required,
                    "properties": properties,
                    "additionalProperties": True,
                }
            }
        },
    }


def _parameter(name: str, place: str, kind: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": {"type": kind},
    }


_STRING = {"type": "string"}

_TOKEN = {"type": "integer", "minimum": 0}

_HEADERS = [
    _parameter("x-holdfast-session", "header", "string", "The conversation."),
    _parameter("x-request-timeout", "header", "number", "In seconds."),
    _parameter("traceparent", "header", "string", "W3C Trace Context."),
]

_CHAT = _operation(
    "OpenAI Chat Completions, streamed or not",
    description="Fields beside these are passed on as they are.",
    requestBody=_body(
        ["model", "messages"],
        model={**_STRING, "description": "A plain name, an alias or a pinned id."},
        messages={
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role"],
                "properties": {"role": _STRING},
            },
        },
        stream={"type": ["boolean", "null"]},
    ),
    parameters=_HEADERS,
)

_EMBEDDINGS = _operation(
    "OpenAI Embeddings",
    description="Of an alias, the first model that may be used answers or none: "
    "vectors of different models do not compare. `input_type` says in Cohere's words, "
    "and `task_type` in Google's, what the texts are for.",
    requestBody=_body(
        ["model", "input"],
        model={**_STRING, "description": "A plain name, an alias or a pinned id."},
        input={
            "description": "A text, texts, tokens, or lists of tokens.",
            "oneOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "maxItems": 2048, "items": _STRING},
                {"type": "array", "minItems": 1, "items": _TOKEN},
                {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 2048,
                    "items": {"type": "array", "minItems": 1, "items": _TOKEN},
                },
            ],
        },
        encoding_format={"enum": ["float", "base64", None]},
        dimensions={"type": ["integer", "null"], "minimum": 1},
        user={"type": ["string", "null"]},
    ),
    parameters=_HEADERS,
)

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Holdfast",
        "version": "1",
        "description": "Name the model, not the deployment. What is below /v1 is "
        "served below /compat/openai, /compat/openai/v1 and /v3/compat too, and "
        "with a session in the path below /session/{session}/v1, "
        "/v3/session/{session} and /v3/session/{session}/v1.",
    },
    "paths": {
        "/v1/chat/completions": {"post": _CHAT},
        "/v1/embeddings": {"post": _EMBEDDINGS},
        "/v1/models": {"get": _operation("Every name that may be called")},
        "/v1/models/{id}": {
            "get": _operation(
                "One of them",
                parameters=[_parameter("id", "path", "string", "May hold slashes.")],
            )
        },
        "/v2/models": {
            "get": _operation(
                "One row for each deployment",
                parameters=[
                    _parameter("offset", "query", "integer", "Rows to skip; 0."),
                    _parameter("limit", "query", "integer", "Rows to return; 100."),
                ],
            )
        },
        "/v2/explain": {
            "post": _operation(
                "Where a request would go, and why",
                requestBody=_body(
                    ["model"], model=_STRING, session={"type": ["string", "null"]}
                ),
            )
        },
        "/healthz": {"get": _operation("Whether the process answers", keyed=False)},
        "/readyz": {"get": _operation("Whether it can serve", keyed=False)},
        "/metrics": {"get": _operation("Counters for Prometheus", keyed=False)},
        "/openapi.json": {"get": _operation("This description", keyed=False)},
    },
    "components": {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "x-opper-api-key": {
                "type": "apiKey",
                "in": "header",
                "name": "x-opper-api-key",
            },
            "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        },
        "schemas": {
            "Error": {
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": {
                        "type": "object",
                        "required": ["message", "type", "param", "code", "trace_id"],
                        "properties": {
                            "message": _STRING,
                            "type": _STRING,
                            "param": {"type": ["string", "null"]},
                            "code": _STRING,
                            "trace_id": _STRING,
                            "attempts": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "deployment": _STRING,
                                        "outcome": _STRING,
                                        "status": {"type": ["integer", "null"]},
                                    },
                                },
                            },
                        },
                    }
                },
            }
        },
    },
}
"""The description as data."""
