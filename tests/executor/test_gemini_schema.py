"""JSON schemas as Gemini takes them."""

import copy
from typing import Any

import pytest

from fakes.gemini_chats import encoded
from holdfast_executor.dialects.gemini_schema import schema_of


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        # Taken as it is, as recorded.
        (
            {"type": ["string", "null"], "title": "A", "default": "x"},
            {"type": ["string", "null"], "title": "A", "default": "x"},
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        # Said in other words.
        ({"const": "a"}, {"enum": ["a"], "type": "string"}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "b"], "type": "string"}),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"items": [{"type": "string"}, {"type": "integer"}]},
            {"prefixItems": [{"type": "string"}, {"type": "integer"}]},
        ),
        (
            {"properties": {"a": {"type": "string"}}},
            {"properties": {"a": {"type": "string"}}, "type": "object"},
        ),
        (
            {
                "definitions": {"a": {"type": "string"}},
                "properties": {"b": {"$ref": "#/definitions/a", "description": "B."}},
            },
            {
                "$defs": {"a": {"type": "string"}},
                "properties": {"b": {"$ref": "#/$defs/a"}},
                "type": "object",
            },
        ),
        (
            {
                "type": "object",
                "allOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "string"}}, "required": ["b"]},
                ],
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "required": ["a", "b"],
            },
        ),
        (
            {"allOf": [{"$ref": "#/$defs/a"}], "description": "One."},
            {"anyOf": [{"$ref": "#/$defs/a"}], "description": "One."},
        ),
        # Told to the model.
        (
            {"type": "string", "minLength": 1, "description": "A name."},
            {"type": "string", "description": "A name. (minLength: 1)"},
        ),
        (
            {"type": "string", "format": "email"},
            {"type": "string", "description": "(format: email)"},
        ),
        (
            {"enum": ["a", None]},
            {"description": "(enum: ['a', None])"},
        ),
        ({"const": True}, {"description": "(const: True)"}),
        # Left out.
        (
            {"$schema": "x", "$comment": "y", "examples": [1], "type": "integer"},
            {"type": "integer"},
        ),
        (
            {"type": "object", "patternProperties": {"^x": {}}, "if": {}, "not": {}},
            {"type": "object"},
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "required": ["a", "gone"],
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "required": ["a"],
            },
        ),
        ({"type": "array", "items": True}, {"type": "array", "items": {}}),
    ],
)
def test_a_schema_is_written_as_gemini_takes_it(schema: Any, sent: Any) -> None:
    """Nothing of it is lost that bears on a value, and it is not changed in place."""
    before = copy.deepcopy(schema)

    assert schema_of(schema) == sent
    assert schema == before


def test_properties_may_be_called_as_keywords_are() -> None:
    """A field named `const` is a field."""
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("const", "$ref", "allOf")},
    }

    assert schema_of(schema) == schema


def test_parameters_are_an_object() -> None:
    """Gemini refuses what does not say so."""
    parameters = {"properties": {"city": {"type": "string"}}, "$schema": "x"}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}

    (declared,) = encoded(tools=[tool])["tools"][0]["functionDeclarations"]

    assert declared["parametersJsonSchema"] == {
        "type": "object",
        "properties": {"city": {"type": "string"}},
    }


def test_a_schema_that_refers_to_itself_stays_so() -> None:
    """Gemini unrolls it."""
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/node"}},
            }
        },
        "$ref": "#/$defs/node",
    }

    assert schema_of(schema) == schema
