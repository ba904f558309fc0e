"""Values that are no file, held against the same schema as a file's.

What the API is sent is JSON, decoded already. Its bounds are those of the
configuration file, and so are the words for what is wrong.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holdfast.config_file.document import (
    Entry,
    ListNode,
    MapNode,
    Node,
    ScalarKind,
    ScalarNode,
)
from holdfast.config_file.faults import Fault, Place, Report
from holdfast.config_file.structure import Section

_LINE = 1
_NO_FILE = Path()


def faults(section: Section, content: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Say what is wrong with the fields of a section.

    Args:
        section: What they have to be.
        content: The fields. What is null or empty counts as left out.
    """
    report = Report(_NO_FILE)
    section.read(_node(content), Place(report))
    return report.faults


def _node(value: Any) -> Node:
    if isinstance(value, Mapping):
        given = ((name, below) for name, below in value.items() if not _empty(below))
        return MapNode(
            _LINE, tuple(Entry(_LINE, name, _node(below)) for name, below in given)
        )
    if isinstance(value, list | tuple):
        return ListNode(_LINE, tuple(map(_node, value)))
    if isinstance(value, bool):
        return ScalarNode(_LINE, "true" if value else "false", ScalarKind.FLAG)
    if isinstance(value, int | float):
        return ScalarNode(_LINE, repr(value), ScalarKind.NUMBER)
    if value is None:
        return ScalarNode(_LINE, "", ScalarKind.NOTHING)
    return ScalarNode(_LINE, str(value), ScalarKind.TEXT)


def _empty(value: Any) -> bool:
    return value is None or (
        isinstance(value, str | Mapping | list | tuple) and not value
    )
