"""Every way to fail, as answers of an operation."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from holdfast.errors import BY_REASON
from holdfast_edge.errors import RESPONSES, Retry

of_key = ("API_KEY_UNKNOWN", "SERVICE_UNAVAILABLE")
"""Of an operation for which somebody has to know the key."""

of_body = ("JSON_INVALID", "REQUEST_TOO_LARGE", "NOT_SERVED")
"""Of an operation that takes a body. NOT_SERVED: it is no JSON, or compressed."""

_MEDIA_STATUS = 415

_ATTEMPT = {
    "type": "object",
    "required": ["deployment", "outcome", "status"],
    "properties": {
        "deployment": {"type": "string"},
        "outcome": {"type": "string"},
        "status": {
            "type": ["integer", "null"],
            "description": "The provider's; null if there was no response.",
        },
    },
}

_VIOLATION = {
    "type": "object",
    "required": ["path", "keyword"],
    "properties": {"path": {"type": "string"}, "keyword": {"type": "string"}},
}

_ERROR = {
    "type": "object",
    "required": ["message", "type", "param", "code", "trace_id", "attempts"],
    "properties": {
        "message": {"type": "string", "description": "For people."},
        "type": {"type": "string"},
        "param": {
            "type": ["string", "null"],
            "description": "The field or header at fault.",
        },
        "code": {
            "enum": sorted({response.code for response in RESPONSES.values()}),
            "description": "For programs.",
        },
        "trace_id": {"type": "string"},
        "attempts": {"type": "array", "items": _ATTEMPT},
        "validation_errors": {
            "type": "array",
            "items": _VIOLATION,
            "description": "Where the last answer has not the form it was to have.",
        },
        "text": {
            "type": "string",
            "description": "The beginning of that answer, where content is kept.",
        },
    },
}

SCHEMAS: dict[str, Any] = {
    "Error": {
        "description": "An error in OpenAI's shape.",
        "type": "object",
        "required": ["error"],
        "properties": {"error": _ERROR},
    },
    "V2Error": {
        "description": "An error in OpenAI's shape, and beside it in that of the API "
        "that these paths come from.",
        "type": "object",
        "required": ["error", "type", "message", "detail"],
        "properties": {
            "error": _ERROR,
            "type": {"type": "string"},
            "message": {"type": "string"},
            "detail": {
                "type": "object",
                "required": ["code", "param"],
                "properties": {
                    "code": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                },
            },
        },
    },
}

_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def responses(reasons: Iterable[str], *, v2: bool = False) -> dict[str, Any]:
    """Describe the answers to what fails for some reasons, by status."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for reason in dict.fromkeys(reasons):
        by_status[_status(reason)].append(reason)
    return {str(status): _answer(by_status[status], v2) for status in sorted(by_status)}


def _status(reason: str) -> int:
    return _MEDIA_STATUS if reason == "NOT_SERVED" else RESPONSES[reason].status


def _answer(reasons: list[str], v2: bool) -> dict[str, Any]:  # noqa: FBT001 - as asked
    name = "V2Error" if v2 else "Error"
    waits = any(RESPONSES[reason].retry is not Retry.NEVER for reason in reasons)
    return {
        "description": " ".join(_told(reason) for reason in reasons),
        **({"headers": _RETRY_AFTER} if waits else {}),
        "content": {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}
        },
    }


def _told(reason: str) -> str:
    said = (BY_REASON[reason].__doc__ or "").split("\n\n")[0].partition(" Metadata:")[0]
    return f"`{RESPONSES[reason].code}`: {' '.join(said.split())}"
