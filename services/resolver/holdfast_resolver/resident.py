"""The models that every organization sees, ready to be called.

Made from the settings and the catalog together, which takes long where the catalog is
large: an organization's own things are put beside it, and it stays as it is.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from holdfast.credential_kinds import kind_of, shapes
from holdfast.model import (
    AUTH_OF_DIALECT,
    AUTHS,
    DIALECTS,
    Catalog,
    Deployment,
    Model,
    Provider,
)
from holdfast.settings import Credential, ProviderSettings, Settings
from holdfast_resolver.directory import Objection

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
"""A region, where it is a part of a host's name: RFC 1035, section 2.3.1."""

_PLACEHOLDER = re.compile(r"\$?\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Resident:
    """The models that every organization sees.

    Attributes:
        providers: Those of the configuration file, by id.
        private_hosts: Where custom models of the API's may be, though it is private.
        models: By plain name.
        deployments: By pinned id.
        objections: Why a deployment cannot be called, by pinned id.
        credential_names: What the credentials are called that a deployment is
            called with in turn, by its `credential_id`.
        revision: Names the settings and the catalog.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        environment: Mapping[str, str],
        is_held: Callable[[Credential], bool],
    ) -> None:
        self._environment = environment
        self._is_held = is_held
        self.providers = settings.providers
        self.private_hosts = settings.private_hosts
        self._catalog = catalog.providers
        self._held = {
            provider.id: [
                credential
                for credential in provider.credentials.values()
                if is_held(credential)
            ]
            for provider in settings.providers.values()
        }
        self.objections: dict[str, Objection] = {}
        chosen = dict(catalog.models)
        declared = {model.id: model for model in settings.models}
        chosen.update(declared)
        self.models = {
            model.id: dataclasses.replace(
                model, deployments=self._ready(model, is_declared=model.id in declared)
            )
            for model in chosen.values()
        }
        self.deployments = {
            deployment.id: deployment
            for model in self.models.values()
            for deployment in model.deployments
        }
        self.credential_names = {
            f"provider:{provider.id}": tuple(
                name
                for name, credential in provider.credentials.items()
                if is_held(credential)
            )
            for provider in settings.providers.values()
        }
        self.revision = self._revision(settings)

    def _revision(self, settings: Settings) -> str:
        """Name what plans are made from: the same wherever all of it is the same."""
        facts = (settings, sorted(self.deployments.values(), key=lambda d: d.id))
        written = msgspec.json.encode(facts, enc_hook=str, order="deterministic")
        return hashlib.blake2b(written, digest_size=6).hexdigest()

    def callable(
        self, custom: Model, credential: Credential | None = None
    ) -> tuple[Model, Objection | None]:
        """Give a custom model what it leaves to its provider, and say what it lacks.

        Args:
            custom: As it is declared.
            credential: The one that executors read from the configuration.
        """
        (deployment,) = custom.deployments
        unset: list[str] = []
        if not deployment.base_uri:
            credential_id = deployment.credential_id
            known = self._catalog.get(deployment.provider_id)
            deployment = _of_provider(
                deployment, self.providers.get(deployment.provider_id), known
            )
            # What was promised to another account than its own is not promised it.
            deployment = _treating_data(deployment, deployment, known)
            region = deployment.region
            base_uri, unset = self._filled(
                deployment.base_uri, region if _LABEL.fullmatch(region) else ""
            )
            deployment = dataclasses.replace(
                deployment,
                base_uri=base_uri.rstrip("/"),
                credential_id=credential_id,
            )
        if not deployment.credential_id:
            deployment = dataclasses.replace(deployment, auth="none")
        model = dataclasses.replace(custom, deployments=(deployment,))
        if credential is not None and not self._is_held(credential):
            return model, Objection(
                f"custom model {custom.id} has no credential: {_missing(credential)}"
            )
        if not deployment.base_uri:
            return model, Objection(
                f"nothing says where provider {deployment.provider_id} is"
            )
        if unset:
            return model, Objection(
                f"the endpoint of provider {deployment.provider_id} needs "
                f"{', '.join(unset)}"
            )
        return model, None

    def _ready(self, model: Model, *, is_declared: bool) -> tuple[Deployment, ...]:
        return tuple(
            self._complete(deployment, is_declared=is_declared)
            for deployment in model.deployments
        )

    def _complete(self, deployment: Deployment, *, is_declared: bool) -> Deployment:
        """Give a deployment what is its provider's, and note what it lacks."""
        own = self.providers.get(deployment.provider_id)
        known = self._catalog.get(deployment.provider_id)
        complete = _of_provider(deployment, own, known)
        # What the catalog knows is not promised of another endpoint than its own.
        is_elsewhere = own is not None and own.base_uri is not None
        shipped = None if is_elsewhere else known if is_declared else deployment
        declared = deployment if is_declared else None
        complete = _treating_data(complete, declared, own, shipped)
        base_uri, unset = self._filled(complete.base_uri, complete.region)
        objection = self._objection(complete, own, known, unset)
        if objection is not None:
            self.objections[deployment.id] = objection
        return dataclasses.replace(complete, base_uri=base_uri.rstrip("/"))

    def _objection(
        self,
        deployment: Deployment,
        own: ProviderSettings | None,
        known: Provider | None,
        unset: list[str],
    ) -> Objection | None:
        provider = deployment.provider_id
        if deployment.dialect not in DIALECTS or deployment.auth not in AUTHS:
            missing = (
                f"dialect {deployment.dialect!r}"
                if deployment.dialect not in DIALECTS
                else f"authentication {deployment.auth!r}"
            )
            return Objection(
                f"{missing} of provider {provider} is not spoken by this version",
                is_dialect=True,
            )
        if (lack := self._lack(deployment, own, known)) is not None:
            return Objection(f"no credential for provider {provider}{lack}")
        if unset:
            return Objection(
                f"the endpoint of provider {provider} needs environment variable "
                + ", ".join(unset)
            )
        return None

    def _lack(
        self,
        deployment: Deployment,
        own: ProviderSettings | None,
        known: Provider | None,
    ) -> str | None:
        """Say why no credential can be used for a deployment, None if one can."""
        if own is None:
            return ": it is not under `providers` in the configuration"
        if not own.credentials:
            return None if known is None else " is configured"
        held = self._held[own.id]
        if not held:
            return ": " + "; ".join(map(_missing, own.credentials.values()))
        auth = deployment.auth
        if auth == "none" or any(kind_of(each, auth) for each in held):
            return None
        return f" is of use for auth {auth}, which takes {shapes([auth])}"

    def _filled(self, base_uri: str, region: str) -> tuple[str, list[str]]:
        unset: list[str] = []

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            value = region if name == "region" else self._environment.get(name, "")
            if not value:
                unset.append(name)
            return value

        return _PLACEHOLDER.sub(fill, base_uri), unset


def _of_provider(
    deployment: Deployment, own: ProviderSettings | None, known: Provider | None
) -> Deployment:
    """Fill in dialect, endpoint and authentication.

    The configuration's word beats the deployment's own, which beats the
    catalog's provider.
    """
    dialect = (
        (own.dialect if own else None)
        or deployment.dialect
        or (known.dialect if known else "")
    )
    overridden = own is not None and own.dialect is not None
    auth = (own.auth if own else None) or (
        AUTH_OF_DIALECT.get(dialect, "bearer")
        if overridden or known is None
        else deployment.auth or known.auth
    )
    if own is not None and not own.credentials and known is None:
        auth = "none"
    return dataclasses.replace(
        deployment,
        dialect=dialect,
        base_uri=(own.base_uri if own else None)
        or deployment.base_uri
        or (known.base_uri if known else ""),
        auth=auth,
        credential_id=f"provider:{deployment.provider_id}",
        allow_private_network=own.allow_private_network if own else False,
        provider_display_name=known.display_name if known else deployment.provider_id,
    )


def _treating_data(
    deployment: Deployment, *promises: Deployment | ProviderSettings | Provider | None
) -> Deployment:
    """Fill in how data is treated: each fact by the first promise that has it."""
    made = [each for each in promises if each is not None]
    trains = (each.trains_on_data for each in made)
    days = (each.retention_days for each in made)
    return dataclasses.replace(
        deployment,
        trains_on_data=next((told for told in trains if told is not None), None),
        retention_days=next((told for told in days if told is not None), None),
    )


def is_here(credential: Credential) -> bool:
    """Tell whether this process is given a credential."""
    return all(secret.read() is not None for secret in credential.values())


def _missing(credential: Credential) -> str:
    absent: Iterable[str] = (
        secret.origin for secret in credential.values() if secret.read() is None
    )
    return ", ".join(sorted(absent)) + " is not set"
