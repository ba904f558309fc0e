"""JSON by way of XML: how a model is shown what to write, and how it is read back.

Some models write long texts and code in XML more reliably than in JSON, where every
quote and line end has to be escaped. What they write is read as the schema has it, for
XML does not tell a number from a text.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

ANSWER = "answer"
"""The root element."""

_ITEM = "item"
_ENTRY = "entry"
_KEY = "key"
_NIL = "nil"

_ELEMENT = re.compile(r"(?!xml)[^\W\d][\w.-]*", re.IGNORECASE)
_NUMBER = re.compile(
    r"-?(?:0|[1-9]\d{0,300})(?P<rest>(?:\.\d{1,300})?(?:[eE][+-]?\d{1,4})?)"
)

MOST_PARTS = 200
"""Alternatives that are looked at for one value."""

_MOST_SHOWN = 4
"""Levels of an example: deeper ones repeat what is clear by then."""

_COMBINING = ("anyOf", "oneOf", "allOf")
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "",
}

_encode = msgspec.json.Encoder(decimal_format="number").encode

Element: TypeAlias = Any
"""One of lxml's, which has no types."""


def example_of(schema: Mapping[str, Any]) -> str:
    """Write what XML for a schema looks like."""
    return _Schema(schema).example(ANSWER, [schema], _MOST_SHOWN)


def value_of(element: Element, schema: Mapping[str, Any]) -> Any:
    """Read the JSON value that an element stands for. Fractions are `Decimal`."""
    return _Schema(schema).value(element, [schema])


def json_of(element: Element, schema: Mapping[str, Any]) -> str:
    """Write the JSON that an element stands for."""
    return _encode(value_of(element, schema)).decode()


class _Schema:
    """A schema, and the parts of it that speak of one value or another."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def example(self, name: str, parts: Sequence[Any], depth: int) -> str:
        opening, closing = f"<{name}>", f"</{name}>"
        if not _ELEMENT.fullmatch(name):
            shown = (
                name.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
            )
            opening, closing = f'<{_ENTRY} {_KEY}="{shown}">', f"</{_ENTRY}>"
        parts = list(self._flat(parts))
        kinds = _kinds(parts)
        if depth and (names := _properties(parts)):
            within = "".join(
                self.example(each, self._of_property(parts, each), depth - 1)
                for each in names
            )
        elif depth and "array" in kinds:
            within = self.example(_ITEM, self._of_item(parts, 0), depth - 1)
        elif depth and "object" in kinds:
            within = self.example("any name", self._of_property(parts, ""), depth - 1)
        else:
            within = " or ".join(word for kind in kinds if (word := _WORDS.get(kind)))
        return f"{opening}{within}{closing}"

    def value(self, element: Element, parts: Sequence[Any]) -> Any:
        if element.get(_NIL) == "true":
            return None
        parts = list(self._flat(parts))
        kinds = _kinds(parts)
        children = [child for child in element if isinstance(child.tag, str)]
        if not children:
            # A comment is no child, and what follows it is text all the same.
            tails = (child.tail or "" for child in element)
            return self._scalar("".join((element.text or "", *tails)), kinds, parts)
        if kinds and "object" not in kinds and "array" in kinds:
            return self._items(children, parts)
        if "array" in kinds and all(_name(child) == _ITEM for child in children):
            return self._items(children, parts)
        return self._object(children, parts)

    def _items(self, children: Sequence[Element], parts: Sequence[Any]) -> list[Any]:
        values: list[Any] = []
        # Behind those that have a schema of their own all have the same.
        alone = max((len(part.get("prefixItems") or ()) for part in parts), default=0)
        own: list[Any] = []
        for place, child in enumerate(children):
            if place <= alone:
                own = self._of_item(parts, place)
            values.append(self.value(child, own))
        return values

    def _object(
        self, children: Sequence[Element], parts: Sequence[Any]
    ) -> dict[str, Any]:
        by_name: dict[str, list[Element]] = {}
        for child in children:
            by_name.setdefault(_name(child), []).append(child)
        value: dict[str, Any] = {}
        for name, named in by_name.items():
            own = self._of_property(parts, name)
            if len(named) == 1:
                value[name] = self.value(named[0], own)
            else:
                # As XML has lists where nobody says otherwise.
                value[name] = self._items(named, list(self._flat(own)))
        return value

    def _scalar(self, text: str, kinds: Sequence[str], parts: Sequence[Any]) -> Any:
        text = text.strip()
        if not text:
            return next((_EMPTY[kind] for kind in _EMPTY if kind in kinds), "")
        if kinds and not _PLAIN.intersection(kinds) and "array" in kinds:
            return [self._scalar(text, _kinds(self._of_item(parts, 0)), ())]
        for kind, read in _READERS.items():
            if kind in kinds or not kinds:
                value = read(text)
                if value is not _NONE:
                    return value
        return text

    def _flat(self, parts: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
        """Give the parts and all that they refer to and combine."""
        waiting = list(reversed(parts))
        seen: set[int] = set()
        while waiting and len(seen) < MOST_PARTS:
            part = waiting.pop()
            if not isinstance(part, Mapping) or id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            for keyword in reversed(_COMBINING):
                combined = part.get(keyword)
                waiting += reversed(combined) if isinstance(combined, list) else ()
            if isinstance(part.get("$ref"), str):
                waiting.append(self._referred(part["$ref"]))

    def _referred(self, reference: str) -> Any:
        found: Any = self._root
        for name in reference.removeprefix("#").split("/")[1:]:
            key = name.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def _of_property(self, parts: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
        named = [_member(part, "properties").get(name) for part in parts]
        if any(each is not None for each in named):
            return named
        patterns = [
            each
            for part in parts
            for each in _member(part, "patternProperties").values()
        ]
        return [*patterns, *(part.get("additionalProperties") for part in parts)]

    def _of_item(self, parts: Sequence[Mapping[str, Any]], place: int) -> list[Any]:
        found: list[Any] = []
        for part in parts:
            listed = part.get("prefixItems")
            first = listed[place : place + 1] if isinstance(listed, list) else []
            found += first or [part.get("items")]
        return list(self._flat(found))


def _member(part: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = part.get(name)
    return member if isinstance(member, Mapping) else {}


def _properties(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of all properties, each once."""
    return list(dict.fromkeys(n for part in parts for n in _member(part, "properties")))


def _kinds(parts: Sequence[Any]) -> list[str]:
    """Return the types that a value may have; nothing if that is not said."""
    kinds: list[str] = []
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        said = part.get("type")
        kinds += [said] if isinstance(said, str) else said or ()
        listed = part.get("enum")
        literals = list(listed) if isinstance(listed, list) else []
        literals += [part["const"]] if "const" in part else []
        kinds += map(_kind, literals)
        kinds += [kind for kind, keyword in _TELLING.items() if keyword in part]
    return list(dict.fromkeys(kinds))


_TELLING = {"object": "properties", "array": "items"}
_PLAIN = frozenset({"string", "integer", "number", "boolean", "null"})


_KINDS: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def _kind(value: Any) -> str:
    return _KINDS[type(value)]


def _name(element: Element) -> str:
    name = str(element.tag).rpartition("}")[2]
    key = element.get(_KEY)
    return str(key) if name == _ENTRY and key is not None else name


_NONE = object()
"""What is read where a text is nothing of the kind."""

_EMPTY: Mapping[str, Any] = {"string": "", "array": [], "object": {}, "null": None}
"""What an element stands for that has nothing in it, the likeliest first."""


def _null(text: str) -> Any:
    return None if text == "null" else _NONE


def _boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text, _NONE)


def _integer(text: str) -> Any:
    found = _NUMBER.fullmatch(text)
    return int(text) if found and not found["rest"] else _NONE


def _number(text: str) -> Any:
    if (whole := _integer(text)) is not _NONE:
        return whole
    is_number = _NUMBER.fullmatch(text) and math.isfinite(float(text))
    # As it is spelled: a float would say other digits.
    return Decimal(text) if is_number else _NONE


_READERS = {
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "null": _null,
}
"""How the text of an element is read, for each type that is no text."""
