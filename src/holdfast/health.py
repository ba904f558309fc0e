"""What the services say to one another of who is left aside, and under which names.

A name says whose health it is and no secret: a credential goes by its own name.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.model import Deployment

_CACHED = 16_384
"""The shipped catalog three times over."""


@dataclass(frozen=True, slots=True)
class HealthKeys:
    """The names of one deployment's health.

    Attributes:
        deployment: Its own, e.g. `aws/m-eu@1f0c23ab`.
        any_credential: What it has with whatever credential it is called, or
            with none, e.g. `aws/m-eu@1f0c23ab#provider:aws/`.
    """

    deployment: str
    any_credential: str

    def credential(self, name: str) -> str:
        """Return the name of its health with one credential."""
        return self.any_credential + name


@dataclass(frozen=True, slots=True)
class Rests:
    """Who is left aside, as one resolver knows it.

    Attributes:
        version: What the same rests have in common, and others have not.
        until_ms: When each rest ends, in Unix milliseconds, by the name that
            health goes by.
    """

    version: bytes = b""
    until_ms: Mapping[str, int] = field(default_factory=dict)


@functools.lru_cache(_CACHED)
def health_keys(deployment: Deployment) -> HealthKeys:
    """Name a deployment.

    The digits tell two endpoints apart that bear one id: custom models of two
    organizations, and a deployment whose address was changed.
    """
    where = f"{deployment.base_uri}\0{deployment.provider_model}".encode()
    digits = hashlib.blake2b(where, digest_size=4).hexdigest()
    name = f"{deployment.id}@{digits}"
    return HealthKeys(name, f"{name}#{deployment.credential_id}/")
