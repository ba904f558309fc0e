"""The tools of a Bedrock request, and whether the model must call one.

Bedrock has no word for "none" and wants tools declared that the conversation
has called, so what the caller forbids is then said in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.bedrock_conversation import Wording, checked_tool_name
from holdfast_executor.dialects.bedrock_models import Family

_CALL_NONE = "Do not call any tool. Answer in words."


@dataclass(slots=True)
class Tools:
    """What a request says about tools.

    Attributes:
        config: The `toolConfig`. None leaves it out.
        additional: For `additionalModelRequestFields`.
        instruction: To be added to the system prompt. Empty if there is none.
    """

    config: dict[str, Any] | None = None
    additional: dict[str, Any] = field(default_factory=dict)
    instruction: str = ""


def tools_for(said: Mapping[str, Any], family: Family, wording: Wording) -> Tools:
    """Word the tools of a request that was written for Anthropic.

    Raises:
        CapabilityMissingError: The model cannot be made to call a tool, or has
            no such tools.
    """
    written = Tools()
    tools = list(said.get("tools", ()))
    choice = said.get("tool_choice", {})
    mode = choice.get("type", "auto")
    if mode == "none":
        if not _has_called(said["messages"]):
            return written
        written.instruction = _CALL_NONE
    elif mode == "tool" and "tool" not in family.forced and "any" in family.forced:
        # To have to call one, with one to call, is to have to call it.
        tools = [tool for tool in tools if tool.get("name") == choice["name"]]
        mode = "any"
    own = [tool for tool in tools if "input_schema" not in tool]
    if own and not family.is_claude:
        raise CapabilityMissingError("The model has no tools of this kind.", "tools")
    if own:
        written.additional["tools"] = own
    specified = [
        block
        for tool in tools
        if "input_schema" in tool
        for block in (
            {"toolSpec": _spec(tool)},
            *wording.cache_point(tool.get("cache_control"), "tools"),
        )
    ]
    if not specified:
        return written
    written.config = {"tools": specified}
    if mode in {"any", "tool"}:
        if mode not in family.forced:
            raise CapabilityMissingError(
                "The model cannot be made to call a tool.", "tool_choice"
            )
        named = {"name": choice["name"]} if mode == "tool" else {}
        written.config["toolChoice"] = {mode: named}
    elif choice.get("disable_parallel_tool_use") and family.is_claude:
        # Beside a forced choice Bedrock refuses it as a contradiction
        # (BerriAI/litellm#36536).
        written.additional["tool_choice"] = {
            "type": "auto",
            "disable_parallel_tool_use": True,
        }
    return written


def _spec(tool: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": checked_tool_name(tool["name"], "tools")}
    if tool.get("description"):
        spec["description"] = tool["description"]
    spec["inputSchema"] = {"json": tool["input_schema"]}
    if tool.get("strict"):
        spec["strict"] = True
    return spec


def _has_called(turns: list[dict[str, Any]]) -> bool:
    return any(
        block["type"] in {"tool_use", "tool_result"}
        for turn in turns
        for block in turn["content"]
    )
