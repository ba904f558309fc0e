"""The tools of a Responses request as a chat's, and whether one must be used.

Functions and custom tools are a chat's too. Any other tool is the provider's own: it
goes on as it is, to a deployment that speaks Responses itself.
"""

from collections.abc import Iterator
from typing import Any

from holdfast_edge.decoding import malformed
from holdfast_edge.responses.parts import required
from holdfast_edge.responses.stored import refuse_stored

CHATS = frozenset({"function", "custom"})
"""Types of tools that a chat has."""

_SECRET = frozenset({"authorization", "headers"})
"""Members of a tool with which the provider is to show who calls it."""

_ABOUT_A_FUNCTION = ("description", "parameters", "strict")
_ABOUT_A_CUSTOM_TOOL = ("description", "format")


def tools_of(tools: object) -> Iterator[dict[str, Any]]:
    """Write the tools.

    Raises:
        RequestMalformedError: One is none that can be understood, or is about what a
            provider stores.
    """
    if tools is None:
        return
    if not isinstance(tools, list):
        raise malformed("tools", "must be an array")
    for place, tool in enumerate(tools):
        at = f"tools[{place}]"
        if not isinstance(tool, dict):
            raise malformed(at, "must be an object")
        match tool.get("type"):
            case "function":
                yield {"type": "function", "function": _function(tool, at)}
            case "custom":
                yield {"type": "custom", "custom": _custom(tool, at)}
            case _:
                yield _native(tool, at)


def choice_of(choice: object, *, has_native: bool) -> Any:
    """Write `tool_choice`.

    Args:
        choice: What the request says.
        has_native: Whether any of its tools is a provider's own.

    Raises:
        RequestMalformedError: It is none that can be understood.
    """
    if isinstance(choice, str):
        return choice
    kind = _kind(choice)
    if isinstance(choice, dict) and kind in CHATS:
        return {"type": kind, kind: {"name": required(choice, "name", "tool_choice")}}
    if isinstance(choice, dict) and kind == "allowed_tools":
        allowed = {
            "mode": choice.get("mode", "auto"),
            "tools": [
                _allowed(tool)
                for tool in _listed(choice.get("tools"))
                if isinstance(tool, dict)
            ],
        }
        return {"type": "allowed_tools", "allowed_tools": allowed}
    if kind and has_native:
        return choice
    raise malformed("tool_choice", "must be auto, none, required, or name a tool")


def are_native(tools: object) -> bool:
    """Tell whether any of a request's tools is a provider's own."""
    return any(_kind(tool) not in CHATS for tool in _listed(tools))


def shown(tools: object) -> list[Any]:
    """Return a request's tools as its response repeats them: without secrets."""
    return [
        {name: value for name, value in tool.items() if name not in _SECRET}
        if isinstance(tool, dict) and _kind(tool) not in CHATS
        else tool
        for tool in _listed(tools)
    ]


def _kind(tool: object) -> str:
    """Return the type of a tool or a choice. Empty if it has none."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    return kind if isinstance(kind, str) else ""


def _listed(tools: object) -> list[Any]:
    return tools if isinstance(tools, list) else []


def _function(tool: dict[str, Any], at: str) -> dict[str, Any]:
    return {"name": required(tool, "name", at)} | _known(tool, _ABOUT_A_FUNCTION)


def _custom(tool: dict[str, Any], at: str) -> dict[str, Any]:
    custom = {"name": required(tool, "name", at)} | _known(tool, _ABOUT_A_CUSTOM_TOOL)
    form = custom.get("format")
    if isinstance(form, dict) and form.get("type") == "grammar":
        grammar = {name: value for name, value in form.items() if name != "type"}
        custom["format"] = {"type": "grammar", "grammar": grammar}
    return custom


def _known(tool: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: tool[name] for name in names if tool.get(name) is not None}


def _native(tool: dict[str, Any], at: str) -> dict[str, Any]:
    kind = required(tool, "type", at)
    refuse_stored(tool, at)
    if kind == "file_search" or isinstance(tool.get("container"), str):
        field = "type" if kind == "file_search" else "container"
        raise malformed(
            f"{at}.{field}", "is about what one provider stores: not had elsewhere"
        )
    return tool


def _allowed(tool: dict[str, Any]) -> dict[str, Any]:
    kind = _kind({"type": "function", **tool})
    return {"type": kind, kind: {"name": tool.get("name")}} if kind in CHATS else tool
