"""What a configuration file holds once its shape is checked, with its lines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.config_file.faults import Place


@dataclass(frozen=True, slots=True)
class Value:
    """One value and where it stands.

    Attributes:
        content: What its kind makes of it; a list is a tuple of values, a
            section is a `Record`.
    """

    content: Any
    line: int
    place: Place

    def fault(self, problem: str, remedy: str) -> None:
        """Note a fault of this value."""
        self.place.fault(self.line, problem, remedy)

    def warn(self, problem: str, remedy: str) -> None:
        """Note a warning about this value."""
        self.place.warn(self.line, problem, remedy)


@dataclass(frozen=True, slots=True)
class Record:
    """A section.

    Attributes:
        values: The fields that are there and right, by name.
        given: The names of the fields that are there, right or wrong.
    """

    line: int
    place: Place
    values: Mapping[str, Value] = field(default_factory=dict)
    given: frozenset[str] = frozenset()

    def at(self, name: str) -> Value | None:
        """Return a field with its line, None if it is absent."""
        return self.values.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return what a field holds."""
        value = self.values.get(name)
        return default if value is None else value.content

    def section(self, name: str) -> "Record":
        """Return a section, an empty one if it is absent."""
        found = self.get(name)
        if found is None:
            return Record(self.line, self.place.of(name))
        assert isinstance(found, Record)  # noqa: S101 - the schema says it is one
        return found

    def sections(self, *names: str) -> tuple["Record", ...]:
        """Return the sections of a list, or of the lists below its sections.

        `sections("organizations", "projects")` are all organizations' projects.
        """
        found: tuple[Record, ...] = (self,)
        for name in names:
            found = tuple(
                item.content for record in found for item in record.items(name)
            )
        return found

    def items(self, name: str) -> tuple[Value, ...]:
        """Return the items of a list with their lines."""
        found: tuple[Value, ...] = self.get(name, ())
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the items of a list of text."""
        return tuple(item.content for item in self.items(name))

    def named(self, name: str) -> Mapping[str, Value]:
        """Return the values of a mapping by their names."""
        found: Mapping[str, Value] = self.get(name, {})
        return found


def column(name: str, records: Iterable[Record]) -> tuple[Value, ...]:
    """Return one field of several sections, where it is there."""
    return tuple(record.values[name] for record in records if name in record.values)
