"""What a caller is told that is not let in."""

from datetime import UTC, datetime

from holdfast.errors import (
    BudgetExhaustedError,
    BudgetUnknownError,
    RateLimitedError,
)
from holdfast.model import Budget
from holdfast.pricing import usd
from holdfast_resolver.quotas.account import Account

NANOS_PER_MICRO = 1_000
"""Budgets are declared in millionths of a dollar, and spent in billionths."""


def exhausted(budget: Budget, account: Account) -> BudgetExhaustedError:
    """Say that nothing is left of a budget, and when it begins anew."""
    limit = usd(budget.limit_usd_micros * NANOS_PER_MICRO)
    reset = datetime.fromtimestamp(account.ends_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reserved = "" if account.is_used_up else " but for what calls under way may cost"
    return BudgetExhaustedError(
        f"The monthly budget of {budget.id}, {limit} USD, is used up{reserved}. "
        f"It begins anew on {reset}; an administrator can raise it.",
        budget_id=budget.id,
        limit_usd=limit,
        reset_time=reset,
    )


def unknown(budget: Budget) -> BudgetUnknownError:
    """Say that nobody knows what is spent of a budget."""
    return BudgetUnknownError(
        f"What is spent of the budget of {budget.id} cannot be known now, and it is "
        "set to refuse calls until it can. Try again later.",
        budget_id=budget.id,
    )


def rate_limited(scope: str, rate: str, left_s: float) -> RateLimitedError:
    """Say that a key has used up its minute.

    Args:
        scope: The key.
        rate: What it may send in a minute, e.g. `60 requests`.
        left_s: What is left of the minute, in seconds.
    """
    left_s = max(0.0, left_s)
    return RateLimitedError(
        f"The key {scope} may send {rate} a minute and has. Another minute begins in "
        f"{left_s:.1f} s.",
        limit=f"{rate} a minute",
        retry_after_seconds=f"{left_s:.3f}",
    )
