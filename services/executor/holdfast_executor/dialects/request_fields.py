"""Reading a caller's request value by value, and naming the field that is wrong.

Each function returns the value with its type made sure of. A `field` is the
path a caller would write, e.g. `messages[3].content[0].text`.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from holdfast.errors import RequestMalformedError
from holdfast_executor.chat import Chat


def fields_of(chat: Chat) -> dict[str, Any]:
    """Read a whole request. Not to be changed.

    Raises:
        RequestMalformedError: It holds what is JSON in parts alone.
    """
    try:
        return chat.parsed
    except (ValueError, RecursionError) as error:
        raise RequestMalformedError(
            "The request holds text that is no Unicode, a number that is too "
            "large, or is nested too deeply.",
            field="",
        ) from error


_KEPT = frozenset({"stream_options"})
"""What is the gateway's own to keep, so that nothing of it is lost."""


def left_out(fields: Mapping[str, Any], spoken: AbstractSet[str]) -> tuple[str, ...]:
    """Say what of a request a format has no counterpart for, for the trace.

    Args:
        fields: The request.
        spoken: The names of the fields that bear on what is sent.
    """
    return tuple(
        name
        for name, value in fields.items()
        if value is not None and name not in spoken and name not in _KEPT
    )


def malformed(field: str, expected: str) -> RequestMalformedError:
    """Say what a field should have been."""
    return RequestMalformedError(f"`{field}` must be {expected}.", field=field)


def text(value: object, field: str) -> str:
    """Read a string.

    Raises:
        RequestMalformedError: It is none.
    """
    if not isinstance(value, str):
        raise malformed(field, "a string")
    return value


def name(value: object, field: str) -> str:
    """Read a string that is not empty.

    Raises:
        RequestMalformedError: It is none.
    """
    if not isinstance(value, str) or not value:
        raise malformed(field, "a string that is not empty")
    return value


def number(value: object, field: str) -> float:
    """Read a number.

    Raises:
        RequestMalformedError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(field, "a number")
    return value


def count(value: object, field: str) -> int:
    """Read a whole number of at least one.

    Raises:
        RequestMalformedError: It is none.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise malformed(field, "a whole number of at least 1")
    return value


def mapping(value: object, field: str) -> dict[str, Any]:
    """Read an object.

    Raises:
        RequestMalformedError: It is none.
    """
    if not isinstance(value, dict):
        raise malformed(field, "an object")
    return value


def items(value: object, field: str) -> list[Any]:
    """Read an array.

    Raises:
        RequestMalformedError: It is none.
    """
    if not isinstance(value, list):
        raise malformed(field, "an array")
    return value


def arguments(value: object, field: str) -> dict[str, Any]:
    """Read a call's arguments, which must be an object to whoever is no OpenAI.

    What is none is kept under the key `_raw`, so that the model sees what it
    wrote: cut-off arguments are common, and no cause to refuse the request.

    Raises:
        RequestMalformedError: They are neither a string nor an object.
    """
    if isinstance(value, dict):
        return value
    written = "" if value is None else text(value, field)
    if not written.strip():
        return {}
    try:
        parsed = msgspec.json.decode(written)
    except (msgspec.DecodeError, RecursionError):
        return {"_raw": written}
    if parsed is None:
        return {}
    return parsed if isinstance(parsed, dict) else {"_raw": written}
