"""Finding the API key of a request. Only its digest goes further than here."""

import hashlib

from holdfast.errors import ApiKeyUnknownError
from holdfast_edge.headers import Head

_KEY_HEADERS = (b"x-opper-api-key", b"x-api-key")
"""The headers that hold a key and nothing else, the first one found wins."""

_BLANK = ("", "-")
"""What stands for no key: OpenAI's SDK must be given one, and callers who send
theirs in a header of its own give it a dash."""


def api_key_digest(head: Head) -> bytes:
    """Return the SHA-256 of the caller's API key.

    Raises:
        ApiKeyUnknownError: There is none.
    """
    key = shown_key(head)
    if not key:
        if head.session_digest:
            return head.session_digest
        raise ApiKeyUnknownError(
            "No API key was sent. Send it as `Authorization: Bearer KEY`, or in "
            "the header x-opper-api-key or x-api-key."
        )
    return hashlib.sha256(key.encode()).digest()


def shown_key(head: Head) -> str:
    """Return the API key that a request shows; empty if it shows none."""
    return next(
        (key for name in _KEY_HEADERS if (key := head.text(name)) not in _BLANK), ""
    ) or _bearer(head)


def _bearer(head: Head) -> str:
    scheme, _, token = head.text(b"authorization").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token not in _BLANK else ""
