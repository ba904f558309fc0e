"""Anthropic's answers as OpenAI's chat completions."""

from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model import Outcome, Usage
from holdfast.pricing import cost_usd_nanos
from holdfast_executor.answer import says_nothing, usage_object
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.anthropic_models import issuer_of
from holdfast_executor.dialects.anthropic_structure import JSON_TOOL
from holdfast_executor.failures import classify_in_band

_encode = msgspec.json.Encoder().encode

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # Bedrock's own: its guardrail has put other words in the place of Claude's.
    "guardrail_intervened": "content_filter",
}

_REFUSED = "The model refused to answer."
"""For a refusal that comes without an explanation."""

_THINKING_KEYS = {
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
}


def completion(body: bytes, context: AnswerContext) -> Decoded | ProviderError:
    """Read a whole answer that came with a status of success."""
    try:
        message = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return not_an_answer()
    return completion_of(message, context)


def completion_of(message: object, context: AnswerContext) -> Decoded | ProviderError:
    """Write the chat completion that a message is, or the failure."""
    if not isinstance(message, dict):
        return not_an_answer()
    if message.get("type") == "error" or message.get("error"):
        return classify_in_band(message)
    blocks = message.get("content")
    if not isinstance(blocks, list):
        return not_an_answer()
    usage = usage_of(message.get("usage"))
    cost = (
        cost_usd_nanos(usage, context.pricing)
        if usage is not None and context.pricing is not None
        else None
    )
    written: dict[str, Any] = {
        "id": answer_id(message.get("id"), context),
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": [_choice(message, blocks, context)],
    }
    if usage is not None:
        whole = None if cost is None else cost + context.earlier_cost_usd_nanos
        written["usage"] = usage_object(usage, whole)
    return Decoded(
        _encode(written),
        usage,
        cost,
        is_refusal=refusal_of(message) is not None,
        says_nothing=stopped_freely(message) and says_nothing(written["choices"][0]),
    )


def not_an_answer() -> ProviderError:
    """Say that what came under a status of success is no answer."""
    return ProviderError(
        Outcome.SERVER_ERROR,
        "The provider's answer is none in the Anthropic Messages format.",
        http_status=200,
    )


def answer_id(provider_id: object, context: AnswerContext) -> str:
    """Write the id of an answer: the provider's own, marked as OpenAI marks it."""
    if isinstance(provider_id, str) and provider_id:
        return f"chatcmpl-{provider_id}"
    return context.answer_id


def usage_of(reported: object) -> Usage | None:
    """Read usage; None if nothing is reported.

    Anthropic's `input_tokens` are those that have nothing to do with the
    cache, so the sum of all three is what a caller of OpenAI's knows as input.
    """
    if not isinstance(reported, dict) or not reported.keys() & _COUNTED:
        return None
    read = _count(reported, "cache_read_input_tokens")
    created = _count(reported, "cache_creation_input_tokens")
    details = reported.get("output_tokens_details")
    return Usage(
        input_tokens=_count(reported, "input_tokens") + read + created,
        output_tokens=_count(reported, "output_tokens"),
        cache_read_input_tokens=read,
        cache_creation_input_tokens=created,
        reasoning_output_tokens=(
            _count(details, "thinking_tokens") if isinstance(details, dict) else 0
        ),
        inference_geo=str(reported.get("inference_geo") or ""),
    )


_COUNTED = frozenset({"input_tokens", "output_tokens"})


def _count(reported: Mapping[str, Any], field: str) -> int:
    value = reported.get(field)
    return value if isinstance(value, int) and value > 0 else 0


def finish_reason(stop_reason: object, *, calls_tools: bool) -> str:
    """Translate why an answer ended.

    Args:
        stop_reason: Anthropic's word for it.
        calls_tools: Whether the answer calls a tool of the caller's. The one
            whose input is the answer is none.
    """
    reason = _FINISH_REASONS.get(stop_reason) if isinstance(stop_reason, str) else None
    if reason is None:
        return "tool_calls" if calls_tools else "stop"
    return "stop" if reason == "tool_calls" and not calls_tools else reason


def stopped_freely(stopped: Mapping[str, Any]) -> bool:
    """Whether a model has said all that it had to say."""
    return stopped.get("stop_reason") in (None, "end_turn")


def refusal_of(stopped: Mapping[str, Any]) -> str | None:
    """Return what is said in refusal, None unless the answer is one."""
    if stopped.get("stop_reason") != "refusal":
        return None
    details = stopped.get("stop_details")
    explanation = details.get("explanation") if isinstance(details, dict) else None
    return explanation if isinstance(explanation, str) and explanation else _REFUSED


def signed_thinking(block: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    """Write a thinking block so that a later turn can hand it back; None if it cannot.

    It is marked with its issuer, for only the issuer can verify it.
    """
    keys = _THINKING_KEYS.get(str(block.get("type")))
    if keys is None or not block.get(keys[-1]):
        return None
    return {**{key: block.get(key, "") for key in keys}, "issuer": issuer_of(model)}


def _choice(
    message: dict[str, Any], listed: list[Any], context: AnswerContext
) -> dict[str, Any]:
    blocks = [block for block in listed if isinstance(block, dict)]
    text = "".join(map(_text, blocks))
    reasoning = "".join(_string(block, "thinking") for block in blocks)
    signed = [
        kept
        for block in blocks
        if (kept := signed_thinking(block, context.model)) is not None
    ]
    calls = [
        _call(block)
        for block in blocks
        if block.get("type") == "tool_use" and block.get("name") != JSON_TOOL
    ]
    written: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not calls else None,
        "refusal": refusal_of(message),
    }
    extras = {
        "reasoning_content": reasoning,
        "thinking_blocks": signed,
        "tool_calls": calls,
    }
    written.update({field: value for field, value in extras.items() if value})
    return {
        "index": 0,
        "message": written,
        "logprobs": None,
        "finish_reason": finish_reason(
            message.get("stop_reason"), calls_tools=bool(calls)
        ),
    }


def _string(block: dict[str, Any], field: str) -> str:
    value = block.get(field) if block.get("type") == field else None
    return value if isinstance(value, str) else ""


def _text(block: dict[str, Any]) -> str:
    """Return the text of a block, or the input of the tool that is the answer."""
    if block.get("type") == "tool_use" and block.get("name") == JSON_TOOL:
        return _encode(block.get("input") or {}).decode()
    return _string(block, "text")


def _call(block: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(block.get("id") or ""),
        "type": "function",
        "function": {
            "name": str(block.get("name") or ""),
            "arguments": _encode(block.get("input") or {}).decode(),
        },
    }
