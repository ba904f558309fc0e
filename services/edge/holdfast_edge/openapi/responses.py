"""OpenAI Responses, described."""

from typing import Any

from holdfast_edge.openapi.agents import TAG, streamed
from holdfast_edge.openapi.inference import CHAT, EXECUTION, HEADERS, MODEL, SERVED
from holdfast_edge.openapi.words import (
    ANY_OBJECT,
    STRING,
    body_of,
    ok,
    open_object,
    operation,
    parameter,
)

TAGS: list[dict[str, Any]] = []
"""They are among what agents speak."""

SCHEMAS: dict[str, Any] = {}

_ITEMS = {"type": "array", "items": ANY_OBJECT}

_CONVERSATION = {
    "model": MODEL,
    "input": {"oneOf": [STRING, _ITEMS]},
    "instructions": {"type": ["string", "null"]},
    "previous_response_id": {"type": ["string", "null"]},
}

_SILENT = {**_CONVERSATION, "input": {"oneOf": [STRING, _ITEMS, {"type": "null"}]}}
"""A conversation that may be what went before, and no more."""

_ID = [parameter("id", "path", "string", "`resp_...`.")]

_KEPT = ("RESOURCE_NOT_FOUND", "SERVICE_UNAVAILABLE")

_ITEM_ID = {"type": ["string", "null"]}

_PAGE = [
    {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
    }
    for name, schema, description in (
        (
            "order",
            {"enum": ["asc", "desc"], "default": "desc"},
            "Oldest first, or last.",
        ),
        (
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "Items to return.",
        ),
        ("after", STRING, "The id of the item before the first to return."),
        (
            "include[]",
            {"type": "array", "items": STRING},
            "What there is is shown, whatever this says.",
        ),
    )
]

PATHS: dict[str, Any] = {
    "/v1/responses": {
        "post": operation(
            TAG,
            "OpenAI Responses, streamed or not",
            {
                200: streamed(
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
                    **_CONVERSATION,
                    store={"type": ["boolean", "null"]},
                    stream={"type": ["boolean", "null"]},
                )
            ),
            parameters=HEADERS,
        )
    },
    "/v1/responses/{id}": {
        "parameters": _ID,
        "get": operation(
            TAG,
            "A response that is kept",
            {200: ok("The response.", open_object(["id", "object", "output"]))},
            failures=_KEPT,
        ),
        "delete": operation(
            TAG,
            "Delete a response that is kept",
            {200: ok("It is gone.", open_object(["id", "deleted"]))},
            failures=_KEPT,
        ),
    },
    "/v1/responses/{id}/input_items": {
        "parameters": _ID,
        "get": operation(
            TAG,
            "What a response that is kept was made of",
            {
                200: ok(
                    "The items, with those of the responses that it goes on from.",
                    open_object(
                        ["object", "data", "first_id", "last_id", "has_more"],
                        object={"const": "list"},
                        data=_ITEMS,
                        first_id=_ITEM_ID,
                        last_id=_ITEM_ID,
                        has_more={"type": "boolean"},
                    ),
                )
            },
            failures=_KEPT,
            parameters=_PAGE,
        ),
    },
    "/v1/responses/{id}/cancel": {
        "parameters": _ID,
        "post": operation(
            TAG,
            "Refused: no response is made in the background",
            {},
            failures=_KEPT,
            description="What is kept is whole. One that is being made is stopped by "
            "closing its connection.",
        ),
    },
    "/v1/responses/input_tokens": {
        "post": operation(
            TAG,
            "How many tokens a request for a response has, estimated",
            {
                200: ok(
                    "The estimate that deployments are chosen by.",
                    open_object(
                        ["object", "input_tokens"],
                        object={"const": "response.input_tokens"},
                        input_tokens={"type": "integer", "minimum": 0},
                    ),
                )
            },
            failures=["MODEL_NOT_FOUND", "NO_DEPLOYMENT_ALLOWED"],
            body=body_of(open_object(["model"], **_SILENT)),
        )
    },
    "/v1/responses/compact": {
        "post": operation(
            TAG,
            "A conversation made shorter",
            {
                200: ok(
                    "All messages but the model's, and a summary of the rest as an "
                    "item, to send as `input` in place of the conversation.",
                    open_object(
                        ["id", "object", "created_at", "output", "usage"],
                        id=STRING,
                        object={"const": "response.compaction"},
                        created_at={"type": "integer"},
                        output=_ITEMS,
                        usage={"type": ["object", "null"]},
                    ),
                    headers=SERVED,
                )
            },
            failures=EXECUTION,
            description="The model that is named writes the summary: a call like any "
            "other, with what it costs.",
            body=body_of(open_object(["model"], **_SILENT)),
            parameters=HEADERS,
        )
    },
}
