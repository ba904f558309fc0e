"""How much goes between two services at once."""

MESSAGE_BYTES = 40 * 1024 * 1024
"""A request's body may have 32 MiB; the plan and the framing get the rest."""
