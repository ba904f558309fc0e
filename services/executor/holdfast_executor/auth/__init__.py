"""How a request proves to a provider who sends it.

A deployment names a way to authenticate, its provider's credentials have kinds
(`holdfast.credential_kinds`), and together they say what is done: a key is sent
in a header (`headers`), everything else is exchanged for a token first
(`fetching`), which is kept (`tokens`). Of several credentials each has its turn
(`rotation`).
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from holdfast.credential_kinds import kind_of
from holdfast.model import Attempt, Deployment
from holdfast_executor.auth.fetching import FETCHERS
from holdfast_executor.auth.headers import HEADERS
from holdfast_executor.auth.proof import Fetch, NoProofError, Proof, Token, always
from holdfast_executor.auth.rotation import Rotation
from holdfast_executor.auth.tokens import TokenKeeper
from holdfast_executor.credentials import Credentials, HeldCredential

__all__ = ["Authentication", "Identity", "NoProofError"]

_THREADS = 4
"""That wait for issuers of tokens. Apart from the event loop's own, which look
up host names: an issuer that hangs must not hold those up."""

_TEND_S = 15.0
"""How often tokens are looked after: well below how long ahead they are renewed."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """As whom a request is sent.

    Attributes:
        credential: The credential's name. Empty if none is shown.
        prove: Returns the headers that show it.
    """

    credential: str
    prove: Proof
    keeper: TokenKeeper | None = None
    token: Token | None = None

    def refused(self) -> bool:
        """Take note that the provider refused it; tell if asking again may help."""
        if self.keeper is None or self.token is None:
            return False
        return self.keeper.refused(self.token)


_NOBODY = Identity("", always())


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """One credential of a provider, and what becomes of it.

    Attributes:
        identity: Where it is sent as it is.
        keeper: Where it is exchanged first.
    """

    held: HeldCredential
    identity: Identity | None = None
    keeper: TokenKeeper | None = None

    def ready(self) -> Identity | None:
        """Return as whom to send where that needs no exchange, else None."""
        if self.keeper is None:
            return self.identity
        token = self.keeper.ready(self.held.parts)
        return None if token is None else self._bearing(token)

    async def identify(self) -> Identity:
        """Return as whom to send, exchanging the credential if need be."""
        if self.keeper is None:
            assert self.identity is not None  # noqa: S101 - one or the other
            return self.identity
        return self._bearing(await self.keeper.token(self.held.parts))

    def _bearing(self, token: Token) -> Identity:
        return Identity(self.held.name, token.prove, self.keeper, token)


@dataclass(frozen=True, slots=True, eq=False)
class _Ways:
    """What there is to call a deployment with, and what that was made of."""

    held: tuple[HeldCredential, ...]
    sealed: bytes
    ways: tuple[_Way, ...]


class Authentication:
    """Shows providers who sends, with the credentials that are held."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        fetchers: Mapping[str, Fetch] = FETCHERS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Authenticate with these credentials.

        Args:
            credentials: What is held.
            fetchers: Exchange a credential for a token, by the kinds that need it.
            now: The time, in Unix seconds.
        """
        self._credentials = credentials
        self._fetchers = fetchers
        self._now = now
        self._rotation = Rotation(now)
        self._threads: ThreadPoolExecutor | None = None
        self._keepers: dict[tuple[str, str, str], TokenKeeper] = {}
        self._ways: dict[tuple[str, str], _Ways] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow credentials' files and to look after tokens."""
        self._tasks = [
            asyncio.create_task(self._credentials.follow()),
            asyncio.create_task(self._tend()),
        ]

    async def close(self) -> None:
        """Stop; exchanges under way are not waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for keeper in self._keepers.values():
            await keeper.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def ready(self, deployment: Deployment) -> Identity | None:
        """Return as whom to send where there is no choice and no wait, else None."""
        if deployment.auth == "none":
            return _NOBODY
        ways = self._ways_of(deployment)
        return ways[0].ready() if len(ways) == 1 else None

    async def identity(
        self,
        deployment: Deployment,
        session_key: str = "",
        tried: Collection[str] = (),
    ) -> Identity:
        """Return as whom to send a request.

        Args:
            deployment: Where it goes.
            session_key: The session it is of. Empty for none.
            tried: Credentials that the same request was refused with.

        Raises:
            NoProofError: No credential is of use at present.
        """
        if (identity := self.ready(deployment)) is not None:
            return identity
        ways = {way.held.name: way for way in self._ways_of(deployment)}
        if not ways:
            raise NoProofError(
                f"the executor has no credential for provider {deployment.provider_id}"
            )
        ordered = self._rotation.order(deployment.id, list(ways), session_key)
        failure: NoProofError | None = None
        for name in sorted(ordered, key=lambda name: name in tried):
            try:
                return await ways[name].identify()
            except NoProofError as error:
                failure = failure or error
        assert failure is not None  # noqa: S101 - there was one to try
        raise failure

    def has_another(self, deployment: Deployment, tried: Collection[str]) -> bool:
        """Tell whether a deployment can be called with a credential not tried yet."""
        return any(way.held.name not in tried for way in self._ways_of(deployment))

    def learn(self, attempt: Attempt, longest_s: float) -> None:
        """Learn from how an attempt ended.

        Args:
            attempt: It names its credential.
            longest_s: The longest wish to be left alone that is believed.
        """
        if attempt.credential:
            self._rotation.learn(attempt, longest_s)

    def _ways_of(self, deployment: Deployment) -> tuple[_Way, ...]:
        """Return the credentials that a step can be called with as they are now."""
        return self._ways_at(
            deployment.credential_id, deployment.auth, deployment.sealed_credential
        )

    def _ways_at(
        self, credential_id: str, auth: str, sealed: bytes
    ) -> tuple[_Way, ...]:
        place = credential_id, auth
        held = self._credentials.held(credential_id, sealed)
        known = self._ways.get(place)
        if known is None or known.held is not held:
            found = tuple(
                way
                for each in held
                if (way := self._way(*place, each, is_entrusted=bool(sealed)))
                is not None
            )
            known = self._ways[place] = _Ways(held, sealed, found)
        return known.ways

    def _way(
        self, credential_id: str, auth: str, held: HeldCredential, *, is_entrusted: bool
    ) -> _Way | None:
        # Who gave it through the API may name nothing that is the operator's.
        kind = kind_of(held.declared, auth, is_entrusted=is_entrusted)
        if kind is None:
            return None
        fetch = self._fetchers.get(kind.name)
        if fetch is None:
            header = HEADERS[auth](held.parts["key"])
            return _Way(held, Identity(held.name, always(header)))
        place = credential_id, held.name, kind.name
        if place not in self._keepers:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, "tokens")
            self._keepers[place] = TokenKeeper(
                f"{credential_id}/{held.name}", fetch, self._threads, self._now
            )
        return _Way(held, keeper=self._keepers[place])

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND_S)
            for place in list(self._ways):
                for way in self._ways_at(*place, self._ways[place].sealed):
                    if way.keeper is not None:
                        way.keeper.renew_if_due(way.held.parts)
