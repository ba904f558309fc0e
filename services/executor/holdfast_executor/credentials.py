"""The secrets that deployments are called with. No other service has them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from holdfast.settings import Credential, Secret, Settings


class Credentials:
    """Finds the secret that a plan's step names, as it is now."""

    def __init__(self, by_id: Mapping[str, Credential]) -> None:
        """Hold credentials by the id that plans know them by."""
        self._by_id = by_id
        self._files: dict[Path, tuple[int, str | None]] = {}

    @classmethod
    def of(cls, settings: Settings) -> "Credentials":
        """Collect all credentials of a configuration."""
        return cls(dict(_collect(settings)))

    def key(self, credential_id: str, part: str = "key") -> str | None:
        """Return one part of a credential, None if there is none at present."""
        secret = self._by_id.get(credential_id, {}).get(part)
        if secret is None:
            return None
        return self._of_file(secret) if secret.file is not None else secret.read()

    def _of_file(self, secret: Secret) -> str | None:
        """Read a file again only when it has changed."""
        assert secret.file is not None  # noqa: S101 - the caller looked
        try:
            changed = os.stat(secret.file).st_mtime_ns  # noqa: PTH116 - per attempt
        except OSError:
            return None
        known = self._files.get(secret.file)
        if known is None or known[0] != changed:
            known = self._files[secret.file] = (changed, secret.read())
        return known[1]


def _collect(settings: Settings) -> Iterator[tuple[str, Credential]]:
    for provider in settings.providers.values():
        if provider.credential is not None:
            yield f"provider:{provider.id}", provider.credential
    for organization in settings.organizations:
        for custom in organization.custom_models:
            if custom.credential is not None:
                deployment = custom.model.deployments[0]
                yield deployment.credential_id, custom.credential
