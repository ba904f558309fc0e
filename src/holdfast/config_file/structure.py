"""Lists, mappings and sections: the kinds of value that hold others."""

import difflib
from dataclasses import dataclass

from holdfast.config_file.document import ListNode, MapNode, Node, is_nothing
from holdfast.config_file.faults import Place, echo
from holdfast.config_file.kinds import Kind, Text, described
from holdfast.config_file.values import Record, Value


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a section.

    Attributes:
        doc: What it means to an operator, in Markdown.
        default: What holds without it, in Markdown. None: it is required.
    """

    name: str
    kind: Kind
    doc: str
    default: str | None = "none"


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with fields of its own.

    Attributes:
        title: Its path, as the heading in the documentation.
        doc: What it is for, in Markdown.
    """

    title: str
    doc: str
    fields: tuple[Field, ...]

    @property
    def words(self) -> str:
        """What it is called in the documentation."""
        return f"section `{self.title}`"

    def read(self, node: Node, place: Place) -> Record | None:
        """Return the fields that are right; the others are reported.

        A name with nothing behind it counts as left out.
        """
        if not isinstance(node, MapNode):
            names = ", ".join(field.name for field in self.fields)
            place.fault(
                node.line,
                f"is {described(node)}, not a mapping",
                f"write fields below it: {names}",
            )
            return None
        known = {field.name: field for field in self.fields}
        values: dict[str, Value] = {}
        given: set[str] = set()
        for entry in node.entries:
            here = place.of(entry.name)
            if entry.name not in known:
                here.fault(
                    entry.line, "is no known field", _suggestion(entry.name, known)
                )
                continue
            if is_nothing(entry.node):
                continue
            given.add(entry.name)
            content = known[entry.name].kind.read(entry.node, here)
            if content is not None:
                values[entry.name] = Value(content, entry.node.line, here)
        for field in self.fields:
            if field.default is None and field.name not in given:
                place.of(field.name).fault(
                    node.line, "is missing", f"add {field.name}: {_plain(field.kind)}"
                )
        return Record(node.line, place, values, frozenset(given))


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one kind."""

    kind: Kind
    least: int = 0

    @property
    def words(self) -> str:
        """What it is called in the documentation."""
        return f"list: {self.kind.words}"

    def read(self, node: Node, place: Place) -> tuple[Value, ...] | None:
        """Return the items that are right; the others are reported."""
        if not isinstance(node, ListNode):
            place.fault(
                node.line,
                f"is {described(node)}, not a list",
                "write [ ] around it, or a line with - for each",
            )
            return None
        if len(node.items) < self.least:
            place.fault(node.line, "is an empty list", "write at least one item")
            return None
        values: list[Value] = []
        for index, item in enumerate(node.items):
            here = place.item(index)
            if is_nothing(item):
                here.fault(item.line, "is empty", "write a value, or remove it")
            elif (content := self.kind.read(item, here)) is not None:
                values.append(Value(content, item.line, here))
        return tuple(values)


@dataclass(frozen=True, slots=True)
class MapOf:
    """Values of one kind under names the operator chooses."""

    names: Text
    kind: Section

    @property
    def words(self) -> str:
        """What it is called in the documentation."""
        return f"mapping of {self.names.words} to {self.kind.words}"

    def read(self, node: Node, place: Place) -> dict[str, Value] | None:
        """Return the values that are right; the others are reported."""
        if not isinstance(node, MapNode):
            place.fault(
                node.line,
                f"is {described(node)}, not a mapping",
                "write a name, a colon and its fields for each",
            )
            return None
        values: dict[str, Value] = {}
        every_field = frozenset(field.name for field in self.kind.fields)
        for entry in node.entries:
            here = place.of(entry.name)
            if not self.names.accepts(entry.name):
                here.fault(
                    entry.line,
                    f"{echo(entry.name)} cannot be a name here",
                    f"write {self.names.allowed}",
                )
                continue
            inner = MapNode(entry.line, ()) if is_nothing(entry.node) else entry.node
            record = self.kind.read(inner, here)
            # What is there and no section has been reported: nothing is missing.
            content = record or Record(entry.line, here, given=every_field)
            values[entry.name] = Value(content, entry.line, here)
        return values


def _suggestion(name: str, known: dict[str, Field]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"write one of: {', '.join(known)}"


def _plain(kind: Kind) -> str:
    return kind.words.replace("`", "")
