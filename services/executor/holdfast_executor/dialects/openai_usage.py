"""Tokens as OpenAI-compatible providers report them, each with members of its own."""

from typing import Any

import msgspec

from holdfast.model import Usage
from holdfast_executor.answer import cost_number, usage_object
from holdfast_executor.dialects.openai_shapes import TokenUsage, UsageDetails

_DETAILS = ("prompt_tokens_details", "completion_tokens_details")

_CACHE_READ = (
    ("prompt_tokens_details", "cached_tokens"),
    ("prompt_cache_hit_tokens",),  # DeepSeek
    ("cache_read_input_tokens",),  # Databricks
    ("num_cached_tokens",),  # Mistral
    ("cached_tokens",),  # Moonshot, Together
)
_CACHE_CREATION = (
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("prompt_tokens_details", "cache_write_tokens"),  # OpenRouter
    ("cache_creation_input_tokens",),  # Databricks, Vercel
)
_BESIDE_THE_PROMPT = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic's names, which some routers pass on: there the prompt excludes them."""

_REASONING = (
    ("completion_tokens_details", "reasoning_tokens"),
    ("reasoning_tokens",),  # Perplexity
)


def read_usage(members: object) -> Usage | None:
    """Read a `usage` object. None if it counts nothing."""
    if not isinstance(members, dict):
        return None
    prompt = _count(members.get("prompt_tokens"))
    completion = _count(members.get("completion_tokens"))
    if prompt is None and completion is None:
        return None
    input_tokens, output_tokens = prompt or 0, completion or 0
    cache_read = _first(members, _CACHE_READ)
    cache_creation = _first(members, _CACHE_CREATION)
    if cache_read + cache_creation > input_tokens:
        if any(name in members for name in _BESIDE_THE_PROMPT):
            input_tokens += cache_read + cache_creation
        # Grok on Azure counts the cached part of a prompt of its own making.
        cache_read = min(cache_read, input_tokens)
        cache_creation = min(cache_creation, input_tokens - cache_read)
    # xAI and Gemini leave reasoning out of `completion_tokens`, not of the total.
    beyond = (_count(members.get("total_tokens")) or 0) - input_tokens - output_tokens
    output_tokens += max(0, beyond)
    reasoning = _first(members, _REASONING) or max(0, beyond)
    if reasoning > output_tokens:
        # Vercel leaves Gemini's out of the total too; what it bills is the sum.
        output_tokens += reasoning
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_input_tokens=cache_read,
        cache_creation_input_tokens=cache_creation,
        reasoning_output_tokens=reasoning,
    )


def written_usage(
    members: dict[str, Any], usage: Usage, cost_usd_nanos: int | None
) -> dict[str, Any]:
    """Return a `usage` object as the provider wrote it, mended, with the cost.

    Args:
        members: The provider's own, not changed.
        usage: What was read from them.
        cost_usd_nanos: What `cost` says. None leaves the member as it is.
    """
    mended = dict(members)
    if not _fits(mended, TokenUsage):
        ours = usage_object(usage, None)
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            count = _count(mended.get(name))
            mended[name] = ours[name] if count is None else count
        for name in _DETAILS:
            if name in mended and not _fits(mended[name], UsageDetails | None):
                mended[name] = ours[name]
    if cost_usd_nanos is not None:
        mended["cost"] = cost_number(cost_usd_nanos)
    return mended


def _fits(value: object, shape: Any) -> bool:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return False
    return True


def _first(members: dict[str, Any], places: tuple[tuple[str, ...], ...]) -> int:
    """Return the first count that is not zero."""
    for place in places:
        value: object = members
        for name in place:
            value = value.get(name) if isinstance(value, dict) else None
        if count := _count(value):
            return count
    return 0


def _count(value: object) -> int | None:
    if type(value) is int:  # which True and False are not
        return value if value >= 0 else None
    if isinstance(value, float) and value >= 0 and value.is_integer():
        return int(value)
    return None
