"""Which JSON schemas Anthropic compiles into a grammar, and how they must read.

Anthropic takes a part of JSON Schema and refuses the rest with a 400. Limits
that it cannot enforce are told to the model in the description; a schema whose
meaning would be lost is not sent this way at all.
"""

from collections.abc import Callable
from typing import Any

_KEPT = ("type", "enum", "const", "default", "title", "description", "format", "$ref")
_TOLD = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)
"""Limits on a value. Anthropic takes a few of them in some forms; the executor can
check them all afterwards, so none is worth a refusal."""

_OF_OBJECTS = frozenset({"properties", "required", "additionalProperties"})
_SILENT = frozenset(
    {"$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly"}
)
_FORMATS = (
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
)
"""The string formats of Anthropic's SDK, `lib/_parse/_transform.py`."""

_DEFINITIONS = ("$defs", "definitions")
_DECIDING = frozenset({"type", "enum", "const", "$ref", "anyOf", "allOf"})
"""Without one of them a schema allows any value, which has no grammar."""

_OPTIONAL_MAX = 24
_UNIONS_MAX = 16
"""Of all that one request has compiled; above them Anthropic answers 400
(camel-ai/camel#4171)."""


class Grammar:
    """What one request has Anthropic compile, and whether there is room for more."""

    def __init__(self) -> None:
        self._optional_count = 0
        self._union_count = 0

    def add(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        """Write a schema so that Anthropic compiles it. None if it cannot.

        Not changed in place. Objects are closed (`additionalProperties:
        false`), as Anthropic demands; one that is open on purpose cannot be.
        """
        writer = _Writer()
        try:
            written = writer.write(schema)
            _refuse_recursion(written)
        except (_CannotCompileError, RecursionError):
            return None
        optional_count = self._optional_count + writer.optional_count
        union_count = self._union_count + writer.union_count
        if optional_count > _OPTIONAL_MAX or union_count > _UNIONS_MAX:
            return None
        self._optional_count, self._union_count = optional_count, union_count
        return written


class _CannotCompileError(Exception):
    """The schema says something that Anthropic's part of JSON Schema cannot."""


class _Writer:
    """Writes one schema, and counts what there may not be too many of."""

    def __init__(self) -> None:
        self.optional_count = 0
        self.union_count = 0
        self._keywords: dict[str, tuple[str, Callable[[Any], Any]]] = {
            **{keyword: (keyword, _as_it_is) for keyword in _KEPT},
            **{place: (place, self._each) for place in _DEFINITIONS},
            "items": ("items", self.write),
            "anyOf": ("anyOf", self._variants),
            # Not taken itself; `anyOf` lets through whatever it does.
            "oneOf": ("anyOf", self._variants),
            "allOf": ("allOf", self._variants),
        }

    def write(self, schema: object) -> dict[str, Any]:
        if not isinstance(schema, dict):
            raise _CannotCompileError
        written: dict[str, Any] = {}
        told = []
        for keyword, value in schema.items():
            if keyword in _TOLD or (keyword == "format" and value not in _FORMATS):
                told.append(f"{keyword}: {value}")
            elif keyword not in _SILENT and keyword not in _OF_OBJECTS:
                if keyword not in self._keywords:
                    raise _CannotCompileError
                name, write = self._keywords[keyword]
                written[name] = write(value)
        if isinstance(schema.get("type"), list):
            self.union_count += 1
        if schema.get("type") == "object" or "properties" in schema:
            self._close(schema, written)
        if not written.keys() & _DECIDING:
            raise _CannotCompileError
        if told:
            description = schema.get("description", "")
            written["description"] = f"{description} ({', '.join(told)})".strip()
        return written

    def _each(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _CannotCompileError
        return {name: self.write(schema) for name, schema in value.items()}

    def _variants(self, value: object) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not value:
            raise _CannotCompileError
        self.union_count += 1
        return [self.write(schema) for schema in value]

    def _close(self, schema: dict[str, Any], written: dict[str, Any]) -> None:
        if schema.get("additionalProperties", "properties" not in schema) is not False:
            raise _CannotCompileError
        properties = self._each(schema.get("properties", {}))
        required = schema.get("required", [])
        if not isinstance(required, list):
            raise _CannotCompileError
        self.optional_count += len(properties.keys() - set(map(str, required)))
        written.setdefault("type", "object")
        written["properties"] = properties
        written["required"] = required
        written["additionalProperties"] = False


def _as_it_is(value: object) -> object:
    return value


def _refuse_recursion(schema: dict[str, Any]) -> None:
    """Follow each reference once.

    Raises:
        _CannotCompileError: One leads outside, nowhere or back to itself.
    """
    known = {
        f"#/{place}/{name}": definition
        for place in _DEFINITIONS
        for name, definition in schema.get(place, {}).items()
    }
    sound: set[str] = set()

    def follow(part: object, path: frozenset[str]) -> None:
        if isinstance(part, list):
            for item in part:
                follow(item, path)
        elif isinstance(part, dict):
            target = part.get("$ref")
            if isinstance(target, str) and target not in sound:
                if target in path or target not in known:
                    raise _CannotCompileError
                follow(known[target], path | {target})
                sound.add(target)
            for keyword, value in part.items():
                if keyword not in _DEFINITIONS:
                    follow(value, path)

    follow(schema, frozenset())
