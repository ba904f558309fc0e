"""What a model is told of the form its answer is to have, where words are the way."""

from collections.abc import Iterable
from typing import Any

import msgspec

from holdfast_executor.structured.violations import Violation

_ALONE = "no Markdown fence, and no words before or after it"

JSON_OBJECT = f"Answer with one JSON object and nothing else: {_ALONE}."
_JSON = f"Answer with one JSON value and nothing else: {_ALONE}."
_XML = f"Answer with one XML document and nothing else: {_ALONE}."

_BY_WAY_OF_XML = """\
{alone} It stands for a JSON value, and looks like this: {example}
A property of an object is an element of that name, or <entry key="name"> where the \
name is no element's. Each item of an array is an element <item>. Null is an empty \
element with the attribute nil="true". Everything else is written as text, in which < \
and & are escaped or stand in CDATA. The JSON value must match this JSON schema: \
{schema}"""

_WRONG = """\
This is not what was asked for:
{faults}
Answer again with the whole {what}, corrected, and nothing else: {alone}."""


def json_schema(schema: dict[str, Any]) -> str:
    """Ask for JSON that fits a schema."""
    text = msgspec.json.encode(schema).decode()
    opening = JSON_OBJECT if schema.get("type") == "object" else _JSON
    return f"{opening} It must match this JSON schema: {text}"


def by_way_of_xml(schema: str, example: str) -> str:
    """Ask for XML that stands for JSON which fits a schema."""
    return _BY_WAY_OF_XML.format(alone=_XML, example=example, schema=schema)


def xml(root: str, schema: str) -> str:
    """Ask for XML.

    Args:
        root: The element that it consists of.
        schema: An XSD that it must fit. Empty for none.
    """
    asked = f"{_XML} Its root element is <{root}>."
    return f"{asked} It must be valid by this XML schema: {schema}" if schema else asked


def correction(violations: Iterable[Violation], what: str) -> str:
    """Say what was wrong with an answer, and ask for it again.

    Args:
        violations: What was.
        what: What is asked for, e.g. `JSON`.
    """
    faults = "\n".join(f"- {v.path or 'the whole'}: {v.message}" for v in violations)
    return _WRONG.format(faults=faults, what=what, alone=_ALONE)
