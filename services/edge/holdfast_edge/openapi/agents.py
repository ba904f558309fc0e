"""The APIs that agents speak, described: Anthropic Messages and OpenAI Responses."""

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

_TAG = "Agents"

TAGS = [
    {
        "name": _TAG,
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


def _streamed(answer: dict[str, Any]) -> dict[str, Any]:
    content = {**json_content(answer), "text/event-stream": {"schema": STRING}}
    return {"description": "The answer.", "headers": SERVED, "content": content}


PATHS: dict[str, Any] = {
    "/v1/messages": {
        "post": operation(
            _TAG,
            "Anthropic Messages, streamed or not",
            {
                200: _streamed(
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
            _TAG,
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
    "/v1/responses": {
        "post": operation(
            _TAG,
            "OpenAI Responses, streamed or not",
            {
                200: _streamed(
                    open_object(
                        ["id", "object", "status", "model", "output"],
                        id=STRING,
                        object={"const": "response"},
                        status=STRING,
                        model=STRING,
                        output={"type": "array", "items": ANY_OBJECT},
                    )
                )
            },
            failures=CHAT,
            description="Responses are kept, and can be gone on from by "
            "`previous_response_id`, where the project keeps content.",
            body=body_of(
                open_object(
                    ["model", "input"],
                    model=MODEL,
                    input={
                        "oneOf": [STRING, {"type": "array", "items": ANY_OBJECT}],
                    },
                    instructions={"type": ["string", "null"]},
                    previous_response_id={"type": ["string", "null"]},
                    store={"type": ["boolean", "null"]},
                    stream={"type": ["boolean", "null"]},
                )
            ),
            parameters=HEADERS,
        )
    },
    "/v1/responses/{id}": {
        "parameters": [parameter("id", "path", "string", "`resp_...`.")],
        "get": operation(
            _TAG,
            "A response that is kept",
            {200: ok("The response.", open_object(["id", "object", "output"]))},
            failures=["RESOURCE_NOT_FOUND", "SERVICE_UNAVAILABLE"],
        ),
        "delete": operation(
            _TAG,
            "Delete a response that is kept",
            {200: ok("It is gone.", open_object(["id", "deleted"]))},
            failures=["RESOURCE_NOT_FOUND", "SERVICE_UNAVAILABLE"],
        ),
    },
}
