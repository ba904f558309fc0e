"""The secrets that deployments are called with. No other service has them."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import structlog

from holdfast.sealing import SealBrokenError, SealingKeys
from holdfast.secret_files import follow
from holdfast.settings import ONLY, Credential, Secret, Settings

_log = structlog.get_logger("holdfast.executor")

_OPENED = 1024
"""Sealed credentials that are kept open: of the custom models in use."""

Named = Mapping[str, Credential]
"""Credentials by name."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldCredential:
    """A credential that is wholly there, as it was when it was last read.

    The same object as long as nothing about it changes.

    Attributes:
        name: Its own among its provider's; no secret.
        declared: Where its parts come from.
        parts: The secrets.
    """

    name: str
    declared: Credential
    parts: Mapping[str, str]


class Credentials:
    """Finds the secrets that a plan's step names, as they are now.

    They are read here and when a file changes, not when they are used.
    """

    def __init__(
        self, by_id: Mapping[str, Named], sealing: SealingKeys | None = None
    ) -> None:
        """Hold credentials by the id that plans know them by.

        Args:
            by_id: What is configured.
            sealing: Opens what plans bear sealed. None: nothing does.
        """
        self._by_id = by_id
        self._sealing = sealing
        self._opened = functools.lru_cache(_OPENED)(self._open)
        self._held: Mapping[str, tuple[HeldCredential, ...]] = {}
        self.reread()

    @classmethod
    def of(
        cls, settings: Settings, sealing: SealingKeys | None = None
    ) -> "Credentials":
        """Collect all credentials of a configuration."""
        return cls(dict(_collect(settings)), sealing)

    def held(
        self, credential_id: str, sealed: bytes = b""
    ) -> tuple[HeldCredential, ...]:
        """Return the credentials of a step that are there at present.

        Args:
            credential_id: What the step calls them.
            sealed: The one that it bears, if it does.
        """
        if sealed:
            return self._opened(credential_id, sealed)
        return self._held.get(credential_id, ())

    def reread(self) -> None:
        """Read all of them again."""
        self._held = {
            credential_id: self._read(credential_id, named)
            for credential_id, named in self._by_id.items()
        }

    async def follow(self) -> None:
        """Read them again whenever a file changes, until cancelled."""
        await follow(self._secrets(), self.reread)

    def _read(self, credential_id: str, named: Named) -> tuple[HeldCredential, ...]:
        known = self._held.get(credential_id, ())
        before = {each.name: each for each in known}
        found = tuple(
            _unless_the_same(HeldCredential(name, declared, parts), before.get(name))
            for name, declared in named.items()
            if (parts := _parts(declared)) is not None
        )
        return known if found == known else found

    def _open(self, credential_id: str, sealed: bytes) -> tuple[HeldCredential, ...]:
        if self._sealing is None:
            _log.warning(
                "sealed_credential_refused",
                credential_id=credential_id,
                why="HOLDFAST_SEALING_KEYS is not set",
            )
            return ()
        try:
            parts = self._sealing.open(sealed, credential_id)
        except SealBrokenError as error:
            _log.warning(
                "sealed_credential_refused",
                credential_id=credential_id,
                why=str(error),
            )
            return ()
        declared = {name: Secret(text) for name, text in parts.items()}
        return (HeldCredential(ONLY, declared, MappingProxyType(parts)),)

    def _secrets(self) -> Iterator[Secret]:
        for named in self._by_id.values():
            for credential in named.values():
                yield from credential.values()


def _unless_the_same(
    read: HeldCredential, before: HeldCredential | None
) -> HeldCredential:
    return before if before is not None and before.parts == read.parts else read


def _parts(credential: Credential) -> Mapping[str, str] | None:
    parts = {name: secret.read() for name, secret in credential.items()}
    held = {name: text for name, text in parts.items() if text is not None}
    return MappingProxyType(held) if len(held) == len(parts) else None


def _collect(settings: Settings) -> Iterator[tuple[str, Named]]:
    for provider in settings.providers.values():
        if provider.credentials:
            yield f"provider:{provider.id}", provider.credentials
    for organization in settings.organizations:
        for custom in organization.custom_models:
            if custom.credential is not None:
                deployment = custom.model.deployments[0]
                yield deployment.credential_id, {ONLY: custom.credential}
