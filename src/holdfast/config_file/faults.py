"""What is wrong with a configuration file: where, what, and what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = "(document)"
"""The field of a fault that concerns the file as a whole."""

_LONGEST_ECHO = 60
"""Characters of the operator's own text in a message: a line stays a line."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, or that an operator should know.

    Attributes:
        line: Counted from 1.
        field: The path to it, e.g. `organizations[0].projects[1].keys[0].key`.
        problem: What is wrong. Never holds a secret.
        remedy: What to do about it.
    """

    file: Path
    line: int
    field: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return printable(
            f"{self.file}:{self.line}: {self.field}: {self.problem}; {self.remedy}"
        )


class ConfigurationError(Exception):
    """A configuration file cannot be used.

    Attributes:
        faults: All of them, by line.
        warnings: What else an operator should know, by line.
    """

    def __init__(self, faults: Iterable[Fault], warnings: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Report:
    """Collects what is found in one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._faults: list[Fault] = []
        self._warnings: list[Fault] = []

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What makes the file unusable, by line, each said once."""
        return _in_order(self._faults)

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """What an operator should know all the same, by line, each said once."""
        return _in_order(self._warnings)

    def fault(self, line: int, field: str, problem: str, remedy: str) -> None:
        """Note what makes the file unusable."""
        self._faults.append(Fault(self.file, line, field, problem, remedy))

    def warn(self, line: int, field: str, problem: str, remedy: str) -> None:
        """Note what does not."""
        self._warnings.append(Fault(self.file, line, field, problem, remedy))

    def raise_faults(self) -> None:
        """Give up if the file is unusable.

        Raises:
            ConfigurationError: There are faults.
        """
        if self._faults:
            raise ConfigurationError(self.faults, self.warnings)


@dataclass(frozen=True, slots=True)
class Place:
    """A field of the file, for what is said about it."""

    report: Report
    field: str = ""

    def of(self, name: str) -> "Place":
        """Return the field of that name below this one."""
        return Place(self.report, f"{self.field}.{name}" if self.field else name)

    def item(self, index: int) -> "Place":
        """Return the list item of that index, from 0."""
        return Place(self.report, f"{self.field}[{index}]")

    @property
    def is_at_fault(self) -> bool:
        """Whether a fault of this field, or of one below it, has been noted."""
        below = (f"{self.field}.", f"{self.field}[")
        return any(
            fault.field == self.field or fault.field.startswith(below)
            for fault in self.report.faults
        )

    def fault(self, line: int, problem: str, remedy: str) -> None:
        """Note a fault of this field."""
        self.report.fault(line, self.field or DOCUMENT, problem, remedy)

    def warn(self, line: int, problem: str, remedy: str) -> None:
        """Note a warning about this field."""
        self.report.warn(line, self.field or DOCUMENT, problem, remedy)


def echo(text: str) -> str:
    """Quote the operator's own text, cut short if it is long."""
    short = text if len(text) <= _LONGEST_ECHO else f"{text[:_LONGEST_ECHO]}..."
    return f'"{short}"'


def printable(text: str) -> str:
    """Write whatever would not show on one line as its escape."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _in_order(found: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda fault: fault.line))
