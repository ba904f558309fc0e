"""Organizations, projects, keys, policies, aliases, custom models, budgets, guardrails.

One struct a kind. It is what is stored, what HTTP shows (but for what `WITHHELD`
names) and what `holdfast.api.admin.v1` has a message for with the same fields.
What they must be to each other is checked where they are edited, by the resolver.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec


class Resource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Anything that can be edited.

    Attributes:
        organization: Whose it is. Of an organization: its own id.
    """

    organization: str


class Attempting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of one attempt, in seconds; see `defaults.attempt` of the file."""

    connect_timeout_s: float | None = None
    first_token_timeout_s: float | None = None
    idle_timeout_s: float | None = None


class Hedging(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a second deployment is asked; see `defaults.hedge` of the file."""

    after_s: float | None = None
    max_share: float | None = None


class Overrides(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `defaults` of the configuration file, where a scope says otherwise."""

    attempt: Attempting | None = None
    request_timeout_s: float | None = None
    retries_per_deployment: int | None = None
    retry_after_cap_s: float | None = None
    max_attempts: int | None = None
    session_ttl_s: int | None = None
    derived_sessions: bool | None = None
    midstream: Literal["rescue", "error"] | None = None
    on_content_filter: Literal["return", "fallback"] | None = None
    parse_retries: int | None = None
    hedge: Hedging | None = None


class Organization(Resource, frozen=True, kw_only=True):
    """A tenant: nothing of one is seen or used by another.

    Attributes:
        parent: The organization whose administrator made it and may administer it.
            Empty for one that the configuration file declares.
        aliases_by: Who may edit aliases and custom models.
    """

    name: str = ""
    parent: str = ""
    aliases_by: Literal["any_key", "admin_key"] = "any_key"
    defaults: Overrides | None = None


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What traces keep.

    Attributes:
        content_days: For how many days prompts and answers are kept. 0: never.
    """

    content_days: int = 0


class Project(Resource, frozen=True, kw_only=True):
    """A part of an organization, with keys of its own."""

    id: str
    name: str = ""
    retention: Retention = Retention()
    defaults: Overrides | None = None


class KeySecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One secret of a key. A key that is being rotated has two.

    Attributes:
        digest: SHA-256 of it, in hex. The secret itself is nowhere. Empty where it
            is shown to anybody.
        hint: Its last four characters, so that people can tell which it is.
        expires_at: When it stops being good. None: when the key does.
    """

    digest: str = ""
    hint: str = ""
    expires_at: datetime | None = None


class ApiKey(Resource, frozen=True, kw_only=True):
    """What a caller shows to be let in.

    Attributes:
        admin: Whether it administers; else it calls models.
        requests_per_minute: None: as many as it likes. So `tokens_per_minute`.
    """

    project: str
    id: str
    name: str = ""
    admin: bool = False
    disabled: bool = False
    expires_at: datetime | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    secrets: tuple[KeySecret, ...] = ()


class Names(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be used and what may not. Empty: no limit."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Handling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How providers may treat data; see `policy.data` of the file."""

    training: Literal["allow", "deny"] = "allow"
    max_retention_days: int | None = None


class Policy(Resource, frozen=True, kw_only=True):
    """What a scope may use: a key's, a project's, or the organization's.

    Attributes:
        project: Empty for the organization's.
        key: Empty for the project's.
    """

    project: str = ""
    key: str = ""
    providers: Names = Names()
    models: Names = Names()
    geographies: tuple[str, ...] = ()
    data: Handling = Handling()


class Alias(Resource, frozen=True, kw_only=True):
    """An ordered list of targets under one name, tried in turn.

    Attributes:
        id: A UUID; the name may be changed.
    """

    id: str = ""
    name: str
    fallback_models: tuple[str, ...]
    description: str = ""
    defaults: Overrides | None = None


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens, as decimal text; absent ones are as `input`."""

    input: str
    output: str
    cache_read: str | None = None
    cache_creation: str | None = None


class CustomModel(Resource, frozen=True, kw_only=True):
    """An organization's own endpoint, called like any model.

    Attributes:
        id: A UUID; the name may be changed.
        identifier: `PROVIDER/MODEL`: the format it speaks, and what it calls itself.
        provider: None takes the identifier's first part.
        extra: `api_base`, `api_version`, `region`; what else is given is kept.
        sealed_credential: Readable for executors alone, in base64. Empty: none.
    """

    id: str = ""
    name: str
    identifier: str
    provider: str | None = None
    type: Literal["llm", "embedding", "image"] = "llm"
    extra: Mapping[str, object] = msgspec.field(default_factory=dict)
    pricing: Prices | None = None
    capabilities: tuple[str, ...] = ()
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None
    data: Mapping[str, object] = msgspec.field(default_factory=dict)
    sealed_credential: str = ""


class Budget(Resource, frozen=True, kw_only=True):
    """What a scope may spend in a calendar month, in UTC.

    Attributes:
        project: Empty for the organization's.
        key: Empty for the project's.
        monthly_usd: Decimal text, so that it is exact.
        warn_at: From which part of it on warnings are given, of 1.
        when_unreachable: What happens to calls while the spend cannot be known.
    """

    project: str = ""
    key: str = ""
    monthly_usd: str
    warn_at: float = 0.8
    when_unreachable: Literal["allow", "deny"] = "allow"


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A regular expression of RE2, and what it is called."""

    name: str
    regex: str
    flags: str = ""


class Judge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that is asked whether a text is to be stopped."""

    model: str
    prompt: str
    on_error: Literal["block", "allow"] | None = None


class Guardrail(Resource, frozen=True, kw_only=True):
    """What must not get in or out.

    Attributes:
        projects: Where it holds. Empty: in all of the organization.
    """

    name: str
    applies_to: tuple[Literal["input", "output"], ...] = ("input", "output")
    action: Literal["flag", "block", "redact"] = "flag"
    presets: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    replacement: str = "***"
    judge: Judge | None = None
    projects: tuple[str, ...] = ()


Any: TypeAlias = (
    Organization | Project | ApiKey | Policy | Alias | CustomModel | Budget | Guardrail
)

KINDS: Mapping[str, type[Resource]] = {
    "organization": Organization,
    "project": Project,
    "key": ApiKey,
    "policy": Policy,
    "alias": Alias,
    "custom_model": CustomModel,
    "budget": Budget,
    "guardrail": Guardrail,
}
"""Every kind there is, by its name."""

NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "organization": (),
    "project": ("id",),
    "key": ("project", "id"),
    "policy": ("project", "key"),
    "alias": ("id",),
    "custom_model": ("id",),
    "budget": ("project", "key"),
    "guardrail": ("name",),
}
"""What tells one from others of its kind within the organization, in order."""

WITHHELD: Mapping[str, frozenset[str]] = {
    "key": frozenset({"secrets"}),
    "custom_model": frozenset({"sealed_credential"}),
}
"""What is stored and shown to nobody."""
