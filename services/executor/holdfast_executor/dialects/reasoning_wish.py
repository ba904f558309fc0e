"""How hard a caller wants a model to think, in OpenAI's words or Anthropic's.

`reasoning_effort`, and `thinking` and `output_config.effort`, which callers of
Anthropic's know: each is understood whoever answers, since a fallback may
change the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_executor.dialects import request_fields as read

EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
"""The levels, lowest first."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asks for. `off` is an explicit wish not to think."""

    effort: str | None = None
    budget: int | None = None
    off: bool = False


def wish_of(fields: Mapping[str, Any]) -> Wish | None:
    """Read what a caller says about thinking. None if that is nothing.

    Raises:
        RequestMalformedError: A field is none that can be understood.
    """
    effort = _effort(fields.get("reasoning_effort"), "reasoning_effort")
    config = fields.get("output_config")
    if config is not None:
        config = read.mapping(config, "output_config")
        effort = _effort(config.get("effort"), "output_config.effort") or effort
    thinking = fields.get("thinking")
    if thinking is None:
        return Wish(effort, off=effort == "none") if effort else None
    thinking = read.mapping(thinking, "thinking")
    match thinking.get("type"):
        case "disabled":
            return Wish(off=True)
        case "enabled":
            budget = read.count(thinking.get("budget_tokens"), "thinking.budget_tokens")
            return Wish(effort if effort != "none" else None, budget)
        case "adaptive":
            return Wish(effort if effort != "none" else None)
    raise read.malformed("thinking.type", "one of enabled, adaptive, disabled")


def _effort(value: object, field: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and value in {"none", *EFFORTS}:
        return value
    raise read.malformed(field, f"one of none, {', '.join(EFFORTS)}")


def nearest(effort: str, taken: tuple[str, ...]) -> str:
    """Return the level that is asked for, or the next one down that is taken."""
    rank = EFFORTS.index(effort)
    fitting = [level for level in taken if EFFORTS.index(level) <= rank]
    return fitting[-1] if fitting else taken[0]
