"""The least value that fits a JSON Schema: what a simulated model answers with."""

from typing import Any

_BY_FORMAT = {
    "date": "2025-01-31",
    "date-time": "2025-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_DEEPEST = 32
"""A schema that needs itself, at least this often, has no finite instance."""


def least_instance(schema: Any) -> Any:
    """Return a small value that fits a schema of the common keywords."""
    return _fit(schema, schema if isinstance(schema, dict) else {}, 0)


def _fit(schema: Any, root: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][0]
    if "$ref" in schema:
        return _fit(_referred(schema["$ref"], root), root, depth + 1)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if schema.get(keyword):
            return _fit(schema[keyword][0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    return _of_kind(kind, schema, root, depth)


def _of_kind(
    kind: Any, schema: dict[str, Any], root: dict[str, Any], depth: int
) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {
                name: _fit(properties.get(name, {}), root, depth + 1)
                for name in schema.get("required", [])
            }
        case "array":
            item = schema.get("items", {})
            return [
                _fit(item, root, depth + 1) for _ in range(schema.get("minItems", 0))
            ]
        case "integer" | "number":
            beyond = schema.get("exclusiveMinimum")
            least = schema.get("minimum", 0 if beyond is None else beyond + 1)
            return min(least, schema.get("maximum", least))
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text = _BY_FORMAT.get(schema.get("format", ""), "example")
            text = text.ljust(schema.get("minLength", 0), ".")
            return text[: schema.get("maxLength", len(text))]


def _referred(reference: Any, root: dict[str, Any]) -> Any:
    found: Any = root
    for name in str(reference).removeprefix("#").strip("/").split("/"):
        if name and isinstance(found, dict):
            found = found.get(name)
    return found
