"""The secrets of API keys: made, told once, and kept as digests alone."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from holdfast.control.resources import ApiKey, KeySecret
from holdfast_resolver.control.validation.shape import malformed
from holdfast_resolver.directory import key_digest

PREFIX = "hf-"
"""By which people, and programs that look for leaks, know a key of ours."""

_RANDOM_BYTES = 32
"""As many as its digest has: none of them is wasted, and nobody guesses them."""

_HINT_CHARACTERS = 4

LONGEST_OVERLAP_S = 30 * 86_400
"""A month: who has not changed over by then has forgotten it."""

_MOST_SECRETS = 8
"""Of one key: it is rotated eight times while the first secret is still good."""


def new_secret() -> tuple[str, KeySecret]:
    """Make a secret, and what is kept of it."""
    secret = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return secret, KeySecret(
        digest=key_digest(secret).hex(), hint=secret[-_HINT_CHARACTERS:]
    )


def rotated(key: ApiKey, fresh: KeySecret, overlap_s: float, now: datetime) -> ApiKey:
    """Give a key another secret; those before end after a while.

    Args:
        key: As it is.
        fresh: The new secret.
        overlap_s: How long those before stay good, in seconds.
        now: When it is rotated.

    Raises:
        RequestMalformedError: The overlap is out of range, or too many secrets are
            good already.
    """
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        raise malformed(
            "overlap_s", f"is out of range; write seconds from 0 to {LONGEST_OVERLAP_S}"
        )
    end = now + timedelta(seconds=overlap_s)
    kept = [
        msgspec.structs.replace(secret, expires_at=min(secret.expires_at or end, end))
        for secret in _good(key.secrets, now)
        if overlap_s
    ]
    if len(kept) >= _MOST_SECRETS:
        raise malformed(
            "overlap_s",
            f"would leave {len(kept)} secrets good beside the new one; write 0 to "
            "end them",
        )
    return msgspec.structs.replace(key, secrets=(*kept, fresh))


def _good(given: Iterable[KeySecret], now: datetime) -> Iterable[KeySecret]:
    return (each for each in given if each.expires_at is None or each.expires_at > now)
