"""What the configuration file says, as values.

`holdfast.config_file` reads a file into these; `docs/configuration.md` says
what each field means to an operator.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.control.resources import CustomModel, Overrides
from holdfast.model import Budget, Guardrail, Limits, Model, ScopedPolicy


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
    """An API key of a project: its policy narrows the project's.

    Attributes:
        budget: None: as much as its project may spend.
        requests_per_minute: None: as many as it likes. So `tokens_per_minute`.
    """

    id: str
    key: Secret
    admin: bool = False
    policy: ScopedPolicy = ScopedPolicy("")
    budget: Budget | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


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
    """An organization's own endpoint: the model it is and the key to call it.

    Attributes:
        declared: What is said of it, as administrators are shown it.
    """

    model: Model
    credential: Credential | None = None
    declared: CustomModel | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a scope unless a lower one says otherwise.

    Attributes:
        session_ttl_s: How long a session's binding outlives its last turn.
        derived_sessions: Whether a request without a session gets one that is
            derived from its content.
    """

    limits: Limits = Limits()
    session_ttl_s: int = 1800
    derived_sessions: bool = True


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """A project: its policy narrows the organization's.

    Attributes:
        defaults: What holds for its requests, over what its organization says.
        overrides: What it says of that itself. None: nothing.
        content_days: For how many days prompts and answers are kept. 0: never.
    """

    id: str
    policy: ScopedPolicy
    defaults: Defaults
    keys: tuple[KeySettings, ...] = ()
    content_days: int = 0
    overrides: Overrides | None = None
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """An organization, with its projects, aliases and custom models.

    Attributes:
        defaults: What holds for projects of its that say nothing.
        overrides: What it says of that itself. None: nothing.
        aliases_by_admins: Whether aliases and custom models are edited with admin
            keys alone.
    """

    id: str
    policy: ScopedPolicy
    aliases: tuple[AliasSettings, ...] = ()
    custom_models: tuple[CustomModelSettings, ...] = ()
    projects: tuple[ProjectSettings, ...] = ()
    defaults: Defaults = Defaults()
    overrides: Overrides | None = None
    budget: Budget | None = None
    aliases_by_admins: bool = False
    guardrails: tuple[Guardrail, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificatePaths:
    """Files with certificates, as PEM.

    Attributes:
        ca: The authorities that are believed. None: those of the machine.
        cert: One's own certificate, and those between it and its authority.
            None: nothing is shown.
        key: Its private key.
        names: What names the three in the configuration, for errors.
    """

    ca: Path | None
    cert: Path | None
    key: Path | None
    names: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class EtcdSettings:
    """Where etcd is, and how it lets us in.

    Attributes:
        endpoints: None: `holdfast up` runs one of its own.
        certificates: None: it is spoken to in the clear, but for endpoints
            that begin with `https://`.
        user: Empty: none but whom the certificate names.
        password: The user's.
    """

    endpoints: tuple[str, ...] = ()
    prefix: str = "/holdfast"
    certificates: CertificatePaths | None = None
    user: str = ""
    password: Secret | None = None


NO_LEDGER = "none"
"""The address of a ledger that keeps nothing."""


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Where history, usage and cost are kept.

    Attributes:
        url: None: in a file in the state directory.
        password: None: the address has it, or needs none.
    """

    url: Secret | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration file.

    Attributes:
        models: Added to, or in place of, the shipped catalog's of that name.
            Their deployments have no `dialect`, `base_uri`, `auth` or
            `credential_id` yet: those are the provider's.
        shipped_catalog: Whether the shipped catalog's models exist too.
        private_hosts: Where custom models may be that administrators make, though
            it is private: `HOST` or `HOST:PORT` each, in small letters.
    """

    listen: str = "127.0.0.1:8080"
    state_dir: Path = Path(".holdfast")
    etcd: EtcdSettings = EtcdSettings()
    ledger: LedgerSettings = LedgerSettings()
    defaults: Defaults = Defaults()
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    shipped_catalog: bool = True
    private_hosts: frozenset[str] = frozenset()
    organizations: tuple[OrganizationSettings, ...] = ()
