"""A request that came in another API's format, for an OpenAI-compatible provider.

The edge has written it as a chat and left beside OpenAI's fields what only some
providers understand. A strict one refuses a field that it does not know, so they
are left out here, or said in OpenAI's words where it has some.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.anthropic_reasoning import effort_of
from holdfast_executor.dialects.openai_history import own_message
from holdfast_executor.dialects.openai_tool_results import in_texts

_encode = msgspec.json.Encoder().encode

_OTHERS_FIELDS = frozenset(
    {"betas", "cache_control", "metadata", "output_config", "thinking", "top_k"}
)
"""Fields of requests that are Anthropic's."""

_RESPONSES_FIELDS = frozenset({"include", "max_tool_calls", "reasoning", "truncation"})
"""Fields that are those of Responses, which an endpoint of it is sent."""

_OTHERS_MARKS = frozenset({"cache_control", "is_error"})
"""Fields of messages and of parts that are."""

_TOOLS = frozenset({"function", "custom"})
"""Tools that the caller runs. Others are a provider's own."""

_TIERS = frozenset({"auto"})
"""What Anthropic and OpenAI both call a tier."""

_LONGEST_USER = 64
"""Of OpenAI's `safety_identifier`, in characters."""


def openai_fields(
    chat: Chat, deployment: Deployment, changed: Mapping[str, bytes]
) -> bytes:
    """Write the request.

    Args:
        chat: The request.
        deployment: Who is to answer it.
        changed: Fields that are written anew for this deployment, as JSON.

    Raises:
        RequestMalformedError: What it says of thinking cannot be understood.
        CapabilityMissingError: A tool is one that another provider runs itself.
    """
    fields = chat.parsed
    # A provider that runs Claude in OpenAI's format takes these marks of Anthropic's.
    keeps_marks = "claude" in deployment.model_id
    written: dict[str, Any] = {
        name: value
        for name, value in fields.items()
        if name not in _OTHERS_FIELDS and name not in _RESPONSES_FIELDS
    }
    written["messages"] = in_texts(
        _message(message, deployment.model_id, keeps_marks=keeps_marks)
        for message in fields["messages"]
    )
    if "tools" in fields and not keeps_marks:
        written["tools"] = [
            _tool(tool, f"tools[{place}]") for place, tool in enumerate(fields["tools"])
        ]
    if fields.get("service_tier") not in _TIERS:
        written.pop("service_tier", None)
    effort = effort_of(fields)
    if effort is not None and "reasoning_effort" not in fields:
        written["reasoning_effort"] = effort
    if user := _user(fields.get("metadata")):
        written["safety_identifier"] = user
    raw = {name: msgspec.Raw(value) for name, value in changed.items()}
    return _encode({**written, **raw})


def _user(metadata: object) -> str:
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user if isinstance(user, str) and len(user) <= _LONGEST_USER else ""


def _message(message: Any, model: str, *, keeps_marks: bool) -> Any:
    if not isinstance(message, dict):
        return message
    kept = own_message(message, model.lower())
    if keeps_marks:
        return {name: value for name, value in kept.items() if name != "is_error"}
    kept = _unmarked(kept)
    if isinstance(kept.get("content"), list):
        kept = {**kept, "content": [_unmarked(part) for part in kept["content"]]}
    return kept


def _tool(tool: Any, field: str) -> Any:
    if isinstance(tool, dict) and tool.get("type") not in _TOOLS:
        raise CapabilityMissingError(
            "The model has no tool of this type of its own.", f"{field}.type"
        )
    return _unmarked(tool)


def _unmarked(holder: Any) -> Any:
    if not isinstance(holder, dict):
        return holder
    return {name: value for name, value in holder.items() if name not in _OTHERS_MARKS}
