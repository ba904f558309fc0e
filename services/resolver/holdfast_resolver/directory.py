"""Who may ask, and what there is to ask for: one snapshot of configuration.

Made from the settings and the catalog at once, and never changed: a plan sees
one directory from beginning to end.
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from holdfast.credential_kinds import kind_of, shapes
from holdfast.model import (
    AUTH_OF_DIALECT,
    AUTHS,
    DIALECTS,
    Caller,
    Catalog,
    Deployment,
    Model,
    Provider,
    ScopedPolicy,
)
from holdfast.overrides import overridden
from holdfast.settings import (
    AliasSettings,
    Credential,
    CustomModelSettings,
    Defaults,
    OrganizationSettings,
    ProviderSettings,
    Settings,
)

_PLACEHOLDER = re.compile(r"\$?\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Names:
    """What the callers of one organization may name.

    Attributes:
        deployments: By pinned id.
        objections: Why a deployment cannot be called at all, by pinned id.
    """

    aliases: Mapping[str, AliasSettings]
    deployments: Mapping[str, Deployment]
    custom_models: Mapping[str, Model]
    models: Mapping[str, Model]
    objections: Mapping[str, "Objection"]

    def deployment(self, deployment_id: str) -> Deployment | None:
        """Find a deployment by its id, a custom model's too."""
        custom = self.custom_models.get(deployment_id)
        found = self.deployments.get(deployment_id)
        return custom.deployments[0] if found is None and custom else found

    def pool(self, deployment: Deployment) -> tuple[Deployment, ...]:
        """Return all deployments of a deployment's model."""
        name = deployment.model_id
        model = self.custom_models.get(name) or self.models.get(name)
        return (deployment,) if model is None else model.deployments


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a deployment cannot be called by anyone.

    Attributes:
        is_dialect: Whether this version cannot speak to it; else it lacks a
            credential.
    """

    why: str
    is_dialect: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """What a principal is entitled to: its project and all that holds for it.

    Attributes:
        policies: Those that set a limit: its organization's, project's and key's.
        defaults: What holds for its requests, but for those that name an alias
            which says otherwise.
        content_days: For how many days prompts and answers are kept. 0: never.
        alias_defaults: What holds for requests that name these aliases.
    """

    caller: Caller
    admin: bool
    policies: tuple[ScopedPolicy, ...]
    defaults: Defaults
    names: Names
    content_days: int = 0
    alias_defaults: Mapping[str, Defaults] = field(default_factory=dict)

    def defaults_for(self, model: str) -> Defaults:
        """Say what holds for a request that names a model or an alias."""
        return self.alias_defaults.get(model, self.defaults)


@dataclass(frozen=True, slots=True)
class Directory:
    """Every project and key there is, and what each may name.

    Attributes:
        by_key: By organization, project and key.
        credential_names: What the credentials are called that a deployment is
            called with in turn, by its `credential_id`.
    """

    by_key_digest: Mapping[bytes, Membership]
    by_project: Mapping[tuple[str, str], Membership]
    revision: str
    credential_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_key: Mapping[Caller, Membership] = field(default_factory=dict)


def key_digest(key: str) -> bytes:
    """Return what the resolver knows of an API key: its SHA-256."""
    return hashlib.sha256(key.encode()).digest()


def build(
    settings: Settings, catalog: Catalog, environment: Mapping[str, str]
) -> Directory:
    """Make a directory.

    Args:
        settings: The configuration file.
        catalog: The shipped catalog; empty if the settings leave it out.
        environment: For placeholders in the catalog's endpoints.
    """
    resident = _Resident(settings, catalog, environment)
    by_digest: dict[bytes, Membership] = {}
    by_key: dict[Caller, Membership] = {}
    by_project: dict[tuple[str, str], Membership] = {}
    for organization in settings.organizations:
        names = resident.names_of(organization)
        for project in organization.projects:
            member = Membership(
                caller=Caller(organization.id, project.id),
                admin=False,
                policies=_limiting(organization.policy, project.policy),
                defaults=project.defaults,
                names=names,
                content_days=project.content_days,
                alias_defaults={
                    alias.name: overridden(project.defaults, alias.defaults)
                    for alias in organization.aliases
                    if alias.defaults is not None
                },
            )
            by_project[organization.id, project.id] = member
            for key in project.keys:
                caller = Caller(organization.id, project.id, key.id)
                by_key[caller] = dataclasses.replace(
                    member,
                    caller=caller,
                    admin=key.admin,
                    policies=(*member.policies, *_limiting(key.policy)),
                )
                if (secret := key.key.read()) is not None:
                    by_digest[key_digest(secret)] = by_key[caller]
    return Directory(
        by_digest,
        by_project,
        _revision(settings, resident),
        {
            f"provider:{provider.id}": tuple(
                name
                for name, credential in provider.credentials.items()
                if _held(credential)
            )
            for provider in settings.providers.values()
        },
        by_key,
    )


def _limiting(*policies: ScopedPolicy) -> tuple[ScopedPolicy, ...]:
    """Return those that set a limit."""
    return tuple(each for each in policies if each != ScopedPolicy(each.scope))


def _revision(settings: Settings, resident: "_Resident") -> str:
    """Name what plans are made from: the same in every process that has the same."""
    facts = (settings, sorted(resident.deployments.values(), key=lambda d: d.id))
    written = msgspec.json.encode(facts, enc_hook=str, order="deterministic")
    return hashlib.blake2b(written, digest_size=6).hexdigest()


class _Resident:
    """The models that every organization sees, ready to be called."""

    def __init__(
        self, settings: Settings, catalog: Catalog, environment: Mapping[str, str]
    ) -> None:
        self._environment = environment
        self._settings = settings.providers
        self._catalog = catalog.providers
        self._held = {
            provider.id: [
                credential
                for credential in provider.credentials.values()
                if _held(credential)
            ]
            for provider in settings.providers.values()
        }
        self.objections: dict[str, Objection] = {}
        chosen = dict(catalog.models)
        chosen.update({model.id: model for model in settings.models})
        self.models = {
            model.id: dataclasses.replace(model, deployments=self._ready(model))
            for model in chosen.values()
        }
        self.deployments = {
            deployment.id: deployment
            for model in self.models.values()
            for deployment in model.deployments
        }

    def names_of(self, organization: OrganizationSettings) -> Names:
        """Add what is the organization's own."""
        objections = dict(self.objections)
        custom_models: dict[str, Model] = {}
        for custom in organization.custom_models:
            held = custom.credential is None or _held(custom.credential)
            deployment = self._custom(custom)
            custom_models[custom.model.id] = dataclasses.replace(
                custom.model, deployments=(deployment,)
            )
            if not held:
                objections[deployment.id] = Objection(
                    f"custom model {custom.model.id} has no credential: "
                    + _missing(custom.credential or {})
                )
        return Names(
            aliases={alias.name: alias for alias in organization.aliases},
            deployments=self.deployments,
            custom_models=custom_models,
            models=self.models,
            objections=objections,
        )

    def _custom(self, custom: CustomModelSettings) -> Deployment:
        """Give a custom model's deployment what it leaves to its provider."""
        (deployment,) = custom.model.deployments
        if not deployment.base_uri:
            credential_id = deployment.credential_id
            known = self._catalog.get(deployment.provider_id)
            complete = _of_provider(
                deployment, self._settings.get(deployment.provider_id), known
            )
            # What was promised to another account than its own is not promised it.
            deployment = _treating_data(complete, None, known)
            deployment = dataclasses.replace(deployment, credential_id=credential_id)
        if custom.credential is None:
            deployment = dataclasses.replace(deployment, auth="none")
        return deployment

    def _ready(self, model: Model) -> tuple[Deployment, ...]:
        return tuple(self._complete(deployment) for deployment in model.deployments)

    def _complete(self, deployment: Deployment) -> Deployment:
        """Give a deployment what is its provider's, and note what it lacks."""
        own = self._settings.get(deployment.provider_id)
        known = self._catalog.get(deployment.provider_id)
        complete = _of_provider(deployment, own, known)
        complete = _treating_data(complete, own, known)
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
    deployment: Deployment, own: ProviderSettings | None, known: Provider | None
) -> Deployment:
    """Fill in how data is treated: what is promised nearest to the deployment.

    What the catalog knows of a provider is not promised of another endpoint.
    """
    if own is not None and own.base_uri is not None:
        known = None
    terms = [each for each in (deployment, own, known) if each is not None]
    trains = (each.trains_on_data for each in terms)
    days = (each.retention_days for each in terms)
    return dataclasses.replace(
        deployment,
        trains_on_data=next((told for told in trains if told is not None), None),
        retention_days=next((told for told in days if told is not None), None),
    )


def _held(credential: Credential) -> bool:
    return all(secret.read() is not None for secret in credential.values())


def _missing(credential: Credential) -> str:
    absent: Iterable[str] = (
        secret.origin for secret in credential.values() if secret.read() is None
    )
    return ", ".join(sorted(absent)) + " is not set"
