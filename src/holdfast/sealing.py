"""Credentials that only an executor can read, whoever keeps or carries them.

What stores a custom model's credential seals it first; a plan carries it sealed;
the executor, which has the same keys, opens it. AES-256-GCM, by `cryptography`.
"""

import os
from collections.abc import Mapping, Sequence

import msgspec

from holdfast.signing import PlanKey

_NONCE_BYTES = 12
"""What NIST SP 800-38D recommends; drawn anew each time, which is safe for four
thousand million credentials a key."""

_KEY_BYTES = 32


class SealBrokenError(Exception):
    """What is sealed cannot be opened: altered, another's, or of an unknown key."""


class SealingKeys:
    """Seals with the first key and opens with any, so that keys can rotate."""

    def __init__(self, keys: Sequence[PlanKey]) -> None:
        """Hold keys.

        Raises:
            ValueError: There is none, or one is not of 32 bytes.
        """
        if not keys or any(len(key.secret) != _KEY_BYTES for key in keys):
            raise ValueError("a sealing key has 32 bytes, and at least one is needed")
        self._first = keys[0]
        self._secrets = {key.id.encode(): key.secret for key in keys}

    def seal(self, parts: Mapping[str, str], credential_id: str) -> bytes:
        """Seal a credential's parts.

        Args:
            parts: The secrets.
            credential_id: What plans call it; it opens under no other name.
        """
        # Not before it is needed: most gateways seal nothing.
        from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415
            AESGCM,
        )

        nonce = os.urandom(_NONCE_BYTES)
        written = msgspec.json.encode(dict(parts))
        sealed = AESGCM(self._first.secret).encrypt(
            nonce, written, credential_id.encode()
        )
        return b"%b:%b%b" % (self._first.id.encode(), nonce, sealed)

    def is_first(self, sealed: bytes) -> bool:
        """Tell whether something is sealed with the first key."""
        return sealed.partition(b":")[0] == self._first.id.encode()

    def open(self, sealed: bytes, credential_id: str) -> dict[str, str]:
        """Return a credential's parts.

        Raises:
            SealBrokenError: It is not as it was sealed, under this name.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415
            AESGCM,
        )

        name, _, rest = sealed.partition(b":")
        secret = self._secrets.get(name)
        if secret is None:
            raise SealBrokenError("sealed with a key that is unknown here")
        nonce, text = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            written = AESGCM(secret).decrypt(nonce, text, credential_id.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError("not as it was sealed") from error
        return msgspec.json.decode(written, type=dict[str, str])
