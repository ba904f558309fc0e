"""Who a browser speaks for, once somebody has signed in with an API key.

The cookie holds the key's digest and when it ends, signed: the key itself is
nowhere, and any replica that has the same signing keys knows the session. A request
that changes something must show a second value, which only a page of ours can read.
"""

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.errors import ApiKeyUnknownError, CsrfTokenMissingError
from holdfast.signing import PlanKey
from holdfast_edge.headers import Head

COOKIE = "holdfast_session"

CSRF_HEADER = b"x-holdfast-csrf"

LIFE_S = 12 * 3_600
"""A working day: whoever comes back the next one signs in again."""

_DIGEST_BYTES = 32
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 section 9.2.1)."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One session.

    Attributes:
        digest: Of the API key that somebody signed in with.
        csrf: What a request that changes something must show.
    """

    digest: bytes
    csrf: str


class Sessions:
    """Begins sessions and knows them again."""

    def __init__(
        self, keys: tuple[PlanKey, ...] = (), *, now: Callable[[], float] = time.time
    ) -> None:
        """Sign with the first key and know what any signed.

        Args:
            keys: Shared with other replicas. None: one of this process's own, so that
                its sessions end with it.
            now: In Unix seconds.
        """
        self._keys = keys or (PlanKey("own", os.urandom(_DIGEST_BYTES)),)
        self._now = now

    def begin(self, digest: bytes) -> str:
        """Return the cookie's value for a key's digest."""
        key = self._keys[0]
        text = f"{key.id}.{int(self._now()) + LIFE_S}.{digest.hex()}"
        return f"{text}.{_signature(key, 'session', text)}"

    def known(self, cookie: str) -> SignedIn | None:
        """Return the session that a cookie's value is of; None if it is none."""
        text, _, signature = cookie.rpartition(".")
        parts = text.split(".")
        key = next((key for key in self._keys if key.id == parts[0]), None)
        if key is None or not hmac.compare_digest(
            _signature(key, "session", text), signature
        ):
            return None
        _, end, digest = parts
        if int(end) < self._now():
            return None
        return SignedIn(bytes.fromhex(digest), _signature(key, "csrf", text))

    def admit(self, head: Head, method: str) -> bytes | None:
        """Return the key's digest that a request's session is of; None without one.

        Raises:
            ApiKeyUnknownError: The session has ended.
            CsrfTokenMissingError: It would change something and does not show that
                a page of ours sent it.
        """
        cookie = cookie_of(head)
        if not cookie:
            return None
        session = self.known(cookie)
        if session is None:
            raise ApiKeyUnknownError("The session has ended; sign in again.")
        shown = head.text(CSRF_HEADER)
        if method not in _SAFE and not hmac.compare_digest(
            session.csrf.encode(), shown.encode()
        ):
            raise CsrfTokenMissingError(
                "A session may change something only with the header x-holdfast-csrf, "
                "which /console/session gives.",
                field=CSRF_HEADER.decode(),
            )
        return session.digest


def cookie_of(head: Head) -> str:
    """Return the session's cookie; empty if there is none."""
    for pair in head.text(b"cookie").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _signature(key: PlanKey, use: str, text: str) -> str:
    return hmac.new(key.secret, f"{use}:{text}".encode(), hashlib.sha256).hexdigest()
