"""JSON that a model writes as XML: what it is shown, and what is read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_cli.demo.wording import written
from holdfast_executor.structured.xml_answer import (
    ANSWER,
    example_of,
    json_of,
    value_of,
)
from holdfast_executor.structured.xml_text import document

EVERYTHING = {
    "$defs": {"who": {"type": "object", "properties": {"age": {"type": "integer"}}}},
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": ["integer", "null"]},
        "share": {"type": "number"},
        "sure": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "who": {"anyOf": [{"$ref": "#/$defs/who"}, {"type": "null"}]},
        "by name": {"type": "object", "additionalProperties": {"type": "integer"}},
        "either": {"enum": [1, "a"]},
    },
}


def read(xml: str, schema: Any = EVERYTHING) -> Any:
    return value_of(document(f"<answer>{xml}</answer>", ANSWER)[1], schema)


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        ("<text>7</text>", {"text": "7"}),
        ("<text> a &lt; b </text>", {"text": "a < b"}),
        ("<text><![CDATA[<b>&</b>]]></text>", {"text": "<b>&</b>"}),
        ("<text>a<!-- not b -->c</text>", {"text": "ac"}),
        ("<text/>", {"text": ""}),
        ("<count>7</count>", {"count": 7}),
        ('<count nil="true"/>', {"count": None}),
        ("<count>null</count>", {"count": None}),
        ("<count/>", {"count": None}),
        ("<count>many</count>", {"count": "many"}),
        ("<share>1.50</share>", {"share": 1.5}),
        ("<share>3</share>", {"share": 3}),
        ("<share>1e999</share>", {"share": "1e999"}),
        ("<sure>true</sure>", {"sure": True}),
        ("<tags><item>a</item><item/></tags>", {"tags": ["a", ""]}),
        ("<tags/>", {"tags": []}),
        ("<tags>a</tags>", {"tags": ["a"]}),
        ("<tags>a</tags><tags>b</tags>", {"tags": ["a", "b"]}),
        ("<who><age>7</age></who>", {"who": {"age": 7}}),
        ('<entry key="by name"><a>1</a></entry>', {"by name": {"a": 1}}),
        (
            '<entry key="by name"><entry key="a b">1</entry></entry>',
            {"by name": {"a b": 1}},
        ),
        ("<either>1</either>", {"either": 1}),
        ("<either>a</either>", {"either": "a"}),
        ("<unknown>7</unknown>", {"unknown": 7}),
    ],
)
def test_each_element_is_read_as_the_schema_has_it(xml: str, value: Any) -> None:
    """XML does not tell a number from a text."""
    assert read(xml) == value


def test_an_example_shows_every_property() -> None:
    """Nested as deep as it is clear from."""
    assert example_of(EVERYTHING) == (
        "<answer><text>text</text><count>whole number</count><share>number</share>"
        "<sure>true or false</sure><tags><item>text</item></tags>"
        "<who><age>whole number</age></who>"
        '<entry key="by name"><entry key="any name">whole number</entry></entry>'
        "<either>whole number or text</either></answer>"
    )


def test_a_schema_of_itself_has_an_example() -> None:
    """It ends somewhere."""
    schema = {"type": "object", "properties": {"a": {"$ref": "#"}}}

    assert example_of(schema).count("<a>") == 4


scalars = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    # Space at the ends of a text is what a model has for layout.
    st.text(
        st.characters(categories=["L", "N", "P", "S"], include_characters=" <&>"),
        min_size=1,
    ).map(str.strip),
)
values = st.recursive(
    scalars,
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.text("abc é-<", min_size=1, max_size=4), below, max_size=3)
    ),
    max_leaves=8,
)


def schema_of(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array", "prefixItems": [schema_of(each) for each in value]}
    return {
        "type": "object",
        "properties": {name: schema_of(each) for name, each in value.items()},
    }


@given(values)
def test_any_value_comes_back(value: Any) -> None:
    """Written as a model would that does as it is told."""
    xml = written(value, ANSWER)

    assert json.loads(json_of(document(xml, ANSWER)[1], schema_of(value))) == value


@pytest.mark.parametrize("digits", ["12345678901234567.89", "0.10", "1" * 40, "-0.0"])
def test_a_number_keeps_its_digits(digits: str) -> None:
    """A float would have others."""
    element = document(f"<answer>{digits}</answer>", ANSWER)[1]

    assert json_of(element, {"type": "number"}) == digits
