"""What a model gave, as output items and the response that holds them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from holdfast_edge.carried import closed
from holdfast_edge.responses.request import Asked

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is not whole, by a chat's word for it."""

_ECHOED = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "temperature",
    "text",
    "top_p",
    "truncation",
    "user",
)
"""Fields of a request that its response repeats."""


_RESPONSE = "resp_"
_ID_BYTES = 24


def new_response_id() -> str:
    """Make up an id, `resp_...`."""
    return _RESPONSE + secrets.token_hex(_ID_BYTES)


def response_id_of(item_id: str) -> str:
    """Return the id of the response that an item is of, if the gateway named it."""
    return _RESPONSE + item_id.partition("_")[2][: 2 * _ID_BYTES]


@dataclass(frozen=True, slots=True)
class Ended:
    """How an answer ended.

    Attributes:
        finish_reason: A chat's word for why.
        usage: As a chat has it. None: unknown.
    """

    finish_reason: str | None = None
    usage: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What a response says whatever the model gave.

    Attributes:
        asked: What it answers.
        response_id: `resp_...`.
        is_stored: Whether it may be gone on from.
    """

    asked: Asked
    response_id: str
    is_stored: bool

    def item_id(self, mark: str, place: int) -> str:
        """Name an item of the output, e.g. `msg_...`, so that its response is known.

        Args:
            mark: What kind of item it is.
            place: Its place in the output.
        """
        return f"{mark}_{self.response_id.removeprefix(_RESPONSE)}{place:02x}"

    def response(
        self,
        *,
        created: int,
        model: str,
        output: Sequence[dict[str, Any]] = (),
        ended: Ended | None = None,
        error: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the response; one that has not ended is in progress."""
        fields = self.asked.fields
        reason = _INCOMPLETE.get(ended.finish_reason or "") if ended else None
        status = "in_progress"
        if ended is not None:
            status = "incomplete" if reason else "completed"
        return {
            "id": self.response_id,
            "object": "response",
            "created_at": created,
            "status": "failed" if error else status,
            "background": False,
            "error": error,
            "incomplete_details": {"reason": reason} if reason else None,
            "model": model,
            "output": list(output),
            "parallel_tool_calls": fields.get("parallel_tool_calls", True),
            "store": self.is_stored,
            "tool_choice": fields.get("tool_choice", "auto"),
            "tools": fields.get("tools") or [],
            **{name: fields.get(name) for name in _ECHOED},
            "usage": _usage(ended.usage) if ended and ended.usage else None,
        }


def message_item(item_id: str, parts: list[dict[str, Any]], status: str) -> Any:
    """Write what was said."""
    return {
        "id": item_id,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": parts,
    }


def text_part(text: str) -> dict[str, Any]:
    """Write a part that is text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(text: str) -> dict[str, Any]:
    """Write a part that refuses."""
    return {"type": "refusal", "refusal": text}


def call_item(item_id: str, call: dict[str, Any], status: str) -> dict[str, Any]:
    """Write a call of a function.

    Args:
        item_id: `fc_...`.
        call: As a chat has it.
        status: `in_progress` or `completed`.
    """
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call.get("id") or "",
        "name": call["function"].get("name") or "",
        "arguments": call["function"].get("arguments") or "",
    }


def reasoning_item(
    item_id: str, thoughts: str, carried: dict[str, Any]
) -> dict[str, Any]:
    """Write what was thought, and what its provider wants back."""
    item: dict[str, Any] = {
        "id": item_id,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": thoughts}] if thoughts else [],
    }
    if carried:
        item["encrypted_content"] = closed(carried)
    return item


def carried_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a chat's message bears that is to come back."""
    carried = {
        name: message[name]
        for name in ("thinking_blocks", "extra_content")
        if message.get(name)
    }
    if message.get("reasoning_content") and "thinking_blocks" not in carried:
        carried["reasoning_content"] = message["reasoning_content"]
    calls = {
        call["id"]: call["extra_content"]
        for call in message.get("tool_calls") or ()
        if "extra_content" in call
    }
    return {**carried, "calls": calls} if calls else carried


def output_of(message: dict[str, Any], frame: Frame) -> list[dict[str, Any]]:
    """Write a chat's whole message as items."""
    output: list[dict[str, Any]] = []
    carried = carried_of(message)
    thoughts = message.get("reasoning_content") or ""
    if carried or thoughts:
        output.append(reasoning_item(frame.item_id("rs", 0), thoughts, carried))
    parts = []
    if said := message.get("content"):
        parts.append(text_part(said))
    if refusal := message.get("refusal"):
        parts.append(refusal_part(refusal))
    if parts:
        item_id = frame.item_id("msg", len(output))
        output.append(message_item(item_id, parts, "completed"))
    output += [
        call_item(frame.item_id("fc", place), call, "completed")
        for place, call in enumerate(message.get("tool_calls") or (), len(output))
    ]
    return output


def _usage(usage: dict[str, Any]) -> dict[str, Any]:
    read = usage.get("prompt_tokens_details") or {}
    written = usage.get("completion_tokens_details") or {}
    given, made = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    counted: dict[str, Any] = {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": read.get("cached_tokens") or 0,
            "cache_write_tokens": read.get("cache_creation_tokens") or 0,
        },
        "output_tokens": made,
        "output_tokens_details": {
            "reasoning_tokens": written.get("reasoning_tokens") or 0
        },
        "total_tokens": given + made,
    }
    if usage.get("cost") is not None:
        counted["cost"] = usage["cost"]
    return counted
