"""What the configuration file declares, in the words of the API.

It is shown beside what the API made and cannot be changed by it. A name that the
file declares is the file's: what the API made under it before counts for nothing.
"""

import uuid
from collections.abc import Iterator, Mapping

import msgspec

from holdfast.control.resources import (
    Alias,
    ApiKey,
    Organization,
    Project,
    Retention,
)
from holdfast.control.resources import Any as AnyResource
from holdfast.model import ScopedPolicy
from holdfast.scopes import declared_budget, declared_guardrail, declared_policy
from holdfast.settings import OrganizationSettings, ProjectSettings, Settings
from holdfast_resolver.control.records import Path, path_of

_IDS = uuid.UUID("2f1d0c9e-6c1b-5d0e-9a53-8f0f6f2f1b52")
"""Ids of what has a name alone in the file are made of this and the name, so that
they are the same in every process."""

NAMED = frozenset({"alias", "custom_model"})
"""Kinds whose name means them, beside their id."""

ETAG = "file"
"""What the state of everything in the file is called: it is fixed."""


class Declared:
    """Everything that a configuration file declares.

    Attributes:
        resources: By what they are called.
    """

    def __init__(self, settings: Settings) -> None:
        """Read it out of the settings."""
        self.resources: Mapping[Path, AnyResource] = {
            path_of(kind, resource): resource
            for organization in settings.organizations
            for kind, resource in _of_organization(organization)
        }
        self._models = {model.id for model in settings.models} | {
            deployment.id
            for model in settings.models
            for deployment in model.deployments
        }
        self._names = {
            (path.organization, _name(resource))
            for path, resource in self.resources.items()
            if path.kind in NAMED
        }

    def has_organization(self, organization: str) -> bool:
        """Tell whether the file declares an organization."""
        return Path("organization", organization) in self.resources

    def of(self, kind: str, organization: str) -> Iterator[AnyResource]:
        """Return an organization's resources of a kind."""
        for path, resource in self.resources.items():
            if path.kind == kind and path.organization == organization:
                yield resource

    def has(self, kind: str, resource: AnyResource) -> bool:
        """Tell whether what a resource is called is the file's."""
        if kind in NAMED:
            name = _name(resource)
            return name in self._models or (resource.organization, name) in self._names
        return path_of(kind, resource) in self.resources


def _name(resource: AnyResource) -> str:
    name: str = getattr(resource, "name", "")
    return name


def _of_organization(
    organization: OrganizationSettings,
) -> Iterator[tuple[str, AnyResource]]:
    own = organization.id
    yield (
        "organization",
        Organization(
            organization=own,
            aliases_by="admin_key" if organization.aliases_by_admins else "any_key",
            defaults=organization.overrides,
        ),
    )
    yield from _policy(organization.policy, own)
    if organization.budget is not None:
        yield "budget", declared_budget(organization.budget)
    for alias in organization.aliases:
        yield (
            "alias",
            Alias(
                organization=own,
                id=_id("alias", own, alias.name),
                name=alias.name,
                fallback_models=alias.fallback_models,
                description=alias.description,
                defaults=alias.defaults,
            ),
        )
    for custom in organization.custom_models:
        if custom.declared is not None:
            identity = _id("custom_model", own, custom.declared.name)
            yield (
                "custom_model",
                msgspec.structs.replace(custom.declared, id=identity),
            )
    for guardrail in organization.guardrails:
        yield "guardrail", declared_guardrail(guardrail, own)
    for project in organization.projects:
        yield from _of_project(own, project)


def _of_project(
    own: str, project: ProjectSettings
) -> Iterator[tuple[str, AnyResource]]:
    yield (
        "project",
        Project(
            organization=own,
            id=project.id,
            retention=Retention(content_days=project.content_days),
            defaults=project.overrides,
        ),
    )
    yield from _policy(project.policy, own, project.id)
    if project.budget is not None:
        yield "budget", declared_budget(project.budget)
    for key in project.keys:
        yield (
            "key",
            ApiKey(
                organization=own,
                project=project.id,
                id=key.id,
                admin=key.admin,
                requests_per_minute=key.requests_per_minute,
                tokens_per_minute=key.tokens_per_minute,
            ),
        )
        yield from _policy(key.policy, own, project.id, key.id)
        if key.budget is not None:
            yield "budget", declared_budget(key.budget)


def _policy(
    policy: ScopedPolicy, organization: str, project: str = "", key: str = ""
) -> Iterator[tuple[str, AnyResource]]:
    if policy != ScopedPolicy(policy.scope):
        yield "policy", declared_policy(policy, organization, project, key)


def _id(kind: str, organization: str, name: str) -> str:
    return str(uuid.uuid5(_IDS, f"{kind}/{organization}/{name}"))
