"""How Claude is asked for JSON, from a caller's `response_format`.

Three ways, the firmest first that the model and the schema allow: a grammar
(`output_config.format`), a tool it is forced to call and whose input is the
answer, and words in the system prompt. `json_object` has words alone: as a
tool without a schema it makes Claude wrap the object in another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_schema import Grammar
from holdfast_executor.structured import instructions

JSON_TOOL = "holdfast_json_answer"
"""The tool whose input is the answer. An answer that calls it holds JSON as text."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What a request says about the form of the answer.

    Attributes:
        output_format: The `output_config.format`. None leaves it out.
        tool: A tool to force. None if there is none.
        instruction: To be added to the system prompt. Empty if there is none.
    """

    output_format: dict[str, Any] | None = None
    tool: dict[str, Any] | None = None
    instruction: str = ""


def structure_for(
    fields: Mapping[str, Any],
    grammar: Grammar | None,
    *,
    prefixed: bool,
    tool_is_free: bool,
) -> Structure:
    """Decide how an answer's form is asked for.

    Args:
        fields: The caller's request.
        grammar: What the request has compiled. None if the model takes none.
        prefixed: Whether the answer is begun by the caller, which excludes a
            grammar and a forced tool.
        tool_is_free: Whether a tool may be forced. Not where the caller
            already forces one, or forbids them.

    Raises:
        RequestMalformedError: `response_format` is none that can be understood.
    """
    wanted = fields.get("response_format")
    if wanted is None:
        return _own_format(fields)
    wanted = read.mapping(wanted, "response_format")
    match wanted.get("type"):
        case "text":
            return Structure()
        case "json_object":
            return Structure(instruction=instructions.JSON_OBJECT)
        case "json_schema":
            at = "response_format.json_schema"
            named = read.mapping(wanted.get("json_schema"), at)
            if named.get("schema") is None:
                return Structure(instruction=instructions.JSON_OBJECT)
            schema = read.mapping(named["schema"], f"{at}.schema")
            if prefixed:
                return _in_words(schema)
            return (
                _compiled(schema, grammar)
                or (tool_is_free and _forced(schema, named.get("description")))
                or _in_words(schema)
            )
    raise read.malformed(
        "response_format.type", "one of text, json_object, json_schema"
    )


def _own_format(fields: Mapping[str, Any]) -> Structure:
    """Take Anthropic's own way of saying it."""
    config = fields.get("output_config")
    output_format = config.get("format") if isinstance(config, dict) else None
    return Structure(output_format=output_format)


def _compiled(schema: dict[str, Any], grammar: Grammar | None) -> Structure | None:
    written = grammar.add(schema) if grammar is not None else None
    if written is None:
        return None
    return Structure(output_format={"type": "json_schema", "schema": written})


def _forced(schema: dict[str, Any], description: object) -> Structure | None:
    if schema.get("type") != "object":
        return None
    purpose = "Gives the answer."
    if isinstance(description, str) and description:
        purpose = f"{purpose} {description}"
    return Structure(
        tool={"name": JSON_TOOL, "description": purpose, "input_schema": schema}
    )


def _in_words(schema: dict[str, Any]) -> Structure:
    return Structure(instruction=instructions.json_schema(schema))
