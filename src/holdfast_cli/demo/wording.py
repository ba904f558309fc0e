"""What a simulated model is told in words of the form its answer is to have.

A real one reads its instructions, so this one does too: those that a gateway writes
where a provider has no way of its own to ask for JSON or XML.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

_SCHEMA = re.compile(r"JSON schema: (?=[{\[])")
_EXAMPLE = re.compile(r"looks like this: <(\w+)")
_ROOT = re.compile(r"root element is <([\w.-]+)>")
_ELEMENT = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True, slots=True)
class Wording:
    """A form that is asked for in words.

    Attributes:
        schema: What the value has to fit. None: nothing is said.
        root: The element that XML consists of. Empty: JSON is asked for.
    """

    schema: Any = None
    root: str = ""


def wording_of(pieces: Sequence[bytes]) -> Wording | None:
    """Find the form that a prompt asks for; None if it asks for none.

    Args:
        pieces: Of the prompt, as JSON.
    """
    for piece in pieces:
        if b"Answer with one " not in piece:
            continue
        for text in _texts(json.loads(piece)):
            if "Answer with one " in text:
                root = _ROOT.search(text) or _EXAMPLE.search(text)
                return Wording(_schema(text), root[1] if root else "")
    return None


def written(value: Any, root: str) -> str:
    """Write a value as a model would: as JSON, or as XML with a root element."""
    return _element(root, value) if root else json.dumps(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _schema(text: str) -> Any:
    found = _SCHEMA.search(text)
    if found is None:
        return None
    return json.JSONDecoder().raw_decode(text, found.end())[0]


def _element(name: str, value: Any) -> str:
    begin, end = f"<{name}>", f"</{name}>"
    if not _ELEMENT.fullmatch(name):
        begin, end = f"<entry key={quoteattr(name)}>", "</entry>"
    match value:
        case dict():
            within = "".join(_element(each, below) for each, below in value.items())
        case list():
            within = "".join(_element("item", below) for below in value)
        case None:
            return f'{begin[:-1]} nil="true">{end}'
        case str():
            within = escape(value)
        case _:
            within = json.dumps(value)
    return f"{begin}{within}{end}"
