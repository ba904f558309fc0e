"""What a Messages request wants beside an answer: tools, how to think, a form."""

from collections.abc import Iterator
from typing import Any

from holdfast_edge.decoding import malformed
from holdfast_edge.messages.values import blocks_of, mark_of, text_of

_FORMS = ("json_schema", "json_object", "xml")
_WORDS = " or ".join(_FORMS)
"""What an answer may have to be. All but the first are the gateway's own."""

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def tools_of(tools: object) -> Iterator[dict[str, Any]]:
    """Yield functions as OpenAI writes them, and Anthropic's own tools as they are.

    Raises:
        RequestMalformedError: One of them is none.
    """
    if tools is None:
        return
    for place, tool in blocks_of(tools, "tools"):
        if tool.get("type") not in (None, "custom"):
            yield tool
            continue
        at = f"tools[{place}]"
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise malformed(f"{at}.input_schema", "must be an object")
        function: dict[str, Any] = {"name": text_of(tool.get("name"), f"{at}.name")}
        if tool.get("description"):
            function["description"] = tool["description"]
        function["parameters"] = schema
        if tool.get("strict") is True:
            function["strict"] = True
        yield {"type": "function", "function": function} | mark_of(tool)


def choice_of(choice: object) -> dict[str, Any]:
    """Write which tools may be called, and how many at once.

    Raises:
        RequestMalformedError: It is no choice that there is.
    """
    if choice is None:
        return {}
    if not isinstance(choice, dict):
        raise malformed("tool_choice", "must be an object")
    written: dict[str, Any] = {}
    kind = choice.get("type")
    if kind == "tool":
        name = text_of(choice.get("name"), "tool_choice.name")
        written["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif isinstance(kind, str) and kind in _CHOICES:
        written["tool_choice"] = _CHOICES[kind]
    else:
        raise malformed("tool_choice.type", "must be auto, any, tool or none")
    if choice.get("disable_parallel_tool_use") is True:
        written["parallel_tool_calls"] = False
    return written


def output_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Write how hard to think, and what the answer is to look like.

    Raises:
        RequestMalformedError: It is nothing that there is.
    """
    config = asked.get("output_config")
    if config is not None and not isinstance(config, dict):
        raise malformed("output_config", "must be an object")
    config = config or {}
    written: dict[str, Any] = {}
    if config.get("effort") is not None:
        written["output_config"] = {"effort": config["effort"]}
    shape = config.get("format") or asked.get("output_format")
    if shape is None:
        return written
    if not isinstance(shape, dict) or shape.get("type") not in _FORMS:
        raise malformed("output_config.format", f"must be of type {_WORDS}")
    if asked.get("stream_validation") is not None:
        written["stream_validation"] = asked["stream_validation"]
    if shape["type"] != "json_schema":
        written["response_format"] = shape
        return written
    if not isinstance(shape.get("schema"), dict):
        raise malformed("output_config.format.schema", "must be an object")
    named = {"name": "answer", "schema": shape["schema"], "strict": True}
    if shape.get("via") is not None:
        named["via"] = shape["via"]
    written["response_format"] = {"type": "json_schema", "json_schema": named}
    return written
