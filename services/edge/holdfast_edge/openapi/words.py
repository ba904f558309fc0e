"""What descriptions of operations are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast_edge.openapi.failures import of_body, of_key, responses

STRING = {"type": "string"}

ANY_OBJECT = {"type": "object"}

_SECURITY: list[dict[str, list[str]]] = [
    {"bearer": []},
    {"x-opper-api-key": []},
    {"x-api-key": []},
]


def ref(name: str) -> dict[str, Any]:
    """Point to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def json_content(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Say that there is JSON of a schema."""
    return {"application/json": {"schema": schema}}


def operation(  # noqa: PLR0913 - each is a part of one description
    tag: str,
    summary: str,
    answers: Mapping[int, Mapping[str, Any]],
    *,
    failures: Sequence[str] = (),
    keyed: bool = True,
    body: Mapping[str, Any] | None = None,
    v2: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Describe an operation.

    Args:
        tag: What it is listed under.
        summary: What it does, in a few words.
        answers: What it answers when all is well, by status.
        failures: The reasons for which it fails, beside those that go for every
            operation of its kind.
        keyed: Whether it takes an API key.
        body: What it takes.
        v2: Whether its errors have what the SDKs of that API look for.
        more: Further fields of the description.
    """
    reasons = (
        *failures,
        "REQUEST_MALFORMED",
        *(of_key if keyed else ()),
        *(of_body if body else ()),
        "INTERNAL",
    )
    return {
        "tags": [tag],
        "summary": summary,
        "security": _SECURITY if keyed else [],
        **({"requestBody": body} if body else {}),
        "responses": {
            **{str(status): answer for status, answer in answers.items()},
            **responses(reasons, v2=v2),
        },
        **more,
    }


def ok(
    description: str, schema: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """Describe an answer that is JSON, or has no body."""
    content = {} if schema is None else {"content": json_content(schema)}
    return {"description": description, **content, **more}


def body_of(schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Describe a body of JSON."""
    return {"required": required, "content": json_content(schema)}


def open_object(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    """Describe an object that may hold more than is described."""
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": True,
    }


def parameter(name: str, place: str, kind: str, description: str) -> dict[str, Any]:
    """Describe a parameter of the path, the query or the head."""
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": {"type": kind},
    }


def listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a page of rows."""
    return {
        "type": "object",
        "required": ["meta", "data"],
        "properties": {
            "meta": {
                "type": "object",
                "required": ["total_count"],
                "properties": {"total_count": {"type": "integer", "minimum": 0}},
            },
            "data": {"type": "array", "items": row},
        },
    }


PAGE = [
    {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {
            "type": "integer",
            "minimum": 0,
            "maximum": 999_999_999,
            "default": default,
        },
    }
    for name, default, description in (
        ("offset", 0, "Rows to skip."),
        ("limit", 100, "Rows to return."),
    )
]
