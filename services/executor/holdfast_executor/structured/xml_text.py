"""Finding XML in what a model wrote, and reading it so that it can do no harm.

Nothing is fetched, no entity is replaced, and a document type is not taken at all;
depth and size are bounded. The one module that knows lxml.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from lxml import etree

from holdfast_executor.structured.surroundings import bare, blocks
from holdfast_executor.structured.violations import SchemaError, Violation

MOST_DEPTH = 100
"""Of elements, as for JSON. libxml2's own limit is 256."""

_MOST_BLOCKS = 16
"""Fenced blocks that are looked at, as for JSON."""

_MOST_TOLD = 8
_MOST_MESSAGE = 300
"""As for JSON."""

_XSD = "{http://www.w3.org/2001/XMLSchema}"
_ELSEWHERE = frozenset(
    f"{_XSD}{x}" for x in ("import", "include", "override", "redefine")
)
"""What names other documents, which are not fetched."""

_PROLOG = re.compile(r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*)*", re.DOTALL)
_STEP = re.compile(r"[^/]+")

Element: TypeAlias = Any
"""lxml has no types."""


class XmlError(Exception):
    """A text holds no XML that will do.

    Attributes:
        keyword: What it offends against.
        message: What is wrong, for the model.
    """

    def __init__(self, keyword: str, message: str) -> None:
        super().__init__(message)
        self.keyword = keyword
        self.message = message


def document(text: str, root: str) -> tuple[str, Element]:
    """Return the XML in a text, and its root element.

    Args:
        text: What the model wrote.
        root: The name of the element that it was asked for.

    Raises:
        XmlError: There is none that will do.
    """
    fault: XmlError | None = None
    for candidate in _candidates(bare(text), root):
        try:
            return candidate, _read(candidate, root)
        except XmlError as error:
            fault = fault or error
            if error.keyword == "doctype":
                break
    raise fault or XmlError("xml", "there is no XML in it")


def _candidates(text: str, root: str) -> Iterator[str]:
    if text.startswith("<"):
        yield text
    yield from itertools.islice(blocks(text), _MOST_BLOCKS)
    name = rf"(?:[\w.-]+:)?{re.escape(root)}"
    begins = re.search(rf"<{name}(?=[\s/>])", text)
    if begins is None:
        return
    ends = text.rfind(">", 0, _after_last(rf"</{name}\s*>", text) or None)
    yield text[begins.start() : ends + 1]


def _after_last(pattern: str, text: str) -> int:
    after = 0
    for found in re.finditer(pattern, text):
        after = found.end()
    return after


def _read(text: str, root: str) -> Element:
    prolog = _PROLOG.match(text)
    after = prolog.end() if prolog else 0
    if text[after : after + 9].upper() == "<!DOCTYPE":
        raise XmlError("doctype", "a document type is not taken; leave it out")
    element = _parsed(text.encode(errors="replace"))
    if etree.QName(element).localname != root:
        raise XmlError("root", f"the root element must be <{root}>")
    if _depth(element) > MOST_DEPTH:
        raise XmlError("depth", f"elements may be nested {MOST_DEPTH} deep at most")
    return element


def _parsed(text: bytes) -> Element:
    parser = etree.XMLParser(
        encoding="utf-8",
        huge_tree=False,
        load_dtd=False,
        no_network=True,
        resolve_entities=False,
    )
    try:
        return etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        raise XmlError("xml", str(error.msg)[:_MOST_MESSAGE]) from None


def _depth(element: Element) -> int:
    most = level = 0
    for event, _ in etree.iterwalk(element, events=("start", "end")):
        level += 1 if event == "start" else -1
        most = max(most, level)
    return most


class Xsd:
    """A compiled schema of XML."""

    def __init__(self, schema: bytes) -> None:
        """Compile a schema.

        Raises:
            SchemaError: It is none, or is not all there.
        """
        try:
            parsed = _parsed(schema)
        except XmlError as error:
            raise SchemaError(error.message) from None
        if parsed.getroottree().docinfo.doctype:
            raise SchemaError("a document type is not taken")
        for element in parsed.iter():
            if element.tag in _ELSEWHERE:
                raise SchemaError(
                    "other documents are not fetched: write all of it in one, "
                    f"without <{etree.QName(element).localname}>"
                )
        self._names = {str(e.get("name")) for e in parsed.iter() if e.get("name")}
        try:
            self._schema = etree.XMLSchema(parsed)
        except etree.XMLSchemaParseError as error:
            raise SchemaError(str(error)[:_MOST_MESSAGE]) from None

    def violations(self, element: Element) -> tuple[Violation, ...]:
        """Say what is wrong with a document: the first few things, or nothing."""
        if self._schema.validate(element):
            return ()
        told = [
            Violation(
                _STEP.sub(self._step, entry.path or ""),
                entry.type_name.removeprefix("SCHEMAV_").lower().replace("_", "-"),
                entry.message[:_MOST_MESSAGE],
            )
            for entry, _ in zip(self._schema.error_log, range(_MOST_TOLD), strict=False)
        ]
        return tuple(told) or (Violation("", "xsd", "it does not fit the schema"),)

    def _step(self, found: "re.Match[str]") -> str:
        """Write a step of a path, but no name that the schema does not have."""
        name, bracket, place = found[0].rpartition(":")[2].partition("[")
        return (name if name in self._names else "*") + bracket + place
