"""Mending what OpenAI-compatible providers write otherwise than OpenAI does.

Only what OpenAI's SDK would refuse, or what a caller would misread, is touched;
fields that nobody here has heard of stay.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import openai_shapes as shapes

_BROKEN_OFF = frozenset({"error", "insufficient_system_resource"})
"""Finish reasons of an answer that is not whole: OpenRouter's, DeepSeek's."""

_KNOWN_FINISH_REASONS = frozenset(get_args(shapes.FinishReason))
_FINISH_REASONS = {
    "max_tokens": "length",
    "model_length": "length",  # Mistral: the context window is full
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "safety": "content_filter",
    "refusal": "content_filter",
}
"""What other providers' words mean. Any other is a natural end."""

_COMPLETION = {
    "service_tier": shapes.ServiceTier | None,
    "system_fingerprint": str | None,
    "metadata": dict[str, str] | None,
    "moderation": shapes.Moderation | None,
}
CHUNK: Mapping[str, Any] = {**_COMPLETION, "obfuscation": str | None}
CHOICE: Mapping[str, Any] = {"logprobs": shapes.Logprobs | None}
_MESSAGE = {
    "refusal": str | None,
    "annotations": list[shapes.Annotation] | None,
    "audio": shapes.Audio | None,
    "function_call": shapes.FunctionCall | None,
}
_DELTA = {
    "refusal": str | None,
    "audio": shapes.AudioDelta | None,
    "function_call": shapes.FunctionDelta | None,
}


def is_broken_off(choice: Mapping[str, Any]) -> bool:
    """Whether a choice says itself that it is not whole."""
    reason = choice.get("finish_reason")
    return isinstance(reason, str) and reason in _BROKEN_OFF


def finish_reason(value: object, *, calls_tools: bool) -> str:
    """Return OpenAI's word for why an answer ended."""
    if isinstance(value, str):
        if value in _KNOWN_FINISH_REASONS:
            return value
        if mapped := _FINISH_REASONS.get(value.lower()):
            return mapped
    return "tool_calls" if calls_tools else "stop"


def without_misfits(
    members: Mapping[str, Any], shapes_by_name: Mapping[str, Any]
) -> dict[str, Any]:
    """Leave out optional members that the SDK would refuse."""
    kept = dict(members)
    for name, shape in shapes_by_name.items():
        if name in kept:
            try:
                msgspec.convert(kept[name], shape)
            except msgspec.ValidationError:
                del kept[name]
    return kept


def completion(whole: Mapping[str, Any], context: AnswerContext) -> dict[str, Any]:
    """Mend a whole answer with a list of choices."""
    choices = [
        _choice(choice, at, context)
        for at, choice in enumerate(whole["choices"])
        if isinstance(choice, dict)
    ]
    mended = without_misfits(whole, _COMPLETION)
    mended.pop("error", None)
    mended["id"] = text_or(whole.get("id"), context.answer_id)
    mended["object"] = "chat.completion"
    mended["created"] = moment_or(whole.get("created"), context.created)
    mended["choices"] = choices
    return mended


def text_or(value: object, otherwise: str) -> str:
    """Return a string that is not empty."""
    return value if isinstance(value, str) and value else otherwise


def moment_or(value: object, otherwise: int) -> int:
    """Return a moment in whole Unix seconds."""
    if isinstance(value, int | float) and value >= 1:
        return int(value)
    return otherwise


def _choice(
    choice: Mapping[str, Any], at: int, context: AnswerContext
) -> dict[str, Any]:
    index = choice.get("index")
    mended = without_misfits(choice, CHOICE)
    mended["index"] = index if isinstance(index, int) else at
    given = choice.get("message")
    seed = f"{context.answer_id}/{mended['index']}"
    message = _message(given if isinstance(given, dict) else {}, seed)
    mended["message"] = message
    reason = choice.get("finish_reason")
    details = choice.get("finish_details")
    if reason is None and isinstance(details, dict):
        reason = details.get("type")  # OpenAI's early vision models
    mended["finish_reason"] = finish_reason(
        reason, calls_tools=bool(message.get("tool_calls"))
    )
    return mended


def _message(message: Mapping[str, Any], seed: str) -> dict[str, Any]:
    mended = with_text(without_misfits(message, _MESSAGE))
    mended["role"] = "assistant"
    mended.setdefault("content", None)
    calls = mended.get("tool_calls")
    if isinstance(calls, list):
        mended["tool_calls"] = [
            _tool_call(call, f"{seed}/{at}")
            for at, call in enumerate(calls)
            if isinstance(call, dict)
        ]
    else:
        mended.pop("tool_calls", None)
    return mended


def delta(members: Mapping[str, Any]) -> dict[str, Any]:
    """Mend a piece of a message, but for its role and its calls of tools."""
    return with_text(without_misfits(members, _DELTA))


def with_text(message: dict[str, Any]) -> dict[str, Any]:
    """Turn content in parts, as Mistral writes it, into text and reasoning."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        return message
    if not isinstance(content, list):
        message["content"] = msgspec.json.encode(content).decode()
        return message
    message["content"] = _joined(content, "text")
    if reasoning := _joined(content, "thinking"):
        message.setdefault("reasoning_content", reasoning)
    return message


def _joined(parts: list[Any], kind: str) -> str:
    found: list[Any] = []
    for part in parts:
        if isinstance(part, str) and kind == "text":
            found.append(part)
        elif isinstance(part, dict) and part.get("type") == kind:
            value = part.get(kind)
            found.append(_joined(value, "text") if isinstance(value, list) else value)
    return "".join(text for text in found if isinstance(text, str))


def _tool_call(call: Mapping[str, Any], seed: str) -> dict[str, Any]:
    mended = dict(call)
    mended["id"] = text_or(call.get("id"), minted_call_id(seed))
    kind = "custom" if call.get("type") == "custom" else "function"
    body = call.get(kind)
    body = dict(body) if isinstance(body, dict) else {}
    body["name"] = text_or(body.get("name"), "")
    argument = "input" if kind == "custom" else "arguments"
    body[argument] = arguments_text(body.get(argument))
    mended["type"], mended[kind] = kind, body
    return mended


def arguments_text(value: object) -> str:
    """Return arguments as the JSON text that they are in OpenAI's format."""
    if isinstance(value, str):
        return value
    return "{}" if value is None else msgspec.json.encode(value).decode()


def minted_call_id(seed: str) -> str:
    """Make an id for a call that has none, the same one for the same place.

    Of 24 letters and digits: within what every provider takes back in a history.
    """
    return "call_" + hashlib.sha256(seed.encode()).hexdigest()[:24]
