"""YAML as a tree of nodes that know their lines: the one file that knows PyYAML."""

import re
from dataclasses import dataclass
from enum import Enum

import yaml

from holdfast.config_file.faults import DOCUMENT, Place, Report, echo

_MOST_NODES = 100_000
"""A file of 20,000 lines has fewer. Anchors that multiply each other reach a
billion nodes within ten lines."""

_TAG = "tag:yaml.org,2002:"


class ScalarKind(Enum):
    """What YAML takes an unquoted word for; the value is how to call it."""

    TEXT = "text"
    NUMBER = "a number"
    FLAG = "true or false"
    NOTHING = "empty"
    OTHER = "of a tagged type"


_KINDS = {
    f"{_TAG}str": ScalarKind.TEXT,
    # A date, as in `api_version: 2024-06-01`, is meant as it is written.
    f"{_TAG}timestamp": ScalarKind.TEXT,
    f"{_TAG}value": ScalarKind.TEXT,
    f"{_TAG}int": ScalarKind.NUMBER,
    f"{_TAG}float": ScalarKind.NUMBER,
    f"{_TAG}bool": ScalarKind.FLAG,
    f"{_TAG}null": ScalarKind.NOTHING,
}


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value, as it is written."""

    line: int
    text: str
    kind: ScalarKind


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    line: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A name and what stands behind it. `line` is the name's."""

    line: int
    name: str
    node: "Node"


@dataclass(frozen=True, slots=True)
class MapNode:
    """Names and what stands behind them, each name once."""

    line: int
    entries: tuple[Entry, ...]


Node = ScalarNode | ListNode | MapNode


def is_nothing(node: Node) -> bool:
    """Tell whether there is a name with nothing behind it."""
    return isinstance(node, ScalarNode) and node.kind is ScalarKind.NOTHING


def compose(text: str, report: Report) -> Node | None:
    """Read YAML; None if there is nothing in it.

    A name that is there twice is reported, and its first value stands.

    Raises:
        ConfigurationError: It is not YAML, or nothing that could be walked.
    """
    root = None
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        if tree is not None:
            root = _Conversion().node(tree, Place(report))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.fault(mark.line + 1 if mark else 1, DOCUMENT, *_in_words(error))
    except yaml.reader.ReaderError as error:
        report.fault(
            text.count("\n", 0, error.position) + 1,
            DOCUMENT,
            "holds a character that YAML does not allow",
            "remove it, or write it as an escape in double quotes",
        )
    except _EndlessError as error:
        report.fault(error.line, DOCUMENT, *error.args)
    except RecursionError:
        report.fault(1, DOCUMENT, "is nested too deeply", "nest it less")
    except (ValueError, OverflowError, LookupError):
        # What PyYAML lets through of Python's own: an escape beyond Unicode, a
        # version number of a thousand digits.
        report.fault(
            1,
            DOCUMENT,
            "holds an escape or a directive that makes no sense",
            "write the text without escapes",
        )
    report.raise_faults()
    return root


class _EndlessError(Exception):
    """The tree has no end, or none worth waiting for."""

    def __init__(self, line: int, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.line = line


class _Conversion:
    """Turns one document's nodes into ours."""

    def __init__(self) -> None:
        self._left = _MOST_NODES
        self._open: set[int] = set()

    def node(self, tree: yaml.Node, place: Place) -> Node:
        line = tree.start_mark.line + 1
        self._left -= 1
        if self._left < 0:
            raise _EndlessError(
                line,
                f"its anchors expand to more than {_MOST_NODES} values",
                "repeat fewer anchors inside each other",
            )
        if id(tree) in self._open:
            raise _EndlessError(
                line, "an anchor contains itself", "write the value out"
            )
        self._open.add(id(tree))
        try:
            if isinstance(tree, yaml.MappingNode):
                return MapNode(line, self._entries(tree, place))
            if isinstance(tree, yaml.SequenceNode):
                items = enumerate(tree.value)
                return ListNode(
                    line,
                    tuple(self.node(item, place.item(index)) for index, item in items),
                )
        finally:
            self._open.discard(id(tree))
        return ScalarNode(line, tree.value, _KINDS.get(tree.tag, ScalarKind.OTHER))

    def _entries(self, tree: yaml.MappingNode, place: Place) -> tuple[Entry, ...]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in tree.value:
            line = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":
                for entry in self._merged(value, place, line):
                    merged.setdefault(entry.name, entry)
            elif not isinstance(key, yaml.ScalarNode):
                place.fault(line, "a name is a list or a mapping", "write a plain name")
            elif (name := key.value) in own:
                place.of(name).fault(
                    line,
                    f"{echo(name)} is already given on line {own[name].line}",
                    "remove one of the two",
                )
            else:
                own[name] = Entry(line, name, self.node(value, place.of(name)))
        return tuple({**merged, **own}.values())

    def _merged(self, value: yaml.Node, place: Place, line: int) -> tuple[Entry, ...]:
        """Return the entries that `<<:` brings in, those that win first."""
        node = self.node(value, place)
        several = node.items if isinstance(node, ListNode) else (node,)
        entries: list[Entry] = []
        for one in several:
            if isinstance(one, MapNode):
                entries.extend(one.entries)
            else:
                place.fault(
                    line, "<< merges something without names", "merge a mapping"
                )
        return tuple(entries)


def _in_words(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    """Say what a YAML error is, without text that might be part of a secret."""
    problem = error.problem or error.context or "is broken"
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces", "indent with spaces"
    if isinstance(error, yaml.composer.ComposerError):
        if "document" in f"{error.context}":
            return "holds a second document", "remove the line --- and what follows"
        return (
            "a value begins with * and names no anchor",
            "put text that begins with * in quotes",
        )
    safe = re.sub(r"""(['"])[^<].{2,}\1""", "this name", problem)
    return f"is not YAML: {safe}", "check indentation, quotes and brackets here"
