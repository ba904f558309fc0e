"""A JSON schema as Gemini takes it, for the parameters of a function or for an answer.

Gemini reads a part of JSON Schema (`parametersJsonSchema`, `responseJsonSchema`)
and refuses some of the rest. What says the same in other words is rewritten;
a limit that cannot be said is told to the model in the description; what has no
bearing on a value is left out.
"""

from collections.abc import Callable
from typing import Any

_KEPT = frozenset(
    {
        "type",
        "title",
        "description",
        "default",
        "required",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "propertyOrdering",
    }
)
"""Of ai.google.dev/api/generate-content#FIELDS.response_json_schema, with `default`,
which is on record as taken."""

_TOLD = frozenset(
    {
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "const",
        "enum",
        "format",
    }
)
"""What cannot be said, or not with every value, and bears on what is right."""

_FORMATS = frozenset({"date-time", "date", "time"})
_DEFINITIONS = "#/definitions/"


def schema_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Write a schema as Gemini takes it. Not changed in place."""
    written = _write(schema)
    return written if isinstance(written, dict) else {}


def _write(schema: object) -> Any:
    if not isinstance(schema, dict):
        # `true` allows any value, as does a schema that says nothing.
        return {} if schema is True else schema
    if isinstance(schema.get("$ref"), str):
        # Beside a reference Gemini takes nothing but what begins with `$` too.
        return {
            "$ref": schema["$ref"].replace(_DEFINITIONS, "#/$defs/", 1),
            **_definitions(schema),
        }
    written: dict[str, Any] = {}
    told = []
    for keyword, value in _merged(schema).items():
        if keyword in _KEPT:
            written[keyword] = value
        elif keyword in _WRITERS and (said := _WRITERS[keyword](value)):
            written.update(said)
        elif keyword in _TOLD and value is not None:
            told.append(f"{keyword}: {value}")
    written.update(_definitions(schema))
    if schema.get("nullable") is True and isinstance(written.get("type"), str):
        written["type"] = [written["type"], "null"]
    _complete(written)
    if told:
        description = written.get("description") or ""
        written["description"] = f"{description} ({', '.join(told)})".strip()
    return written


def _merged(schema: dict[str, Any]) -> dict[str, Any]:
    """Write what `allOf` adds as if it stood beside it; the schema's own words win."""
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    merged: dict[str, Any] = {}
    for part in [*parts, {key: schema[key] for key in schema if key != "allOf"}]:
        if not isinstance(part, dict):
            continue
        whole = _merged(part)
        for keyword, value in whole.items():
            held = merged.get(keyword)
            if keyword == "properties" and isinstance(held, dict):
                merged[keyword] = {**held, **value}
            elif keyword == "required" and isinstance(held, list):
                merged[keyword] = [*held, *(one for one in value if one not in held)]
            else:
                merged[keyword] = value
    # A part that is a reference cannot be written beside anything else.
    if "$ref" in merged:
        merged["anyOf"] = [{"$ref": merged.pop("$ref")}]
    return merged


def _definitions(schema: dict[str, Any]) -> dict[str, Any]:
    found = [schema.get("definitions"), schema.get("$defs")]
    named = {
        name: _write(each)
        for place in found
        if isinstance(place, dict)
        for name, each in place.items()
    }
    return {"$defs": named} if named else {}


def _properties(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {"properties": {name: _write(each) for name, each in value.items()}}


def _items(value: object) -> dict[str, Any]:
    if isinstance(value, list):
        return {"prefixItems": [_write(each) for each in value]}
    return {"items": _write(value)}


def _variants(value: object) -> dict[str, Any]:
    if not isinstance(value, list) or not value:
        return {}
    return {"anyOf": [_write(each) for each in value]}


def _enum(value: object) -> dict[str, Any]:
    """Write an enumeration, which to Gemini is of strings or numbers alone."""
    listed = value if isinstance(value, list) else []
    sayable = [one for one in listed if _is_sayable(one)]
    return {"enum": sayable} if sayable and len(sayable) == len(listed) else {}


def _is_sayable(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


_WRITERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "properties": _properties,
    "additionalProperties": lambda value: {"additionalProperties": _rest(value)},
    "items": _items,
    "prefixItems": lambda value: _items(value) if isinstance(value, list) else {},
    "anyOf": _variants,
    "oneOf": _variants,
    "enum": _enum,
    "const": lambda value: {"enum": [value]} if _is_sayable(value) else {},
    "format": lambda value: {"format": value} if value in _FORMATS else {},
}


def _rest(value: object) -> Any:
    return value if isinstance(value, bool) else _write(value)


def _complete(written: dict[str, Any]) -> None:
    """Say what Gemini wants said and others take for granted."""
    if "type" not in written:
        if "properties" in written:
            written["type"] = "object"
        elif all(isinstance(one, str) for one in written.get("enum", [0])):
            written["type"] = "string"
    properties = written.get("properties")
    required = written.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        # One that is not described is refused.
        written["required"] = [name for name in required if name in properties]
