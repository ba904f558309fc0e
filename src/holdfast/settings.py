"""What the configuration file says, as values.

`holdfast.config_file` reads a file into these; `docs/configuration.md` says
what each field means to an operator.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.control.resources import Overrides
from holdfast.model import Limits, Model, ScopedPolicy


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret, or where to read it: exactly one of the three is set.

    Never printed: its representation names where it comes from, not what it is.
    """

    text: str | None = field(default=None, repr=False)
    env: str | None = None
    file: Path | None = None

    def read(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """Return the secret as it is now, stripped; None if there is none.

        A file is read anew at each call; who calls often remembers the file's
        modification time.
        """
        if self.text is not None:
            return self.text or None
        if self.env is not None:
            return environ.get(self.env, "").strip() or None
        if self.file is not None:
            try:
                return self.file.read_text(encoding="utf-8").strip() or None
            except (OSError, ValueError):
                return None
        return None

    @property
    def origin(self) -> str:
        """Where it comes from, in words, e.g. `environment variable X`."""
        if self.env is not None:
            return f"environment variable {self.env}"
        return f"file {self.file}" if self.file is not None else "the configuration"


Credential = Mapping[str, Secret]
"""The parts of one credential by name; a plain one has the single part `key`."""

ONLY = "default"
"""What a provider's credential is called where it has just one."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """A provider's credentials, and what overrides or adds to the catalog.

    Attributes:
        credentials: By name, used in turn. Empty if the provider needs none or
            none was given.
        dialect: None keeps the catalog's; so for `base_uri` and `auth`.
        trains_on_data: As of a deployment; so is `retention_days`. What it has
            promised whoever runs the gateway. None: no more than everybody.
    """

    id: str
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    dialect: str | None = None
    base_uri: str | None = None
    auth: str | None = None
    allow_private_network: bool = False
    trains_on_data: bool | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class KeySettings:
    """An API key of a project: its policy narrows the project's."""

    id: str
    key: Secret
    admin: bool = False
    policy: ScopedPolicy = ScopedPolicy("")


@dataclass(frozen=True, slots=True)
class AliasSettings:
    """An organization's ordered list of targets under one name.

    Attributes:
        defaults: What holds for requests that name it, over what their project
            says. None: nothing else.
    """

    name: str
    fallback_models: tuple[str, ...]
    description: str = ""
    defaults: Overrides | None = None


@dataclass(frozen=True, slots=True)
class CustomModelSettings:
    """An organization's own endpoint: the model it is and the key to call it."""

    model: Model
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a scope unless a lower one says otherwise.

    Attributes:
        session_ttl_s: How long a session's binding outlives its last turn.
        derived_sessions: Whether a request without a session gets one that is
            derived from its content.
        parse_retries: Extra tries when structured output does not parse.
    """

    limits: Limits = Limits()
    session_ttl_s: int = 1800
    derived_sessions: bool = True
    parse_retries: int = 2


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """A project: its policy narrows the organization's.

    Attributes:
        content_days: For how many days prompts and answers are kept. 0: never.
    """

    id: str
    policy: ScopedPolicy
    defaults: Defaults
    keys: tuple[KeySettings, ...] = ()
    content_days: int = 0


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """An organization, with its projects, aliases and custom models."""

    id: str
    policy: ScopedPolicy
    aliases: tuple[AliasSettings, ...] = ()
    custom_models: tuple[CustomModelSettings, ...] = ()
    projects: tuple[ProjectSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class EtcdSettings:
    """Where etcd is. No endpoints: `holdfast up` runs one of its own."""

    endpoints: tuple[str, ...] = ()
    prefix: str = "/holdfast"


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration file.

    Attributes:
        models: Added to, or in place of, the shipped catalog's of that name.
            Their deployments have no `dialect`, `base_uri`, `auth` or
            `credential_id` yet: those are the provider's.
        shipped_catalog: Whether the shipped catalog's models exist too.
    """

    listen: str = "127.0.0.1:8080"
    state_dir: Path = Path(".holdfast")
    etcd: EtcdSettings = EtcdSettings()
    defaults: Defaults = Defaults()
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    shipped_catalog: bool = True
    organizations: tuple[OrganizationSettings, ...] = ()
