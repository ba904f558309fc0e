"""Guardrails in a configuration file, as values."""

from holdfast.config_file.values import Record
from holdfast.model import Guardrail, Judge, Pattern

_REPLACEMENT = "***"


def guardrail(entry: Record) -> Guardrail:
    """Build a guardrail of which every field is right by itself."""
    judge = entry.section("judge")
    return Guardrail(
        entry.get("name"),
        frozenset(entry.texts("applies_to")),
        entry.get("action"),
        presets=entry.texts("presets"),
        patterns=tuple(
            Pattern(each.get("name"), each.get("regex"), each.get("flags", ""))
            for each in entry.sections("patterns")
        ),
        replacement=entry.get("replacement", _REPLACEMENT),
        judge=Judge(judge.get("model"), judge.get("prompt"), judge.get("on_error"))
        if entry.at("judge")
        else None,
        projects=frozenset(entry.texts("projects")),
    )
