"""The tools Claude may use, and whether it must, from OpenAI's `tools`."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_schema import Grammar
from holdfast_executor.dialects.tool_choice import ToolChoice

_STRICT_MAX = 5
"""How many strict tools are sent as strict; with more, none is. All of them share one
grammar: 20 are refused always, seven small ones were (anthropic-sdk-typescript#885),
and a tool that is not strict still works."""

_OWN_TOOL = re.compile(r"[a-z_]+_\d{8}")
"""The type of a tool of Anthropic's own, which bears the day it was defined on."""


def tools_of(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read `tools`, and `functions`, their forerunner.

    Raises:
        RequestMalformedError: One is none that can be understood.
        CapabilityMissingError: One is of a kind that there is not.
    """
    tools = [
        _tool(read.mapping(tool, f"tools[{place}]"), f"tools[{place}]")
        for place, tool in enumerate(_list_of(fields, "tools"))
    ]
    return tools + [
        _function(read.mapping(function, f"functions[{place}]"), f"functions[{place}]")
        for place, function in enumerate(_list_of(fields, "functions"))
    ]


def _list_of(fields: Mapping[str, Any], field: str) -> list[Any]:
    value = fields.get(field)
    return [] if value is None else read.items(value, field)


def _tool(tool: dict[str, Any], field: str) -> dict[str, Any]:
    kind = tool.get("type", "function")
    if isinstance(kind, str) and _OWN_TOOL.fullmatch(kind):
        return dict(tool)
    if kind != "function":
        raise CapabilityMissingError(
            "The model has no tools of this kind.", f"{field}.type"
        )
    field = f"{field}.function"
    written = _function(read.mapping(tool.get("function"), field), field)
    if isinstance(tool.get("cache_control"), dict):
        written["cache_control"] = tool["cache_control"]
    return written


def _function(function: dict[str, Any], field: str) -> dict[str, Any]:
    written: dict[str, Any] = {"name": read.name(function.get("name"), f"{field}.name")}
    description = function.get("description")
    if description is not None:
        written["description"] = read.text(description, f"{field}.description")
    parameters = function.get("parameters")
    if parameters is None:
        parameters = {}
    parameters = read.mapping(parameters, f"{field}.parameters")
    written["input_schema"] = (
        parameters if "type" in parameters else {"type": "object", **parameters}
    )
    if function.get("strict") is True:
        written["strict"] = True
    if isinstance(function.get("cache_control"), dict):
        written["cache_control"] = function["cache_control"]
    return written


def settle_strictness(tools: list[dict[str, Any]], grammar: Grammar | None) -> None:
    """Keep `strict` on each tool where Anthropic is sure to take it; drop it elsewhere.

    Args:
        tools: As `tools_of` wrote them; changed in place.
        grammar: What the request has compiled. None if the model takes none.
    """
    strict = [tool for tool in tools if tool.get("strict") and "input_schema" in tool]
    if len(strict) > _STRICT_MAX:
        grammar = None
    for tool in strict:
        schema = grammar.add(tool["input_schema"]) if grammar is not None else None
        if schema is None:
            del tool["strict"]
        else:
            tool["input_schema"] = schema


def tool_fields(
    tools: list[dict[str, Any]],
    choice: ToolChoice,
    json_tool: dict[str, Any] | None,
    called: Iterable[str],
    *,
    parallel: bool,
) -> dict[str, Any]:
    """Write `tools` and `tool_choice`.

    Args:
        tools: Those of the caller.
        choice: What the caller says about their use.
        json_tool: The tool whose input is the answer. None if there is none.
        called: The names of the tools that the conversation has called.
        parallel: Whether several may be called at once.
    """
    if choice.allowed is not None:
        tools = [tool for tool in tools if str(tool.get("name")) in choice.allowed]
    mode = choice.mode
    if json_tool is not None:
        tools, mode = [*tools, json_tool], "any"
    if not tools:
        # Anthropic wants tools declared that the conversation has used.
        tools = [
            {"name": name, "input_schema": {"type": "object"}}
            for name in dict.fromkeys(called)
        ]
        mode = "none"
    if not tools:
        return {}
    written: dict[str, Any] = {"tools": tools}
    if mode or not parallel:
        written["tool_choice"] = {"type": mode or "auto"}
        if mode == "tool":
            written["tool_choice"]["name"] = choice.name
        if not parallel and mode != "none":
            written["tool_choice"]["disable_parallel_tool_use"] = True
    return written
