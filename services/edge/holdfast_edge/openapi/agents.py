"""Anthropic Messages, described; and what is said of the APIs that agents speak."""

from typing import Any

from holdfast_edge.openapi.inference import CHAT, HEADERS, MODEL, SERVED
from holdfast_edge.openapi.words import (
    ANY_OBJECT,
    STRING,
    body_of,
    json_content,
    ok,
    open_object,
    operation,
    parameter,
)

TAG = "Agents"

TAGS = [
    {
        "name": TAG,
        "description": "What agents are built on, for every model: a request is "
        "translated where its deployment speaks otherwise.",
    }
]

SCHEMAS: dict[str, Any] = {}

_HEADERS = [
    *HEADERS,
    parameter("anthropic-beta", "header", "string", "Anthropic's betas, by comma."),
]

_CONVERSATION = {
    "model": MODEL,
    "messages": {
        "type": "array",
        "minItems": 1,
        "items": open_object(["role", "content"], role={"enum": ["user", "assistant"]}),
    },
    "system": {},
    "tools": {"type": "array", "items": ANY_OBJECT},
}


def streamed(answer: dict[str, Any]) -> dict[str, Any]:
    """Describe an answer that may come as events."""
    content = {**json_content(answer), "text/event-stream": {"schema": STRING}}
    return {"description": "The answer.", "headers": SERVED, "content": content}


PATHS: dict[str, Any] = {
    "/v1/messages": {
        "post": operation(
            TAG,
            "Anthropic Messages, streamed or not",
            {
                200: streamed(
                    open_object(
                        ["id", "type", "role", "model", "content", "usage"],
                        id=STRING,
                        type={"const": "message"},
                        role={"const": "assistant"},
                        model=STRING,
                        content={"type": "array", "items": ANY_OBJECT},
                        usage=ANY_OBJECT,
                    )
                )
            },
            failures=CHAT,
            description="Errors have Anthropic's shape here.",
            body=body_of(
                open_object(
                    ["model", "messages", "max_tokens"],
                    **_CONVERSATION,
                    max_tokens={"type": "integer", "minimum": 1},
                    stream={"type": ["boolean", "null"]},
                )
            ),
            parameters=_HEADERS,
        )
    },
    "/v1/messages/count_tokens": {
        "post": operation(
            TAG,
            "How many tokens a request has, estimated",
            {
                200: ok(
                    "The estimate that deployments are chosen by.",
                    open_object(
                        ["input_tokens"], input_tokens={"type": "integer", "minimum": 0}
                    ),
                )
            },
            failures=["MODEL_NOT_FOUND", "NO_DEPLOYMENT_ALLOWED"],
            body=body_of(open_object(["model", "messages"], **_CONVERSATION)),
        )
    },
}
