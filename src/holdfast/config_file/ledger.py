"""The field `ledger`: an address as a secret, or a section with a password apart."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from holdfast.config_file.credentials import OneSecret
from holdfast.config_file.document import MapNode, Node
from holdfast.config_file.faults import Place
from holdfast.config_file.structure import Field, Section
from holdfast.config_file.values import Record, Value
from holdfast.settings import NO_LEDGER

_ADDRESS = OneSecret(
    "`sqlite:///PATH`, `postgresql+asyncpg://USER@HOST/NAME` or `none`; a secret"
)

LEDGER = Section(
    "ledger",
    "Where history, usage and cost are kept; see [traces and usage]"
    "(traces-and-usage.md). The address alone may stand in place of the section.",
    (
        Field("url", _ADDRESS, "The database. `none`: nothing is kept.", None),
        Field(
            "password",
            OneSecret(),
            "PostgreSQL's, so that the address can be written out.",
            "the address's own",
        ),
    ),
)

_SOURCES = frozenset({"env", "file"})


@dataclass(frozen=True, slots=True)
class LedgerAddress:
    """The section, or the address alone."""

    section: Section = field(default=LEDGER)

    @property
    def words(self) -> str:
        """What it is called in the documentation."""
        return f"{_ADDRESS.words}; or {self.section.words}"

    def read(self, node: Node, place: Place) -> Record | None:
        """Return the section; an address alone is its `url`."""
        if isinstance(node, MapNode) and not (
            {entry.name for entry in node.entries} & _SOURCES
        ):
            return self.section.read(node, place)
        address = _ADDRESS.read(node, place)
        if address is None:
            return None
        return Record(
            node.line,
            place,
            {"url": Value(address, node.line, place)},
            frozenset({"url"}),
        )


def is_address(text: str) -> bool:
    """Tell whether a ledger can be at an address."""
    if text == NO_LEDGER or re.fullmatch(r"sqlite:///[^?#\0]*[^?#\0/]", text):
        return True
    try:
        parts = urlsplit(text)
        is_whole = parts.port != 0 and parts.path.strip("/") and parts.hostname
    except ValueError:
        return False
    return parts.scheme == "postgresql+asyncpg" and bool(is_whole)
