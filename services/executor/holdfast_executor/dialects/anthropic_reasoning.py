"""How hard Claude is asked to think, from what a caller of OpenAI's says.

`reasoning_effort` becomes a budget of tokens or an effort, whichever the model
takes. Anthropic's own `thinking` and `output_config.effort` are understood
too, and turned into what the model takes, since a fallback may change the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_executor.dialects.anthropic_models import Thinking, Traits
from holdfast_executor.dialects.reasoning_wish import EFFORTS, Wish, nearest, wish_of

_BUDGETS = {
    "minimal": 1_024,
    "low": 1_024,
    "medium": 4_096,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 32_768,
}
"""Tokens to think with. 1,024 is the least that Anthropic takes; each level is four
times the one below; above 32 Ki Anthropic advises against one long request."""

_BUDGET_MIN = _BUDGETS["low"]
_ANSWER_SHARE = 4
"""At least a quarter of `max_tokens` is left for the answer itself."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a request says about thinking.

    Attributes:
        thinking: The `thinking` field. None leaves it out.
        effort: The `output_config.effort`. None leaves it out.
        max_tokens: The limit of the whole answer, thinking included.
    """

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """How long an answer may be.

    Attributes:
        tokens: What `max_tokens` says where the model does not think.
        fixed: Whether the caller or the deployment sets it; a mere default
            grows by what is to be thought with.
    """

    tokens: int
    fixed: bool


def reasoning_for(
    fields: Mapping[str, Any],
    traits: Traits,
    limit: OutputLimit,
    *,
    may_think: bool,
    may_be_budgeted: bool,
) -> Reasoning:
    """Decide how a model is asked to think.

    Args:
        fields: The caller's request.
        traits: What the model takes.
        limit: How long the answer may be.
        may_think: False where a tool is forced: that excludes thinking.
        may_be_budgeted: False where the conversation rules a budget out.

    Raises:
        RequestMalformedError: A field is none that can be understood.
    """
    wish = wish_of(fields)
    if wish is None or traits.thinking is Thinking.NONE:
        return Reasoning(limit.tokens)
    if traits.thinking is Thinking.ADAPTIVE:
        return _adaptive(wish, traits, limit, may_think=may_think)
    if wish.off or not may_think or not may_be_budgeted:
        return Reasoning(limit.tokens)
    return _budgeted(wish, limit)


def effort_of(fields: Mapping[str, Any]) -> str | None:
    """Say how hard to think, to a model that is told a level and no tokens.

    Returns:
        A level, `none` for not at all, None if the caller says nothing.

    Raises:
        RequestMalformedError: A field is none that can be understood.
    """
    wish = wish_of(fields)
    if wish is None:
        return None
    if wish.off:
        return "none"
    if wish.effort or wish.budget is None:
        return wish.effort or "medium"
    within = [level for level in EFFORTS if _BUDGETS[level] <= wish.budget]
    return within[-1] if within else EFFORTS[0]


def _adaptive(
    wish: Wish, traits: Traits, limit: OutputLimit, *, may_think: bool
) -> Reasoning:
    if wish.off:
        # A model that always thinks cannot be told not to, only to think little.
        effort = traits.efforts[0] if traits.always_thinks else None
        return Reasoning(limit.tokens, effort=effort)
    effort = wish.effort and nearest(wish.effort, traits.efforts)
    if not may_think:
        return Reasoning(limit.tokens, effort=effort)
    thinking: dict[str, Any] = {"type": "adaptive"}
    if traits.hides_thinking:
        thinking["display"] = "summarized"
    return Reasoning(limit.tokens, thinking, effort)


def _budgeted(wish: Wish, limit: OutputLimit) -> Reasoning:
    budget = wish.budget or _BUDGETS[wish.effort or "medium"]
    max_tokens = limit.tokens if limit.fixed else limit.tokens + budget
    budget = min(budget, max_tokens - max_tokens // _ANSWER_SHARE)
    if budget < _BUDGET_MIN:
        return Reasoning(limit.tokens)
    return Reasoning(max_tokens, {"type": "enabled", "budget_tokens": budget})
