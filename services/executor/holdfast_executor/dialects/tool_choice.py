"""Whether a model may, must or must not call tools, from OpenAI's `tool_choice`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read

_MODES = {"auto": "auto", "required": "any", "none": "none"}


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """What the caller says about the use of tools.

    Attributes:
        mode: `auto`, `any`, `none` or `tool`. Empty if nothing is said.
        name: The tool that must be called, for `tool`.
        allowed: The only ones that may be called. None sets no limit.
    """

    mode: str = ""
    name: str = ""
    allowed: frozenset[str] | None = None

    @property
    def is_free(self) -> bool:
        """Whether the caller leaves it to the model to call a tool or not."""
        return self.mode in {"", "auto"}


def choice_of(fields: Mapping[str, Any]) -> ToolChoice:
    """Read `tool_choice`, or `function_call`, its forerunner.

    Raises:
        RequestMalformedError: It is none that can be understood.
        CapabilityMissingError: It names a kind of tool that there is not.
    """
    for field in ("tool_choice", "function_call"):
        choice = fields.get(field)
        if choice is not None:
            return _choice(choice, field)
    return ToolChoice()


def _choice(choice: object, field: str) -> ToolChoice:
    if isinstance(choice, str):
        if choice not in _MODES:
            raise read.malformed(field, "one of auto, required, none, or an object")
        return ToolChoice(_MODES[choice])
    choice = read.mapping(choice, field)
    match choice.get("type", "function"):
        case "function":
            function = choice.get("function", choice)
            function = read.mapping(function, f"{field}.function")
            return ToolChoice(
                "tool", read.name(function.get("name"), f"{field}.function.name")
            )
        case "allowed_tools":
            return _allowed(choice, field)
        case "auto" | "any" | "none" as mode:
            return ToolChoice(mode)
        case "tool":
            return ToolChoice("tool", read.name(choice.get("name"), f"{field}.name"))
    raise CapabilityMissingError(
        "The model has no tools of this kind.", f"{field}.type"
    )


def _allowed(choice: dict[str, Any], field: str) -> ToolChoice:
    field = f"{field}.allowed_tools"
    allowed = read.mapping(choice.get("allowed_tools"), field)
    mode = _MODES.get(str(allowed.get("mode", "auto")))
    if mode is None:
        raise read.malformed(f"{field}.mode", "one of auto, required")
    names = set()
    for place, tool in enumerate(read.items(allowed.get("tools"), f"{field}.tools")):
        tool_field = f"{field}.tools[{place}]"
        function = read.mapping(
            read.mapping(tool, tool_field).get("function"), f"{tool_field}.function"
        )
        names.add(read.name(function.get("name"), f"{tool_field}.function.name"))
    return ToolChoice(mode, allowed=frozenset(names))
