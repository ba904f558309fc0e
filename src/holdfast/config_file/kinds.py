"""The kinds of value a field may take: how each is read and how it is called."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from holdfast.config_file.document import ListNode, MapNode, Node, ScalarKind
from holdfast.config_file.faults import Place, echo


class Kind(Protocol):
    """A kind of value."""

    @property
    def words(self) -> str:
        """What it is called in the documentation, in Markdown."""

    def read(self, node: Node, place: Place) -> Any:
        """Return the value, or None after it was reported."""


def described(node: Node) -> str:
    """Say what a node is, not what it holds: that may be a secret."""
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MapNode):
        return "a mapping"
    return node.kind.value


def scalar_text(node: Node, place: Place) -> str | None:
    """Return text that is written as text, whatever it holds."""
    if isinstance(node, ListNode | MapNode):
        place.fault(node.line, f"is {described(node)}, not text", "write one text")
        return None
    if node.kind is not ScalarKind.TEXT:
        place.fault(
            node.line, f"is {described(node)}, not text", "put the text in quotes"
        )
        return None
    if not node.text.strip():
        place.fault(node.line, "is empty", "write a value, or leave the field out")
        return None
    if not _encodable(node.text):
        place.fault(node.line, "holds half a character", "write whole characters")
        return None
    return node.text


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


@dataclass(frozen=True, slots=True)
class Text:
    """A text of one line."""

    words: str = "text"
    pattern: str = ".+"
    allowed: str = "any text of one line"
    longest: int = 255

    def accepts(self, text: str) -> bool:
        """Tell whether a text is what may stand here."""
        return (
            len(text) <= self.longest
            and text.isprintable()
            and re.fullmatch(self.pattern, text) is not None
        )

    def read(self, node: Node, place: Place) -> str | None:
        """Return the text."""
        text = scalar_text(node, place)
        if text is None:
            return None
        if len(text) > self.longest:
            place.fault(
                node.line,
                f"is longer than {self.longest} characters",
                "shorten it",
            )
            return None
        if not self.accepts(text):
            place.fault(
                node.line, f"{echo(text)} is not allowed here", f"write {self.allowed}"
            )
            return None
        return text


@dataclass(frozen=True, slots=True)
class Prose:
    """A text that may run over several lines."""

    longest: int
    words: str = "text"

    def read(self, node: Node, place: Place) -> str | None:
        """Return the text."""
        text = scalar_text(node, place)
        if text is not None and len(text) > self.longest:
            place.fault(
                node.line, f"is longer than {self.longest} characters", "shorten it"
            )
            return None
        return text


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    words: str = "true or false"

    def read(self, node: Node, place: Place) -> bool | None:
        """Return the flag, with what YAML 1.1 takes for one: `yes`, `off`."""
        if not isinstance(node, ListNode | MapNode) and node.kind is ScalarKind.FLAG:
            word = node.text.lower()
            if word in {"true", "yes", "on"}:
                return True
            if word in {"false", "no", "off"}:
                return False
        place.fault(
            node.line, f"is {described(node)}, not true or false", "write true or false"
        )
        return None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words.

    Attributes:
        hyphens: Whether `json-schema` is taken for `json_schema`.
    """

    options: tuple[str, ...]
    hyphens: bool = False

    @property
    def words(self) -> str:
        """What it is called in the documentation."""
        return "one of " + ", ".join(f"`{option}`" for option in self.options)

    def read(self, node: Node, place: Place) -> str | None:
        """Return the word."""
        text = scalar_text(node, place)
        if text is None:
            return None
        word = text.replace("-", "_") if self.hyphens else text
        if word in self.options:
            return word
        place.fault(
            node.line,
            f"{echo(text)} is none of the choices",
            f"write one of: {', '.join(self.options)}",
        )
        return None


def choice(options: Collection[str]) -> Choice:
    """Return the kind of one of a few words, in the order of the alphabet."""
    return Choice(tuple(sorted(options)))
