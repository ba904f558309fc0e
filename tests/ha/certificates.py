"""Certificates of the services, in folders that they mount."""

from collections.abc import Mapping
from pathlib import Path

from fakes.certificates import Authority

_SERVICES = ("edge", "resolver", "executor")
_FILES = {"CA": "ca.crt", "CERT": "tls.crt", "KEY": "tls.key"}


class ServiceCertificates:
    """One certificate for each service.

    Attributes:
        authority: Who made out the first ones.
    """

    def __init__(self, folder: Path) -> None:
        """Make them out."""
        self._folder = folder
        self._folder.mkdir()
        self.authority = Authority()
        self.renew(self.authority, self.authority)

    def renew(self, issuer: Authority, *believed: Authority) -> None:
        """Make out others, for services that believe these authorities."""
        for name in _SERVICES:
            issuer.issue(name).believing(*believed).write(self._folder / name)

    def variables(self, service: str) -> Mapping[str, str]:
        """Return what tells a service of them, and has it tell when they change."""
        return {"HOLDFAST_LOG_LEVEL": "info"} | {
            f"HOLDFAST_TLS_{kind}_FILE": str(self._folder / service / file)
            for kind, file in _FILES.items()
        }
