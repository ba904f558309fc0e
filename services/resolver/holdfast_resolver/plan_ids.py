"""Ids of plans, which sort by when they were made.

So what is kept of requests is written at its end alone, and read newest first without
an index of times.
"""

import secrets

_TIME_DIGITS = 12
"""Of hex: milliseconds until the year 10889."""

_RANDOM_BYTES = 10
"""Two of one millisecond are the same once in 10^24."""


def new_plan_id(now_ms: int) -> str:
    """Make up a plan's id: 32 hex digits."""
    return f"{now_ms:012x}{secrets.token_hex(_RANDOM_BYTES)}"


def first_plan_id(at_ms: int) -> str:
    """Return what no plan that is made at a moment or later sorts before."""
    return f"{max(0, at_ms):012x}"


def made_ms(plan_id: str) -> int:
    """Say when a plan was made, in Unix milliseconds."""
    return int(plan_id[:_TIME_DIGITS], 16)
