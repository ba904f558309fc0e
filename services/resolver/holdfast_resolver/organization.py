"""One organization, and what each of its projects and keys is entitled to."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from holdfast.control.resources import Overrides
from holdfast.model import Budget, Caller, Guardrail, Model, ScopedPolicy
from holdfast.overrides import overridden
from holdfast.settings import Defaults
from holdfast_resolver.directory import Membership, Names, Objection

Scope = tuple[str, str]
"""A project and a key of it. The key is empty for the project's own, both are for
the organization's."""


@dataclass(frozen=True, slots=True)
class Project:
    """A part of an organization.

    Attributes:
        defaults: What holds for it, where that is settled already.
        overrides: What it says over its organization's defaults, where it is not.
        content_days: For how many days prompts and answers are kept. 0: never.
    """

    id: str
    defaults: Defaults | None = None
    overrides: Overrides | None = None
    content_days: int = 0


@dataclass(frozen=True, slots=True)
class Key:
    """An API key.

    Attributes:
        disabled: Whether it is shut.
        closes_at: From when on it lets nobody in, in Unix seconds. None: never.
        secrets: The digest of each, and from when on it is no good.
    """

    admin: bool = False
    disabled: bool = False
    closes_at: float | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    secrets: tuple[tuple[bytes, float | None], ...] = ()

    def is_open(self, now_s: float) -> bool:
        """Tell whether it lets anybody in, at a Unix time in seconds."""
        return not self.disabled and (self.closes_at is None or now_s < self.closes_at)


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A custom model, and why it cannot be called, if it cannot."""

    model: Model
    objection: Objection | None = None


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization, with all that holds for its callers.

    Attributes:
        defaults: What holds for projects that say nothing.
        aliases_by_admins: Whether aliases and custom models are edited with admin
            keys alone.
        parent: Whose administrators administer it too. Empty: nobody's.
        policies: Those that set a limit, by scope.
        guardrails: By name, in order.
    """

    id: str
    names: Names
    defaults: Defaults
    aliases_by_admins: bool
    parent: str
    projects: Mapping[str, Project]
    keys: Mapping[Scope, Key]
    policies: Mapping[Scope, ScopedPolicy]
    budgets: Mapping[Scope, Budget]
    guardrails: Mapping[str, Guardrail]
    # Made when somebody asks: of thousands of keys few call between two edits.
    _members: dict[Caller, Membership] = field(default_factory=dict, repr=False)

    def member(self, caller: Caller) -> Membership | None:
        """Return what a project or a key is entitled to, None if there is none."""
        member = self._members.get(caller)
        if member is None:
            member = (self._of_key if caller.api_key_id else self._of_project)(caller)
            if member is not None:
                self._members[caller] = member
        return member

    def _of_project(self, caller: Caller) -> Membership | None:
        project = self.projects.get(caller.project_id)
        if project is None:
            return None
        scopes = (("", ""), (project.id, ""))
        defaults = project.defaults or overridden(self.defaults, project.overrides)
        return Membership(
            caller=caller,
            admin=False,
            policies=self._policies(scopes),
            defaults=defaults,
            names=self.names,
            content_days=project.content_days,
            alias_defaults={
                alias.name: overridden(defaults, alias.defaults)
                for alias in self.names.aliases.values()
                if alias.defaults is not None
            },
            budgets=self._budgets(scopes),
            guardrails=tuple(
                each
                for each in self.guardrails.values()
                if not each.projects or project.id in each.projects
            ),
        )

    def _of_key(self, caller: Caller) -> Membership | None:
        project = self.member(dataclasses.replace(caller, api_key_id=""))
        scope = (caller.project_id, caller.api_key_id)
        key = self.keys.get(scope)
        if project is None or key is None:
            return None
        return dataclasses.replace(
            project,
            caller=caller,
            admin=key.admin,
            policies=(*project.policies, *self._policies([scope])),
            budgets=(*project.budgets, *self._budgets([scope])),
            requests_per_minute=key.requests_per_minute,
            tokens_per_minute=key.tokens_per_minute,
        )

    def _policies(self, scopes: Iterable[Scope]) -> tuple[ScopedPolicy, ...]:
        return tuple(self.policies[each] for each in scopes if each in self.policies)

    def _budgets(self, scopes: Iterable[Scope]) -> tuple[Budget, ...]:
        return tuple(self.budgets[each] for each in scopes if each in self.budgets)
