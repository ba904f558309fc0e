"""The functions Gemini may call, and whether it must, from OpenAI's `tools`."""

import re
from collections.abc import Mapping
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.gemini_schema import schema_of
from holdfast_executor.dialects.tool_choice import ToolChoice

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
"""A name that Gemini takes. OpenAI lets one begin with a digit or a hyphen too."""

_MODES = {"auto": "AUTO", "any": "ANY", "none": "NONE", "tool": "ANY"}


def tool_fields(fields: Mapping[str, Any], choice: ToolChoice) -> dict[str, Any]:
    """Write `tools` and `toolConfig`. All functions are in one tool, as Gemini wants.

    Args:
        fields: The caller's request.
        choice: What the caller says about their use.

    Raises:
        RequestMalformedError: A tool is none that can be understood.
        CapabilityMissingError: One is of a kind that Gemini has not.
    """
    functions = _functions(fields)
    if choice.allowed is not None:
        functions = [one for one in functions if one["name"] in choice.allowed]
    if not functions:
        return {}
    written: dict[str, Any] = {"tools": [{"functionDeclarations": functions}]}
    if choice.mode:
        config: dict[str, Any] = {"mode": _MODES[choice.mode]}
        if choice.mode == "tool":
            config["allowedFunctionNames"] = [choice.name]
        written["toolConfig"] = {"functionCallingConfig": config}
    return written


def _functions(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    written = []
    for place, one in enumerate(_list_of(fields, "tools")):
        at = f"tools[{place}]"
        tool = read.mapping(one, at)
        if tool.get("type", "function") != "function":
            raise CapabilityMissingError(
                "Gemini has no tools of this kind.", f"{at}.type"
            )
        written.append(_function(tool.get("function"), f"{at}.function"))
    for place, one in enumerate(_list_of(fields, "functions")):
        written.append(_function(one, f"functions[{place}]"))
    return written


def _list_of(fields: Mapping[str, Any], field: str) -> list[Any]:
    value = fields.get(field)
    return [] if value is None else read.items(value, field)


def _function(value: object, at: str) -> dict[str, Any]:
    function = read.mapping(value, at)
    name = read.name(function.get("name"), f"{at}.name")
    if not _NAME.fullmatch(name):
        raise CapabilityMissingError(
            "A function's name begins with a letter or an underscore for Gemini.",
            f"{at}.name",
        )
    written: dict[str, Any] = {"name": name}
    if function.get("description") is not None:
        written["description"] = read.text(function["description"], f"{at}.description")
    if function.get("parameters"):
        parameters = read.mapping(function["parameters"], f"{at}.parameters")
        # Anything but an object is refused, as is one that does not say so.
        written["parametersJsonSchema"] = {"type": "object", **schema_of(parameters)}
    return written
