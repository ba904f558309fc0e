"""Who may ask, and what there is to ask for: one snapshot of all that is declared.

Never changed: a plan sees one directory from beginning to end. `tenants` makes them,
from the configuration file, the catalog and what administrators have made.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.errors import ApiKeyUnknownError, ServiceUnavailableError
from holdfast.model import (
    Budget,
    Caller,
    Deployment,
    Guardrail,
    Model,
    ScopedPolicy,
)
from holdfast.settings import AliasSettings, Defaults


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
        budgets: Those that its requests are charged to, the widest scope first.
        requests_per_minute: Of its key. None: no limit. So `tokens_per_minute`.
        guardrails: What its requests and their answers pass through, in order.
    """

    caller: Caller
    admin: bool
    policies: tuple[ScopedPolicy, ...]
    defaults: Defaults
    names: Names
    content_days: int = 0
    alias_defaults: Mapping[str, Defaults] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    guardrails: tuple[Guardrail, ...] = ()

    @property
    def is_metered(self) -> bool:
        """Whether there is a limit to what it may spend or send."""
        return bool(
            self.budgets
            or self.requests_per_minute is not None
            or self.tokens_per_minute is not None
        )

    def defaults_for(self, model: str) -> Defaults:
        """Say what holds for a request that names a model or an alias."""
        return self.alias_defaults.get(model, self.defaults)


@dataclass(frozen=True, slots=True)
class Entrance:
    """A secret that lets somebody in, or did.

    Attributes:
        caller: Whom, with the key.
        closes_at: From when on it does not, in Unix seconds. None: never.
        disabled: Whether an administrator has shut it.
    """

    caller: Caller
    closes_at: float | None = None
    disabled: bool = False


class Tenant(Protocol):
    """What one organization has, as the directory needs it."""

    @property
    def parent(self) -> str:
        """Whose administrators administer it too. Empty: nobody's."""

    @property
    def budgets(self) -> Mapping[tuple[str, str], Budget]:
        """Its budgets: its own, its projects' and its keys'."""

    def member(self, caller: Caller) -> Membership | None:
        """Return what a project or a key is entitled to, None if there is none."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Every project and key there is, and what each may name.

    Attributes:
        tenants: By organization.
        entrances: By the digest of their secret. Looking one up takes a time that
            tells nothing: what a caller sends is not what is compared, but its
            SHA-256, of which nobody can choose the first bytes and then the next.
        revision: Names what plans are made from: the generation of what
            administrators have made, and the configuration file.
        credential_names: What the credentials are called that a deployment is
            called with in turn, by its `credential_id`.
        is_whole: Says whether what administrators have made has been read.
    """

    tenants: Mapping[str, Tenant]
    entrances: Mapping[bytes, Entrance]
    revision: str
    credential_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_whole: Callable[[], bool] = lambda: True

    def admit(self, digest: bytes, now_s: float) -> Membership:
        """Return what the bearer of a secret is entitled to.

        Args:
            digest: What `key_digest` makes of the secret.
            now_s: Unix time in seconds.

        Raises:
            ApiKeyUnknownError: It lets nobody in; the message says why.
            ServiceUnavailableError: Nobody can say yet: etcd has not been read.
        """
        entrance = self.entrances.get(digest)
        if entrance is None:
            raise self._unknown()
        if entrance.disabled:
            raise ApiKeyUnknownError(
                "The API key is disabled; ask an administrator, or send another."
            )
        if entrance.closes_at is not None and entrance.closes_at <= now_s:
            raise ApiKeyUnknownError(
                "The API key has expired; ask an administrator for another."
            )
        member = self.member(entrance.caller)
        if member is None:
            raise self._unknown()
        return member

    def member(self, caller: Caller) -> Membership | None:
        """Return what a project or a key is entitled to, None if there is none."""
        tenant = self.tenants.get(caller.organization_id)
        return None if tenant is None else tenant.member(caller)

    @property
    def budgets(self) -> Iterator[Budget]:
        """Everybody's budgets."""
        for tenant in self.tenants.values():
            yield from tenant.budgets.values()

    def budgets_seen_by(self, member: Membership) -> tuple[Budget, ...]:
        """Return the budgets that a principal may know of, by their ids in order.

        An admin key's organization and those that it has made; anybody else's own.
        """
        if not member.admin:
            return member.budgets
        own = member.caller.organization_id
        return tuple(
            sorted(
                (
                    budget
                    for name, tenant in self.tenants.items()
                    if own in (name, tenant.parent)
                    for budget in tenant.budgets.values()
                ),
                key=lambda budget: budget.id,
            )
        )

    def _unknown(self) -> ApiKeyUnknownError | ServiceUnavailableError:
        if not self.is_whole():
            return ServiceUnavailableError(
                "The API key is none of the configuration file's, and what others "
                "there are cannot be read yet: etcd has not been reached.",
                service="etcd",
            )
        return ApiKeyUnknownError(
            "The API key is unknown; send a valid one in the "
            "`x-opper-api-key` or `Authorization: Bearer` header."
        )


def key_digest(key: str) -> bytes:
    """Return what the resolver knows of an API key: its SHA-256."""
    return hashlib.sha256(key.encode()).digest()
