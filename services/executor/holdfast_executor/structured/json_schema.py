"""JSON schemas as the library knows them; the one module that does.

Nothing is fetched for a schema, and patterns are matched in time that grows with the
text alone. Those that cannot be (look-around, back references) are matched by another
engine, under a limit, and apart.
"""

from collections.abc import Iterable
from typing import Any

import jsonschema_rs
import msgspec

from holdfast_executor.structured.violations import (
    PatternError,
    SchemaError,
    Violation,
)

_MOST_REGEX_BYTES = 4 * 1024 * 1024
"""Of a compiled pattern: enough for 50 Unicode letters in a row, and compiled in
10 ms."""

_MOST_BACKTRACKS = 100_000
"""Of a pattern with look-around, on one text: about 10 ms."""

_MOST_TOLD = 8
"""Violations: what a model can take in, and a caller wants to see."""

_MOST_MESSAGE = 300
"""Characters: the library quotes what it finds, and that may be the whole answer."""


class JsonSchema:
    """A compiled schema."""

    def __init__(self, schema: bytes, *, formats: bool, linear: bool = True) -> None:
        """Compile a schema.

        Args:
            schema: As JSON.
            formats: Whether what it says of formats has to be kept.
            linear: Whether patterns are matched in time that grows with the text
                alone.

        Raises:
            PatternError: A pattern is none, or not for the engine asked for.
            SchemaError: It is none.
        """
        patterns = (
            jsonschema_rs.RegexOptions(size_limit=_MOST_REGEX_BYTES)
            if linear
            else jsonschema_rs.FancyRegexOptions(
                backtrack_limit=_MOST_BACKTRACKS, size_limit=_MOST_REGEX_BYTES
            )
        )
        self._parsed = msgspec.json.decode(schema)
        self._names: frozenset[str] | None = None
        try:
            self._validator = jsonschema_rs.validator_for(
                self._parsed,
                validate_formats=formats,
                pattern_options=patterns,
                offline=True,
            )
        except jsonschema_rs.ValidationError as error:
            place = "".join(f"/{part}" for part in error.instance_path)
            message = f"{error.message}"[:_MOST_MESSAGE]
            kind = PatternError if _is_about_a_pattern(error) else SchemaError
            raise kind(f"{place}: {message}" if place else message) from None
        except ValueError as error:
            raise SchemaError(str(error)[:_MOST_MESSAGE]) from None

    def takes(self, value: Any) -> bool:
        """Tell whether a value fits."""
        return bool(self._validator.is_valid(value))

    def violations(self, value: Any) -> tuple[Violation, ...]:
        """Say what is wrong with a value that does not fit: the first few things."""
        found: list[Violation] = []
        for error in self._validator.iter_errors(value):
            found.append(self._violation(error))
            if len(found) == _MOST_TOLD:
                break
        return tuple(found)

    def _violation(self, error: jsonschema_rs.ValidationError) -> Violation:
        path = list(error.instance_path)
        kind = error.kind
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
            path.append(kind.property)
        return Violation(
            self._pointer(path), kind.name or "schema", error.message[:_MOST_MESSAGE]
        )

    def _pointer(self, path: Iterable[str | int]) -> str:
        if self._names is None:
            self._names = frozenset(_names(self._parsed))
        return "".join(
            f"/{_escaped(part)}"
            if isinstance(part, int) or part in self._names
            else "/*"
            for part in path
        )


def _escaped(part: str | int) -> str:
    """Write a part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _is_about_a_pattern(error: jsonschema_rs.ValidationError) -> bool:
    kind = error.kind
    return (
        isinstance(kind, jsonschema_rs.ValidationErrorKind.Format)
        and kind.format == "regex"
    )


def _names(schema: Any) -> Iterable[str]:
    """Give every word that a caller wrote in a schema as a key, or as required."""
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield from each
            required = each.get("required")
            if isinstance(required, list):
                yield from (name for name in required if isinstance(name, str))
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
