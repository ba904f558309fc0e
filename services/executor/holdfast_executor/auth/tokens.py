"""One credential's token: exchanged once for many requests, ahead of its end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from holdfast_executor.auth.proof import Fetch, NoProofError, Parts, Token

_log = structlog.get_logger("holdfast.executor")

_AHEAD_S = 225.0
"""How long before its end a token is renewed. Machines' metadata servers hand
out the old one until about four minutes before, so earlier gains nothing; what
google-auth waits for as well."""

_SHARE = 0.25
"""The same as a share of a token's life, where that is short."""

_MARGIN_S = 10.0
"""How long before its end a token counts as expired: clocks differ, and a request
takes its time to arrive."""

_FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0
"""After a failed exchange, doubling: requests fail at once meanwhile rather than
wait for the next failure."""

_BETWEEN_S = 10.0
"""Between two exchanges that succeed: an issuer may give the same token again."""


class TokenKeeper:
    """Keeps the token of one credential.

    Nothing here waits but who has no valid token; renewing goes on behind.
    """

    def __init__(
        self,
        credential: str,
        fetch: Fetch,
        threads: Executor,
        now: Callable[[], float],
    ) -> None:
        """Begin without a token.

        Args:
            credential: What to call it in events.
            fetch: Exchanges the credential; may block.
            threads: Where it does.
            now: The time, in Unix seconds.
        """
        self._credential = credential
        self._fetch = fetch
        self._threads = threads
        self._now = now
        self._token: Token | None = None
        self._renew_at = 0.0
        self._parts: Parts | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._failures = 0
        self._failure = NoProofError("no token was asked for yet")
        self._is_suspect = False
        self._was_suspect = False
        self._was_used = False

    def ready(self, parts: Parts) -> Token | None:
        """Return the token if it is valid now, else None.

        Args:
            parts: The credential as it is now.
        """
        if self._must_wait(parts):
            return None
        self._was_used = True
        self.renew_if_due(parts)
        return self._token

    async def token(self, parts: Parts) -> Token:
        """Return a token that is valid now.

        Args:
            parts: The credential as it is now.

        Raises:
            NoProofError: There is none, and none is to be had.
        """
        self._was_used = True
        # Twice, if the first to be waited for was exchanged for an older
        # credential; the third round only looks.
        for _ in range(3):
            if (token := self.ready(parts)) is not None:
                return token
            fetching = self._begin(parts)
            if fetching is None:
                break
            # Not awaited itself: who is cancelled here cancels nobody else's.
            await asyncio.wait({fetching})
        if self._token is not None and not self._is_expired():
            return self._token
        raise NoProofError(self._failure.message)

    def refused(self, token: Token) -> bool:
        """Take note that a provider refused a token; tell if there is another.

        A token that was exchanged because of a refusal is not doubted in turn:
        what a provider forbids, no exchange allows. Nor is one that cannot be
        exchanged now.
        """
        if token is not self._token:
            return True
        if token.is_fixed or self._was_suspect or self._failures:
            return False
        self._is_suspect = True
        self._not_before = 0.0
        return True

    def renew_if_due(self, parts: Parts) -> None:
        """Renew a token that is in use and near its end, behind."""
        if self._token is None or not self._was_used:
            return
        if self._now() >= self._renew_at or parts is not self._parts:
            self._begin(parts)

    async def close(self) -> None:
        """Wait for nothing more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _must_wait(self, parts: Parts) -> bool:
        if self._token is None or self._is_suspect or self._is_expired():
            return True
        # Else the old one is good until it expires, whatever it came from.
        return self._token.is_fixed and parts is not self._parts

    def _is_expired(self) -> bool:
        return self._token is None or self._now() >= self._token.expires - _MARGIN_S

    def _begin(self, parts: Parts) -> asyncio.Task[None] | None:
        """Begin an exchange unless one is under way; None if it is too early."""
        if self._fetching is None:
            if self._now() < self._not_before and parts is self._parts:
                return None
            self._fetching = asyncio.create_task(self._exchange(parts))
        return self._fetching

    async def _exchange(self, parts: Parts) -> None:
        self._parts = parts
        try:
            loop = asyncio.get_running_loop()
            token = await loop.run_in_executor(self._threads, self._fetch, parts)
            if self._now() >= token.expires - _MARGIN_S:
                raise NoProofError("the token that was given has expired already")  # noqa: TRY301 - a failure as any other
        except NoProofError as error:
            self._failed(error)
        except Exception as error:  # noqa: BLE001 - a library's, and its words may hold a secret
            self._failed(NoProofError(f"no token: {type(error).__name__}"))
        else:
            self._hold(token)
        finally:
            self._fetching = None

    def _hold(self, token: Token) -> None:
        now = self._now()
        ahead = min(_AHEAD_S, (token.expires - now) * _SHARE)
        self._token = token
        self._renew_at = token.expires - ahead
        self._not_before = now + _BETWEEN_S
        self._failures = 0
        self._was_suspect, self._is_suspect = self._is_suspect, False
        self._was_used = False

    def _failed(self, error: NoProofError) -> None:
        rest = min(_FIRST_REST_S * (1 << min(self._failures, 16)), _LONGEST_REST_S)
        self._not_before = self._now() + rest
        self._failures += 1
        self._failure = error
        _log.warning(
            "token_exchange_failed",
            credential=self._credential,
            why=error.message,
            still_valid=not self._is_expired(),
        )
