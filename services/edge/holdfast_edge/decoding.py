"""Reading JSON from callers: what it says, or what is wrong with it and where."""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from holdfast.errors import GatewayError, JsonInvalidError, RequestMalformedError

T = TypeVar("T")

_any_json = msgspec.json.Decoder(msgspec.Raw)

_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`$", re.DOTALL)
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_OFFSET = re.compile(r"\(byte (?P<offset>\d+)\)$")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body.

    Raises:
        JsonInvalidError: It is no JSON, or not in UTF-8.
        RequestMalformedError: It is no object, or a field is missing or of the
            wrong type.
    """
    try:
        # The decoder does not look into what it does not decode, and whatever
        # is no UTF-8 would fail further on.
        if not body.isascii():
            body.decode()
        return decoder.decode(body)
    except msgspec.ValidationError as fault:
        wrong = str(fault)
    except msgspec.DecodeError as fault:
        raise _invalid(str(fault), body) from None
    except UnicodeDecodeError as fault:
        raise JsonInvalidError(
            f"The body is not UTF-8: it breaks at byte {fault.start}.",
            offset_bytes=str(fault.start),
        ) from None
    except RecursionError:
        raise _too_deep() from None
    _check_syntax(body)
    raise misfit(wrong)


def _check_syntax(body: bytes) -> None:
    """Refuse what is no JSON: the decoder stops at the first field it misses."""
    try:
        _any_json.decode(body)
    except msgspec.DecodeError as fault:
        raise _invalid(str(fault), body) from None
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> JsonInvalidError:
    return JsonInvalidError("The body's JSON is nested too deeply.")


def malformed(field: str, what: str) -> RequestMalformedError:
    """Name a field and say what is wrong with it."""
    return RequestMalformedError(f"`{field}` {what}.", field=field)


def misfit(
    fault: str, fields_at: Callable[[str], Iterable[str]] = lambda _: ()
) -> RequestMalformedError:
    """Say which field does not fit, and how.

    Args:
        fault: What msgspec says of it.
        fields_at: Says which fields there are below a path, `` for the top; for
            where an unknown one is a fault.
    """
    place = _PLACE.search(fault)
    path = place["path"] if place else ""
    what = _PLACE.sub("", fault)
    if missing := _MISSING.match(what):
        name = missing["name"]
        return malformed(f"{path}.{name}" if path else name, "is missing")
    if unknown := _UNKNOWN.match(what):
        return _no_such_field(path, unknown["name"], list(fields_at(path)))
    what = what.replace(" | null", "")
    if not path:
        return RequestMalformedError(
            f"The body must be a JSON object: {what[:1].lower()}{what[1:]}.",
            field="body",
        )
    return malformed(path, f"is wrong: {what[:1].lower()}{what[1:]}")


def _no_such_field(path: str, name: str, fields: list[str]) -> RequestMalformedError:
    near = difflib.get_close_matches(name, fields, n=3)
    meant = near or sorted(fields)
    hint = f"did you mean {', '.join(near)}?" if near else ", ".join(meant)
    return malformed(
        f"{path}.{name}" if path else name,
        f"is no field {'there' if path else 'of it'}: {hint}",
    )


def _invalid(fault: str, body: bytes) -> GatewayError:
    if not body.strip():
        return JsonInvalidError("The body is empty. Send JSON.", offset_bytes="0")
    found = _OFFSET.search(fault)
    if found is None:
        return JsonInvalidError(
            "The body is no JSON: it ends too early.", offset_bytes=str(len(body))
        )
    return JsonInvalidError(
        f"The body is no JSON: it breaks near byte {found['offset']}.",
        offset_bytes=found["offset"],
    )
