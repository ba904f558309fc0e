"""Credentials of custom models, sealed before they are kept.

The resolver seals and never needs to open, but to seal anew: when the sealing keys
rotate, what is sealed with an older one is sealed with the first, so that the older
one can be taken away.
"""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import cast

import msgspec
import structlog

from holdfast.addresses import Resolve
from holdfast.control.resources import Any as AnyResource
from holdfast.control.resources import CustomModel
from holdfast.custom_models import model_of
from holdfast.errors import ServiceUnavailableError
from holdfast.sealing import SealBrokenError, SealingKeys
from holdfast_resolver.control.records import Path
from holdfast_resolver.control.state import State
from holdfast_resolver.control.store import Changes, ControlStore
from holdfast_resolver.control.validation.endpoints import (
    check_endpoint,
    credential_parts,
)
from holdfast_resolver.control.validation.shape import malformed
from holdfast_resolver.parts import credential_id, unwrapped
from holdfast_resolver.resident import Resident

_log = structlog.get_logger("holdfast.control")

ACTOR = "gateway"
"""Who seals anew: nobody's key."""

_RETRY_S = 30.0
"""Between two tries while etcd is away, in seconds: nobody waits for it."""

_AT_ONCE = 100
"""Custom models that are sealed anew in one edit: below what one may change."""


class Sealed:
    """Checks where custom models are, and seals what is shown there."""

    def __init__(
        self,
        keys: SealingKeys | None,
        resident: Callable[[], Resident],
        resolve: Resolve | None = None,
    ) -> None:
        """Seal with these keys.

        Args:
            keys: None: no credential can be kept.
            resident: Knows the providers, and which private hosts may be called.
            resolve: Looks up the names of endpoints. None: the system does.
        """
        self._keys = keys
        self._resident = resident
        self._resolve = resolve

    async def complete(
        self, custom: CustomModel, credential: str | None
    ) -> CustomModel:
        """Check a custom model's endpoint, and give it its credential.

        Args:
            custom: With the credential that it has so far.
            credential: Another one. Empty takes it away, None leaves it.

        Raises:
            RequestMalformedError: It may not be there, or the credential is none.
        """
        resident = self._resident()
        has_credential = bool(
            custom.sealed_credential if credential is None else credential
        )
        await check_endpoint(
            custom, resident, has_credential=has_credential, resolve=self._resolve
        )
        if credential is None:
            return custom
        sealed = ""
        if credential:
            declared = model_of(custom, resident.providers, credential_id="sealed")
            model, _ = resident.callable(declared)
            parts = credential_parts(credential, model.deployments[0].auth)
            sealed = self._seal(custom, parts)
        return msgspec.structs.replace(custom, sealed_credential=sealed)

    def _seal(self, custom: CustomModel, parts: Mapping[str, str]) -> str:
        if self._keys is None:
            raise malformed(
                "api_key",
                "cannot be kept: this gateway has no keys to seal it with. "
                "An operator gives it some with HOLDFAST_SEALING_KEYS",
            )
        sealed = self._keys.seal(parts, credential_id(custom))
        return base64.b64encode(sealed).decode()

    async def seal_anew(self, store: ControlStore) -> None:
        """Seal with the first key what is sealed with another one.

        Every replica tries; who is second finds nothing to do. While etcd is away it
        is tried again.
        """
        if self._keys is None:
            return
        while True:
            try:
                entry = await store.edit(ACTOR, "reseal", self._anew)
            except ServiceUnavailableError:
                await asyncio.sleep(_RETRY_S)
                continue
            if entry is None:
                return
            _log.info("credentials_sealed_anew", count=len(entry.changes))

    def _anew(self, state: State) -> Changes:
        assert self._keys is not None  # noqa: S101 - only with keys is it asked
        changes: dict[Path, AnyResource | None] = {}
        for organization in state.organizations():
            for kept in state.of("custom_model", organization).values():
                sealed = unwrapped(getattr(kept.resource, "sealed_credential", ""))
                if not sealed or self._keys.is_first(sealed):
                    continue
                custom = cast("CustomModel", kept.resource)
                try:
                    parts = self._keys.open(sealed, credential_id(custom))
                except SealBrokenError as error:
                    _log.error(
                        "credential_not_opened", name=kept.path.text, reason=str(error)
                    )
                    continue
                changes[kept.path] = msgspec.structs.replace(
                    custom, sealed_credential=self._seal(custom, parts)
                )
                if len(changes) == _AT_ONCE:
                    return changes
        return changes
