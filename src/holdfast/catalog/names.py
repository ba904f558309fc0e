"""What a model is called, however a provider or a caller spells it.

`eu.anthropic.claude-sonnet-4-5-20250929-v1:0`, `claude-sonnet-4-5@20250929` and
`anthropic/claude-sonnet-4.5` are one model, `claude-sonnet-4-5`. The spellings
are data, in `data/names.toml`; here they are only applied.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files

from holdfast.model import Catalog

_NEAR = 0.75
"""How alike two names must be to be taken for each other: `claude-sonet-4.5` and
`claude-sonnet-4-5` score 0.96, `gpt-4o` and `gpt-5` 0.67."""

_PUNCTUATION = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True)
class NameRules:
    """How spellings are read.

    Attributes:
        rules: Applied in order, each to what the one before left.
        exceptions: Whole spellings, looked up before any rule.
        labs: Beginnings of names, and the lab that uses each.
    """

    rules: tuple[tuple[re.Pattern[str], str], ...]
    exceptions: Mapping[str, str]
    labs: Mapping[str, str]

    def canonical_name(self, spelling: str) -> str:
        """Return what the model is called here; an unknown one keeps its name."""
        name = spelling.strip().lower().rpartition("/")[2]
        if name in self.exceptions:
            return self.exceptions[name]
        for pattern, replacement in self.rules:
            name = pattern.sub(replacement, name)
        return name

    def lab(self, name: str) -> str:
        """Return who makes the model of a canonical name, empty if unknown."""
        beginnings = [start for start in self.labs if name.startswith(start)]
        return self.labs[max(beginnings, key=len)] if beginnings else ""


@cache
def shipped_rules() -> NameRules:
    """Return the rules that ship with the package."""
    text = files(__package__).joinpath("data", "names.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return NameRules(
        rules=tuple((re.compile(rule), into) for rule, into in table["rules"]),
        exceptions=table["exceptions"],
        labs={start: lab for lab, starts in table["labs"].items() for start in starts},
    )


def canonical_name(provider_spelling: str) -> str:
    """Return what a model is called here, given a provider's spelling of it.

    Pure: no catalog is looked up, so the answer may be a name nobody serves.
    """
    return shipped_rules().canonical_name(provider_spelling)


def known_name(name: str, known: Collection[str]) -> str | None:
    """Find a caller's spelling among known names: as written, else as called here.

    Args:
        name: What the caller wrote, e.g. `claude-sonnet-4.5`.
        known: A set or mapping of the names there are.
    """
    if name in known:
        return name
    canonical = canonical_name(name)
    return canonical if canonical in known else None


def near_names(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the known names most like one that is unknown, the nearest first.

    Punctuation and case count for nothing: they are what callers get wrong.
    """
    sought = _letters(name)
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(sought)
    scored: list[tuple[float, str]] = []
    for candidate in known:
        matcher.set_seq1(_letters(candidate))
        # The first two are upper bounds of the third, and far cheaper.
        if (
            matcher.real_quick_ratio() >= _NEAR
            and matcher.quick_ratio() >= _NEAR
            and (ratio := matcher.ratio()) >= _NEAR
        ):
            scored.append((-ratio, candidate))
    return [candidate for _, candidate in sorted(scored)[:limit]]


def _letters(name: str) -> str:
    return _PUNCTUATION.sub("", name.lower())


def every_name(catalog: Catalog) -> frozenset[str]:
    """Return all that can be called: plain names and pinned ids."""
    pinned = (
        deployment.id
        for model in catalog.models.values()
        for deployment in model.deployments
    )
    return frozenset((*catalog.models, *pinned))
