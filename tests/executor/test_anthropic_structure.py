"""How Claude is asked for JSON."""

from typing import Any

import pytest

from fakes.anthropic_chats import HELLO, PERSON, encoded, json_schema, named
from holdfast_executor.dialects.anthropic_structure import JSON_TOOL


def test_a_schema_is_compiled() -> None:
    """Limits that Anthropic cannot enforce are told in the description."""
    sent = encoded(response_format=json_schema(PERSON))

    assert sent["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"age": {"type": "integer", "description": "(minimum: 0)"}},
            "required": ["age"],
            "additionalProperties": False,
        },
    }


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        ("claude-sonnet-4-0", PERSON),
        ("claude-sonnet-4-5", {"type": "object", "additionalProperties": True}),
        (
            "claude-sonnet-4-5",
            {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/node"}},
                "$defs": {
                    "node": {
                        "type": "object",
                        "properties": {"next": {"$ref": "#/$defs/node"}},
                    }
                },
            },
        ),
        (
            "claude-sonnet-4-5",
            {
                "type": "object",
                "properties": {f"p{n}": {"type": "string"} for n in range(25)},
            },
        ),
    ],
    ids=["older model", "open object", "recursion", "many optional"],
)
def test_a_schema_that_is_not_compiled_is_a_tool(
    model: str, schema: dict[str, Any]
) -> None:
    """The tool is forced, so that its input is the answer."""
    sent = encoded(named(model), response_format=json_schema(schema))

    assert [tool["name"] for tool in sent["tools"]] == [JSON_TOOL]
    assert sent["tools"][0]["input_schema"] == schema
    assert sent["tool_choice"] == {"type": "any"}
    assert "output_config" not in sent


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_object"}},
        {"response_format": json_schema({"type": "array", "items": {}})},
        {
            "response_format": json_schema(PERSON),
            "messages": [*HELLO, {"role": "assistant", "content": "{"}],
        },
    ],
    ids=["json_object", "no object", "begun answer"],
)
def test_json_is_asked_for_in_words_where_nothing_else_will_do(
    fields: dict[str, Any],
) -> None:
    """The words stand after the caller's own system prompt."""
    sent = encoded(**fields)

    assert "JSON" in sent["system"][-1]["text"]
    assert not sent.keys() & {"tools", "output_config"}


def test_text_is_no_structure() -> None:
    """It is what Claude answers with."""
    assert encoded(response_format={"type": "text"}) == encoded()
