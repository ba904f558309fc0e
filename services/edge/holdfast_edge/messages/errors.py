"""Errors as Anthropic's clients expect them, whatever they asked for."""

from typing import Any

from holdfast_edge import errors
from holdfast_edge.field_names import FieldNames

ANTHROPIC_VERSION = b"anthropic-version"
"""The header that each client of Anthropic's API sends, and no other."""

_DETAILS = {
    "thread": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
}
"""What Anthropic's clients read of an error, by the field at fault. They try threads
first, and go on without where this says that there are none."""

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Anthropic's words by status. Any other below 500 is the caller's."""


def anthropic_shape(fields: dict[str, Any], response: errors.Response) -> Any:
    """Write an error as Anthropic does, and beside it what OpenAI's says."""
    otherwise = "api_error" if response.status >= 500 else "invalid_request_error"
    kind = _ERROR_TYPES.get(response.status, otherwise)
    details = _DETAILS.get(fields["param"] or "")
    return {
        "type": "error",
        "error": {**fields, "type": kind, **({"details": details} if details else {})},
        "request_id": fields["trace_id"],
    }


_FIELDS = FieldNames(
    {
        r"response_format\.json_schema": "output_config.format",
        r"response_format": "output_config.format",
        r"reasoning_effort": "output_config.effort",
        r"stop": "stop_sequences",
        r"tools\[(\d+)\]\.function\.parameters": r"tools[\1].input_schema",
        r"tools\[(\d+)\]\.function": r"tools[\1]",
    }
)

messages_shape = _FIELDS.shaping(anthropic_shape)
"""Writes an error of Anthropic Messages, with the names that fields have there."""
