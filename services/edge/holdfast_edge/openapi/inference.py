"""Calling models, described."""

from typing import Any

from holdfast_edge.openapi.words import (
    STRING,
    body_of,
    json_content,
    ok,
    open_object,
    operation,
    parameter,
)

_TAG = "Models"

TAGS = [{"name": _TAG, "description": "With a key that is not an admin key."}]

SCHEMAS: dict[str, Any] = {}

_TOKEN = {"type": "integer", "minimum": 0}

MODEL = {
    **STRING,
    "minLength": 1,
    "example": "claude-sonnet-4-5",
    "description": "A plain name, an alias, a custom model or a pinned id.",
}

HEADERS = [
    parameter("x-holdfast-session", "header", "string", "The conversation."),
    parameter("x-request-timeout", "header", "number", "In seconds."),
    parameter("traceparent", "header", "string", "W3C Trace Context."),
]

SERVED = {
    f"x-holdfast-{name}": {"description": said, "schema": STRING}
    for name, said in (
        ("deployment", "Who serves."),
        ("provider", "Whose it is."),
        ("geography", "Where the work is done."),
        ("attempts", "How many deployments were called."),
        ("session-affinity", "Whether the session stayed where it was."),
        ("cost-usd", "What it cost, on answers that are not streamed."),
    )
}

EXECUTION = (
    "PROVIDER_REJECTED_REQUEST",
    "CONTEXT_LENGTH_EXCEEDED",
    "CONTENT_FILTERED",
    "BUDGET_EXHAUSTED",
    "RUNTIME_KEY_REQUIRED",
    "GUARDRAIL_BLOCKED",
    "NO_DEPLOYMENT_ALLOWED",
    "MODEL_NOT_FOUND",
    "RATE_LIMITED",
    "ALL_ATTEMPTS_RATE_LIMITED",
    "ALL_ATTEMPTS_FAILED",
    "STREAM_INTERRUPTED",
    "ALL_DEPLOYMENTS_UNAVAILABLE",
    "BUDGET_UNKNOWN",
    "PLAN_REFUSED",
    "DEADLINE_EXCEEDED",
)
"""The reasons for which a call of a model fails."""

CHAT = (*EXECUTION, "STRUCTURED_OUTPUT_INVALID")
"""Those for which a call fails whose answer is in words."""

_FORM = {
    "type": ["object", "null"],
    "description": "What form the answer is to have: `json_object`, `json_schema` or "
    "`xml`. It is checked, and asked for again where it does not fit.",
    "properties": {"type": {"type": ["string", "null"]}},
}

_COMPLETION = open_object(
    ["id", "object", "model", "choices"],
    id=STRING,
    object={"const": "chat.completion"},
    model={**STRING, "description": "Who answered."},
    choices={"type": "array", "items": {"type": "object"}},
    usage={
        "type": "object",
        "properties": {"cost": {"type": "number", "description": "US dollars."}},
    },
)

PATHS: dict[str, Any] = {
    "/v1/chat/completions": {
        "post": operation(
            _TAG,
            "OpenAI Chat Completions, streamed or not",
            {
                200: {
                    "description": "The answer.",
                    "headers": SERVED,
                    "content": {
                        **json_content(_COMPLETION),
                        "text/event-stream": {"schema": STRING},
                    },
                }
            },
            failures=CHAT,
            description="Fields beside these are passed on as they are.",
            body=body_of(
                open_object(
                    ["model", "messages"],
                    model=MODEL,
                    messages={
                        "type": "array",
                        "minItems": 1,
                        "items": open_object(["role"], role=STRING),
                        "example": [{"role": "user", "content": "Hello"}],
                    },
                    stream={"type": ["boolean", "null"]},
                    response_format=_FORM,
                )
            ),
            parameters=HEADERS,
        )
    },
    "/v1/embeddings": {
        "post": operation(
            _TAG,
            "OpenAI Embeddings",
            {
                200: ok(
                    "The vectors.",
                    open_object(
                        ["object", "data", "model"],
                        object={"const": "list"},
                        data={"type": "array", "items": {"type": "object"}},
                        model=STRING,
                    ),
                    headers=SERVED,
                )
            },
            failures=EXECUTION,
            description="Of an alias, the first model that may be used answers or "
            "none: vectors of different models do not compare. `input_type` says in "
            "Cohere's words, and `task_type` in Google's, what the texts are for.",
            body=body_of(
                open_object(
                    ["model", "input"],
                    model={**MODEL, "example": "text-embedding-3-small"},
                    input={
                        "example": ["Hello"],
                        "description": "A text, texts, tokens, or lists of tokens.",
                        "oneOf": [
                            {"type": "string", "minLength": 1},
                            {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 2048,
                                "items": STRING,
                            },
                            {"type": "array", "minItems": 1, "items": _TOKEN},
                            {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 2048,
                                "items": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": _TOKEN,
                                },
                            },
                        ],
                    },
                    encoding_format={"enum": ["float", "base64", None]},
                    dimensions={"type": ["integer", "null"], "minimum": 1},
                    user={"type": ["string", "null"]},
                )
            ),
            parameters=HEADERS,
        )
    },
}
