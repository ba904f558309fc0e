"""What is wrong with an answer that was to have a form, and what may be told of it."""

from collections.abc import Iterable
from dataclasses import dataclass

_MOST_TOLD_BYTES = 1_000
"""Of all violations together, as the wire between the services has it."""


_MOST_PATH = 200
"""Characters of one of them."""


class SchemaError(Exception):
    """A schema that nothing can be checked against.

    Attributes:
        message: What is wrong with it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PatternError(SchemaError):
    """A pattern that cannot be matched in time that grows with the text alone."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an answer does not fit.

    Attributes:
        path: A JSON pointer to it, or the path of an element; empty for all of it.
            Names that the caller's schema does not have are written `*`.
        keyword: What it offends against: a keyword of JSON Schema such as
            `required`, or `json`, `xml`, `length` and the like.
        message: What is wrong, for the model alone: it may quote the answer.
    """

    path: str
    keyword: str
    message: str


TOO_DEEP = Violation("", "depth", "it is nested too deeply")


@dataclass(frozen=True, slots=True)
class Unfit:
    """An answer that does not fit.

    Attributes:
        text: The answer as the model wrote it.
        may_be_told: Whether asking the same model again makes sense.
    """

    violations: tuple[Violation, ...]
    text: str = ""
    may_be_told: bool = True

    @property
    def lines(self) -> str:
        """The violations, a line each, without a word of the answer."""
        places = (_place(v.path) for v in self.violations)
        told = zip(places, self.violations, strict=True)
        return "\n".join(_fitting(f"{place} {v.keyword}" for place, v in told))

    @property
    def words(self) -> str:
        """The same, for people."""
        places = (_place(v.path) or "the whole" for v in self.violations)
        told = zip(places, self.violations, strict=True)
        return "; ".join(_fitting(f"{place}: {v.keyword}" for place, v in told))


def unfit(keyword: str, message: str, text: str = "", *, final: bool = False) -> Unfit:
    """Say that a whole answer does not fit.

    Args:
        keyword: What it offends against.
        message: What is wrong, for the model.
        text: The answer.
        final: Whether the same model would do no better.
    """
    return Unfit((Violation("", keyword, message),), text, may_be_told=not final)


def _place(path: str) -> str:
    """Write a path as a part of a line."""
    return path[:_MOST_PATH].replace("\n", " ")


def _fitting(lines: Iterable[str]) -> list[str]:
    """Return as many of some lines as may be told."""
    room = _MOST_TOLD_BYTES
    kept: list[str] = []
    for line in lines:
        room -= len(line.encode(errors="replace")) + 2
        if room < 0 and kept:
            break
        kept.append(line)
    return kept
