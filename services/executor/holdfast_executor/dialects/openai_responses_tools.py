"""The tools a model may use over Responses, and whether it must, from a chat's.

A chat's functions and custom tools lie flat there. A tool of any other type is the
provider's own, and goes through as the caller wrote it.
"""

import re
from collections.abc import Mapping
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.tool_choice import choice_of

_ANTHROPICS = re.compile(r"[a-z_]+_\d{8}")
"""The type of a tool of Anthropic's own, which bears the day it was defined on."""

_MODES = {"auto": "auto", "any": "required", "none": "none"}
_NO_PARAMETERS = {"type": "object", "properties": {}}


def tool_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Write `tools`, `tool_choice` and `parallel_tool_calls`.

    Args:
        fields: The caller's request.

    Raises:
        RequestMalformedError: A tool is none that can be understood.
        CapabilityMissingError: A choice names a kind of tool that there is not.
    """
    tools = [
        *(_tool(tool, at) for tool, at in _listed(fields, "tools")),
        *(_function(function, at) for function, at in _listed(fields, "functions")),
    ]
    if not tools:
        return {}
    written: dict[str, Any] = {"tools": tools}
    if (choice := _choice(fields)) is not None:
        written["tool_choice"] = choice
    if fields.get("parallel_tool_calls") is not None:
        written["parallel_tool_calls"] = fields["parallel_tool_calls"]
    return written


def _listed(fields: Mapping[str, Any], field: str) -> list[tuple[Any, str]]:
    value = fields.get(field)
    listed = [] if value is None else read.items(value, field)
    return [(each, f"{field}[{place}]") for place, each in enumerate(listed)]


def _tool(tool: object, at: str) -> dict[str, Any]:
    tool = read.mapping(tool, at)
    match tool.get("type", "function"):
        case "function":
            return _function(tool.get("function"), f"{at}.function")
        case "custom":
            return _custom(tool.get("custom"), f"{at}.custom")
        case str(kind) if not _ANTHROPICS.fullmatch(kind):
            return tool
    raise CapabilityMissingError("The model has no tools of this kind.", f"{at}.type")


def _function(function: object, at: str) -> dict[str, Any]:
    function = read.mapping(function, at)
    written = {
        "type": "function",
        "name": read.name(function.get("name"), f"{at}.name"),
        "parameters": function.get("parameters") or _NO_PARAMETERS,
        # Chats take no word for no, Responses for yes.
        "strict": function.get("strict") or False,
    }
    if function.get("description") is not None:
        written["description"] = function["description"]
    return written


def _custom(custom: object, at: str) -> dict[str, Any]:
    custom = read.mapping(custom, at)
    written = {"type": "custom", **custom}
    form = custom.get("format")
    if isinstance(form, dict) and isinstance(form.get("grammar"), dict):
        written["format"] = {"type": "grammar", **form["grammar"]}
    return written


def _choice(fields: Mapping[str, Any]) -> Any:
    choice = fields.get("tool_choice")
    if isinstance(choice, dict):
        match choice.get("type"):
            case "custom":
                custom = read.mapping(choice.get("custom"), "tool_choice.custom")
                name = read.name(custom.get("name"), "tool_choice.custom.name")
                return {"type": "custom", "name": name}
            case "allowed_tools":
                return _allowed(choice)
            case "function" | "tool" | "auto" | "any" | "none" | None:
                pass
            case _:
                return choice
    understood = choice_of(fields)
    if understood.mode == "tool":
        return {"type": "function", "name": understood.name}
    return _MODES.get(understood.mode)


def _allowed(choice: dict[str, Any]) -> dict[str, Any]:
    at = "tool_choice.allowed_tools"
    allowed = read.mapping(choice.get("allowed_tools"), at)
    tools = []
    for place, each in enumerate(read.items(allowed.get("tools"), f"{at}.tools")):
        tool = read.mapping(each, f"{at}.tools[{place}]")
        kind = tool.get("type", "function")
        named = tool.get(str(kind))
        tools.append(
            {"type": kind, "name": named.get("name")}
            if isinstance(named, dict)
            else tool
        )
    return {
        "type": "allowed_tools",
        "mode": allowed.get("mode", "auto"),
        "tools": tools,
    }
