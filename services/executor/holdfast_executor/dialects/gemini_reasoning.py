"""How hard Gemini is asked to think, from what a caller of OpenAI's says.

A level for the third generation, a number of tokens for the one before. Google's
own `thinking_config` and Anthropic's `thinking` are understood too, and turned
into what the model takes.
"""

from collections.abc import Mapping
from typing import Any

from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.gemini_models import Thinking, Traits
from holdfast_executor.dialects.reasoning_wish import EFFORTS, Wish, nearest, wish_of

_BUDGETS = {
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 32_768,
    "max": 32_768,
}
"""Tokens to think with: those of Google's own translation of `reasoning_effort`
(ai.google.dev/gemini-api/docs/openai#thinking); above `high`, the most there is."""

_ANSWER_SHARE = 4
"""At least a quarter of the limit is left for the answer: thoughts count towards it."""


def thinking_config(
    fields: Mapping[str, Any], own: object, traits: Traits, max_tokens: int
) -> dict[str, Any] | None:
    """Write the `thinkingConfig`. None leaves it out.

    Args:
        fields: The caller's request.
        own: Google's own `thinking_config`, where the caller gives one.
        traits: What the model takes.
        max_tokens: The limit of the answer, thoughts included. Zero if there
            is none.

    Raises:
        RequestMalformedError: A field is none that can be understood.
    """
    wish = wish_of(fields) if own is None else _own_wish(own)
    if wish is None or traits.thinking is Thinking.NONE:
        return None
    shown = own is None or _member(own, "include_thoughts") is not False
    config: dict[str, Any] = {"includeThoughts": shown and not wish.off}
    if traits.thinking is Thinking.LEVEL:
        if (level := _level(wish, traits)) is not None:
            config["thinkingLevel"] = level.upper()
    elif (budget := _budget(wish, traits, max_tokens)) is not None:
        config["thinkingBudget"] = budget
    return config


def _own_wish(own: object) -> Wish:
    at = "thinking_config"
    read.mapping(own, at)
    level = _member(own, "thinking_level")
    if level is not None:
        level = read.text(level, f"{at}.thinking_level").lower()
        if level not in EFFORTS:
            raise read.malformed(f"{at}.thinking_level", "one of " + ", ".join(EFFORTS))
    budget = _member(own, "thinking_budget")
    if budget is not None:
        budget = int(read.number(budget, f"{at}.thinking_budget"))
        if budget == 0:
            return Wish(off=True)
        # Less than nothing is Google's word for as much as the model likes.
        return Wish(level, budget if budget > 0 else None)
    return Wish(level)


def _member(own: object, name: str) -> Any:
    """Return a member by either of the spellings that Google takes."""
    if not isinstance(own, dict):
        return None
    head, *rest = name.split("_")
    return own.get(name, own.get(head + "".join(word.title() for word in rest)))


def _level(wish: Wish, traits: Traits) -> str | None:
    if wish.off:
        return traits.levels[0]
    if wish.effort is not None:
        return nearest(wish.effort, traits.levels)
    if wish.budget is None:
        return None
    within = [level for level in EFFORTS if _BUDGETS[level] <= wish.budget]
    return nearest(within[-1] if within else EFFORTS[0], traits.levels)


def _budget(wish: Wish, traits: Traits, max_tokens: int) -> int | None:
    least, most = traits.budgets
    if wish.off:
        return 0 if traits.can_rest else least
    budget = wish.budget
    if budget is None:
        if wish.effort is None:
            return None
        budget = _BUDGETS[wish.effort]
    if max_tokens:
        budget = min(budget, max_tokens - max_tokens // _ANSWER_SHARE)
    return max(least, min(budget, most))
