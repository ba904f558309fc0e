"""What a model gave, as output items and the response that holds them."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast_edge.carried import closed
from holdfast_edge.responses.request import Asked
from holdfast_edge.responses.tools import shown

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
    "top_logprobs",
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
            "tools": shown(fields.get("tools")),
            **{name: fields.get(name) for name in _ECHOED},
            "usage": _usage(ended.usage) if ended and ended.usage else None,
        }


def message_item(
    item_id: str, parts: list[dict[str, Any]], status: str, phase: object = None
) -> dict[str, Any]:
    """Write what was said.

    Args:
        item_id: `msg_...`.
        parts: The texts and refusals.
        status: `in_progress` or `completed`.
        phase: What its provider calls this part of the answer. None: nothing.
    """
    item = {
        "id": item_id,
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": parts,
    }
    return {**item, "phase": phase} if phase else item


def text_part(
    text: str,
    annotations: Iterable[dict[str, Any]] = (),
    logprobs: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Write a part that is text."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": [*annotations],
        "logprobs": [*logprobs],
    }


def refusal_part(text: str) -> dict[str, Any]:
    """Write a part that refuses."""
    return {"type": "refusal", "refusal": text}


def citation(annotation: dict[str, Any], before: int) -> dict[str, Any] | None:
    """Write where a passage comes from; None if a chat's word for it is not known.

    Args:
        annotation: As a chat has it.
        before: How many characters of the answer stand before the message.
    """
    cited = annotation.get("url_citation")
    if not isinstance(cited, dict):
        return None
    at = {
        name: (cited.get(name) or 0) - before for name in ("start_index", "end_index")
    }
    return {"type": "url_citation", **cited, **at}


def call_item(item_id: str, call: dict[str, Any], status: str) -> dict[str, Any]:
    """Write a call of a function or a custom tool.

    Args:
        item_id: `fc_...` or `ctc_...`.
        call: As a chat has it.
        status: `in_progress` or `completed`.
    """
    if "custom" in call:
        return {
            "id": item_id,
            "type": "custom_tool_call",
            "status": status,
            "call_id": call.get("id") or "",
            "name": call["custom"].get("name") or "",
            "input": call["custom"].get("input") or "",
        }
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "call_id": call.get("id") or "",
        "name": call["function"].get("name") or "",
        "arguments": call["function"].get("arguments") or "",
    }


def call_mark(call: dict[str, Any]) -> str:
    """Say what the id of a call's item begins with."""
    return "ctc" if "custom" in call else "fc"


def reasoning_item(
    item_id: str, summary: Iterable[dict[str, Any]], carried: dict[str, Any]
) -> dict[str, Any]:
    """Write what was thought, and what its provider wants back."""
    item: dict[str, Any] = {
        "id": item_id,
        "type": "reasoning",
        "summary": [*summary],
    }
    if carried:
        item["encrypted_content"] = closed(carried)
    return item


def summary_part(text: str) -> dict[str, Any]:
    """Write a part of what is shown of thoughts."""
    return {"type": "summary_text", "text": text}


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
