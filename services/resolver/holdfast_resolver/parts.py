"""What an organization is made of: each thing as declared, by the file or by the API.

Both come to the same values, so that a caller cannot tell them apart.
"""

import base64
import binascii
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.control import resources
from holdfast.custom_models import is_named, model_of
from holdfast.model import Caller, ScopedPolicy
from holdfast.scopes import (
    enforced_budget,
    enforced_guardrail,
    enforced_policy,
    scope_words,
)
from holdfast.settings import AliasSettings, OrganizationSettings, Settings
from holdfast_resolver.control.records import Path
from holdfast_resolver.directory import Entrance, key_digest
from holdfast_resolver.organization import Key, OwnModel, Project
from holdfast_resolver.resident import Resident

Parts = dict[str, dict[Any, Any]]
"""By kind, and by what means the thing to callers: a name, a project, a scope."""

KINDS = (
    "project",
    "key",
    "budget",
    "alias",
    "custom_model",
    "guardrail",
    "policy",
)
"""Every kind of part: an organization itself is none. What takes the place of a rule
that makes no sense is a policy, so that these come last."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the configuration file gives, with secrets as they were when it was made.

    Making one reads files and takes long; it may be made in any thread.

    Attributes:
        resident: The models that every organization sees.
        parts: By organization.
        entrances: Those of the file's keys.
    """

    settings: Settings
    resident: Resident
    parts: Mapping[str, Parts] = field(init=False)
    entrances: Mapping[bytes, Entrance] = field(init=False)

    def __post_init__(self) -> None:
        declared = self.settings.organizations
        parts = {each.id: _declared(each, self.resident) for each in declared}
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "entrances", _entrances(self.settings))


def _declared(organization: OrganizationSettings, resident: Resident) -> Parts:
    parts: Parts = {kind: {} for kind in KINDS}
    scopes: list[tuple[tuple[str, str], Any]] = [(("", ""), organization)]
    for project in organization.projects:
        parts["project"][project.id] = Project(
            project.id, defaults=project.defaults, content_days=project.content_days
        )
        scopes.append(((project.id, ""), project))
        for key in project.keys:
            parts["key"][project.id, key.id] = Key(
                key.admin,
                requests_per_minute=key.requests_per_minute,
                tokens_per_minute=key.tokens_per_minute,
            )
            scopes.append(((project.id, key.id), key))
    for scope, declared in scopes:
        if declared.policy != ScopedPolicy(declared.policy.scope):
            parts["policy"][scope] = declared.policy
        if declared.budget is not None:
            parts["budget"][scope] = declared.budget
    for alias in organization.aliases:
        parts["alias"][alias.name] = alias
    for custom in organization.custom_models:
        model, objection = resident.callable(custom.model, custom.credential)
        parts["custom_model"][model.id] = OwnModel(model, objection)
    for guardrail in organization.guardrails:
        parts["guardrail"][guardrail.name] = guardrail
    return parts


def _entrances(settings: Settings) -> dict[bytes, Entrance]:
    return {
        key_digest(secret): Entrance(Caller(organization.id, project.id, key.id))
        for organization in settings.organizations
        for project in organization.projects
        for key in project.keys
        if (secret := key.key.read()) is not None
    }


def _project(project: resources.Project, _: Ground) -> tuple[Hashable, Any]:
    return project.id, Project(
        project.id,
        overrides=project.defaults,
        content_days=project.retention.content_days,
    )


def _key(key: resources.ApiKey, _: Ground) -> tuple[Hashable, Any]:
    closes_at = None if key.expires_at is None else key.expires_at.timestamp()
    secrets = []
    # One without a digest, as it is shown, is nobody's.
    for secret in filter(lambda each: each.digest, key.secrets):
        ends = [end.timestamp() for end in (secret.expires_at, key.expires_at) if end]
        secrets.append((bytes.fromhex(secret.digest), min(ends, default=None)))
    return (key.project, key.id), Key(
        key.admin,
        key.disabled,
        closes_at,
        key.requests_per_minute,
        key.tokens_per_minute,
        tuple(secrets),
    )


def _policy(policy: resources.Policy, _: Ground) -> tuple[Hashable, Any]:
    return (policy.project, policy.key), enforced_policy(policy)


def _budget(budget: resources.Budget, _: Ground) -> tuple[Hashable, Any]:
    return (budget.project, budget.key), enforced_budget(budget)


def _alias(alias: resources.Alias, _: Ground) -> tuple[Hashable, Any]:
    return alias.name, AliasSettings(
        alias.name, alias.fallback_models, alias.description, alias.defaults
    )


def _custom_model(
    custom: resources.CustomModel, ground: Ground
) -> tuple[Hashable, Any]:
    settings, resident = ground.settings, ground.resident
    sealed = unwrapped(custom.sealed_credential)
    api_base = custom.extra.get("api_base")
    model = model_of(
        custom,
        settings.providers,
        credential_id=credential_id(custom) if sealed else "",
        sealed_credential=sealed,
        allow_private_network=isinstance(api_base, str)
        and is_named(api_base, settings.private_hosts),
    )
    return custom.name, OwnModel(*resident.callable(model))


def _guardrail(guardrail: resources.Guardrail, _: Ground) -> tuple[Hashable, Any]:
    return guardrail.name, enforced_guardrail(guardrail)


MADE: Mapping[str, Callable[[Any, Ground], tuple[Hashable, Any]]] = {
    "project": _project,
    "key": _key,
    "policy": _policy,
    "budget": _budget,
    "alias": _alias,
    "custom_model": _custom_model,
    "guardrail": _guardrail,
}
"""What a resource that the API made comes to, by its kind, and what it means to
callers."""


def credential_id(custom: resources.CustomModel) -> str:
    """Return what plans call a custom model's credential: it opens under no other."""
    return f"custom:{custom.organization}/{custom.id}"


def unwrapped(sealed: str) -> bytes:
    """Return a sealed credential as plans bear it; nothing if it is none."""
    try:
        return base64.b64decode(sealed, validate=True)
    except binascii.Error:
        return b""


def nothing_allowed(path: Path) -> tuple[tuple[str, str], ScopedPolicy] | None:
    """Return what stands in for a rule that this version does not understand.

    A replica that is newer may have written it. Not to know what it forbids is no
    reason to allow it.

    Args:
        path: What is kept there. None is returned if it is no rule.
    """
    if path.kind not in {"policy", "guardrail"}:
        return None
    project, key = path.names if path.kind == "policy" else ("", "")
    words = scope_words(path.organization, project, key)
    return (project, key), ScopedPolicy(
        f"{words} (a {path.kind} in a form that this version cannot read)",
        allowed_providers=frozenset({""}),
    )
