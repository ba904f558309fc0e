"""What tokens cost: tokens times price, exactly, in whole nanodollars."""

from decimal import Decimal

from holdfast.model import Pricing, Usage

_TOKENS_PER_PRICE = 1_000
"""A price is micros per million tokens; a token at that price is price / 1000
nanodollars (1e3 nanos a micro, 1e6 tokens a price)."""


def cost_usd_nanos(usage: Usage, pricing: Pricing) -> int:
    """Price the tokens of one attempt, rounded half up to a nanodollar."""
    cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    total = (
        max(0, usage.input_tokens - cached) * pricing.input
        + usage.cache_read_input_tokens * pricing.cache_read
        + usage.cache_creation_input_tokens * pricing.cache_creation
        + usage.output_tokens * pricing.output
    )
    return (total + _TOKENS_PER_PRICE // 2) // _TOKENS_PER_PRICE


def cache_saving_usd_nanos(usage: Usage, pricing: Pricing) -> int:
    """Say what a prompt cache saved: the same tokens uncached, less what they cost.

    Negative where writing to the cache cost more than reading from it saved.
    """
    saved = usage.cache_read_input_tokens * (
        pricing.input - pricing.cache_read
    ) + usage.cache_creation_input_tokens * (pricing.input - pricing.cache_creation)
    return (saved + _TOKENS_PER_PRICE // 2) // _TOKENS_PER_PRICE


def usd(nanos: int) -> str:
    """Write an amount as a JSON number of US dollars, without loss."""
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    whole, fraction = divmod(nanos, 1_000_000_000)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def micros_of(usd: str) -> int:
    """Read an amount of US dollars, as decimal text, in millionths of one."""
    return int(Decimal(usd) * 1_000_000)
