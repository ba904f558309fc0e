"""Laying out resources and edits for people, or as JSON."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast_cli.tables import table

_COLUMNS: Mapping[str, Sequence[str]] = {
    "alias": ("name", "fallback_models", "description", "source"),
    "custom_model": ("name", "identifier", "extra", "source"),
    "organization": ("id", "name", "parent", "source"),
    "project": ("id", "name", "retention", "source"),
    "key": ("project", "id", "name", "admin", "disabled", "expires_at", "source"),
    "policy": ("scope", "providers", "models", "geographies", "data", "source"),
    "budget": (
        *("scope", "monthly_usd", "this_month.spent_usd", "this_month.left_usd"),
        *("this_month.resets_at", "warn_at", "source"),
    ),
    "guardrail": ("name", "action", "applies_to", "presets", "projects", "source"),
}
"""What a list of each kind shows; of a field within a field both names."""

_HIDDEN = frozenset({"secret", "etag"})


def as_json(value: Any) -> str:
    """Write it as it was answered."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def rows_of(kind: str, documents: Sequence[Mapping[str, Any]]) -> str:
    """Lay out resources of one kind, a line each."""
    if not documents:
        return "There are none."
    columns = _COLUMNS[kind]
    heading = [column.rpartition(".")[2].replace("_", " ") for column in columns]
    return table(heading, [[_cell(each, c) for c in columns] for each in documents])


def one_of(document: Mapping[str, Any]) -> str:
    """Lay out one resource, a line for each field that is not empty."""
    lines = [
        (name.replace("_", " "), _words(value))
        for name, value in document.items()
        if name not in _HIDDEN and value not in (None, "", [], {})
    ]
    text = "\n".join(f"{name:<22} {value}" for name, value in lines)
    if secret := document.get("secret"):
        text += f"\n\n    {secret}\n\nThis is its secret. It is not shown again."
    return text


def edits(generations: Sequence[Mapping[str, Any]]) -> str:
    """Lay out edits, a line each."""
    if not generations:
        return "There are none."
    heading = ("generation", "at", "who", "action", "what")
    rows = [
        (
            str(each["generation"]),
            each["at"],
            each["actor"],
            each["action"],
            ", ".join(f"{what['kind']} {what['path']}" for what in each["changes"]),
        )
        for each in generations
    ]
    return table(heading, rows)


def differences(changes: Sequence[Mapping[str, Any]]) -> str:
    """Lay out what was changed, field by field."""
    if not changes:
        return "Nothing differs."
    rows = []
    for change in changes:
        before, after = change["before"] or {}, change["after"] or {}
        name = f"{change['kind']} {change['path']}"
        for field in [*before, *(f for f in after if f not in before)]:
            was, is_now = before.get(field), after.get(field)
            if was != is_now:
                rows.append((name, field, _words(was), _words(is_now)))
    return table(("what", "field", "before", "after"), rows)


def _cell(document: Mapping[str, Any], column: str) -> str:
    outer, _, inner = column.partition(".")
    if inner:
        return _words((document[outer] or {}).get(inner))
    if column != "scope":
        return _words(document[column])
    project, key = document["project"], document["key"]
    if not project:
        return "organization"
    return f"{project}/{key}" if key else project


def _words(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        said = {name: each for name, each in value.items() if each not in (None, [])}
        return " ".join(f"{name}={_words(each)}" for name, each in said.items()) or "-"
    if isinstance(value, list):
        return ", ".join(_words(each) for each in value)
    return str(value)
