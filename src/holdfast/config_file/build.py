"""From a file's checked values to `Settings`."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from holdfast.config_file.guardrails import guardrail
from holdfast.config_file.values import Record, Value
from holdfast.control.resources import (
    Attempting,
    CustomModel,
    Handling,
    Hedging,
    Names,
    Overrides,
    Policy,
    Prices,
)
from holdfast.custom_models import model_of
from holdfast.model import (
    Budget,
    Capability,
    Deployment,
    Model,
    Pricing,
    ScopedPolicy,
)
from holdfast.overrides import overridden
from holdfast.pricing import usd
from holdfast.scopes import enforced_policy
from holdfast.settings import (
    ONLY,
    AliasSettings,
    CertificatePaths,
    Credential,
    CustomModelSettings,
    Defaults,
    EtcdSettings,
    KeySettings,
    LedgerSettings,
    OrganizationSettings,
    ProjectSettings,
    ProviderSettings,
    Settings,
)

_CUSTOM_FIELDS = frozenset(
    {
        "name",
        "identifier",
        "provider",
        "type",
        "context_window_tokens",
        "max_output_tokens",
    }
)
"""Those of a custom model that are kept as they are written."""


def settings(root: Record) -> Settings:
    """Build the settings of a file in which nothing is wrong."""
    base = merged(Defaults(), root.section("defaults"))
    providers = {
        name: _provider(name, value.content)
        for name, value in root.named("providers").items()
    }
    etcd = root.section("etcd")
    return Settings(
        listen=root.get("listen", Settings().listen),
        state_dir=Path(root.get("state_dir", Settings().state_dir)),
        etcd=EtcdSettings(
            endpoints=etcd.texts("endpoints"),
            prefix=etcd.get("prefix", EtcdSettings().prefix),
            certificates=_certificates(etcd),
            user=etcd.get("username", ""),
            password=etcd.get("password"),
        ),
        ledger=LedgerSettings(
            root.section("ledger").get("url"), root.section("ledger").get("password")
        ),
        defaults=base,
        providers=providers,
        models=tuple(_model(entry, providers) for entry in root.sections("models")),
        shipped_catalog=root.get("catalog") != "none",
        private_hosts=frozenset(
            host.lower()
            for host in root.section("network").texts("allow_private_hosts")
        ),
        organizations=tuple(
            _organization(entry, base, providers)
            for entry in root.sections("organizations")
        ),
    )


def _certificates(etcd: Record) -> CertificatePaths | None:
    if etcd.at("tls") is None:
        return None
    tls = etcd.section("tls")
    return CertificatePaths(
        tls.get("ca_file"),
        tls.get("cert_file"),
        tls.get("key_file"),
        ("etcd.tls.ca_file", "etcd.tls.cert_file", "etcd.tls.key_file"),
    )


def merged(base: Defaults, given: Record) -> Defaults:
    """Let what a narrower scope gives hold over what a wider one says."""
    return overridden(base, overrides(given))


def overrides(given: Record) -> Overrides:
    """Return what a scope says of the defaults."""
    told: dict[str, Any] = _told(given, Overrides)
    for name, part in (("attempt", Attempting), ("hedge", Hedging)):
        if given.at(name) is not None:
            told[name] = part(**_told(given.section(name), part))
    return Overrides(**told)


def deployment_id(model_name: str, entry: Record) -> str | None:
    """Return what pins a deployment; None if it has no provider to name it by."""
    if (given := entry.get("id")) is not None:
        return str(given)
    if (provider := entry.get("provider")) is None:
        return None
    geography = entry.get("geography")
    return f"{provider}/{model_name}" + (f"-{geography}" if geography else "")


def custom_provider(entry: Record) -> str:
    """Return the provider of a custom model; empty if it names none."""
    given = entry.get("provider") or entry.get("identifier", "").partition("/")[0]
    return str(given)


def _told(record: Record, kind: type[Struct]) -> dict[str, Any]:
    """Return the fields that are given, spans of time in seconds."""
    given = {name: record.get(name) for name in kind.__struct_fields__}
    return {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in given.items()
        if value is not None
    }


def _credential(parts: Mapping[str, Value]) -> Credential:
    return {name: value.content for name, value in parts.items()}


def _credentials(entry: Record) -> dict[str, Credential]:
    if (parts := entry.get("credential")) is not None:
        return {ONLY: _credential(parts)}
    return {
        name: _credential(value.content)
        for name, value in entry.named("credentials").items()
    }


def _provider(name: str, entry: Record) -> ProviderSettings:
    return ProviderSettings(
        id=name,
        credentials=_credentials(entry),
        dialect=entry.get("dialect"),
        base_uri=entry.get("base_uri"),
        auth=entry.get("auth"),
        allow_private_network=entry.get("allow_private_network", False),
        **_data(entry),
    )


def _data(entry: Record) -> dict[str, Any]:
    """Return what is declared of how data is treated; None where nothing is."""
    data = entry.section("data")
    return {name: data.get(name) for name in ("trains_on_data", "retention_days")}


def _pricing(entry: Record) -> Pricing | None:
    given = entry.get("pricing")
    if given is None:
        return None
    uncached = given.get("input")
    return Pricing(
        input=uncached,
        output=given.get("output"),
        cache_read=given.get("cache_read", uncached),
        cache_creation=given.get("cache_creation", uncached),
    )


def _capabilities(entry: Record) -> frozenset[Capability]:
    return frozenset(Capability(name) for name in entry.texts("capabilities"))


def _model(entry: Record, providers: Mapping[str, ProviderSettings]) -> Model:
    name = entry.get("name")
    return Model(
        id=name,
        deployments=tuple(
            _deployment(name, place, providers)
            for place in entry.sections("deployments")
        ),
    )


def _deployment(
    model_name: str, entry: Record, providers: Mapping[str, ProviderSettings]
) -> Deployment:
    provider = providers.get(entry.get("provider"))
    return Deployment(
        id=deployment_id(model_name, entry) or "",
        model_id=model_name,
        provider_id=entry.get("provider"),
        provider_model=entry.get("provider_model", model_name),
        dialect="",
        base_uri="",
        auth="",
        geography=entry.get("geography", ""),
        region=entry.get("region", ""),
        pricing=_pricing(entry),
        capabilities=_capabilities(entry),
        context_window_tokens=entry.get("context_window_tokens", 0),
        max_output_tokens=entry.get("max_output_tokens", 0),
        weight=entry.get("weight", 1.0),
        allow_private_network=provider is not None and provider.allow_private_network,
        **_data(entry),
    )


def _custom_model(
    organization_id: str, entry: Record, providers: Mapping[str, ProviderSettings]
) -> CustomModelSettings:
    prices = entry.section("pricing")
    declared = CustomModel(
        organization=organization_id,
        pricing=Prices(**{name: usd(1000 * each) for name, each in _given(prices)})
        if entry.at("pricing")
        else None,
        capabilities=entry.texts("capabilities"),
        extra=dict(_given(entry.section("extra"))),
        data=dict(_given(entry.section("data"))),
        **{name: each for name, each in _given(entry) if name in _CUSTOM_FIELDS},
    )
    key = entry.get("api_key")
    return CustomModelSettings(
        model=model_of(
            declared,
            providers,
            credential_id=f"custom:{organization_id}/{declared.name}" if key else "",
            allow_private_network=entry.get("allow_private_network", False),
        ),
        credential=None if key is None else {"key": key},
        declared=declared,
    )


def _given(record: Record) -> Iterator[tuple[str, Any]]:
    """Return the fields that are given, and what they hold."""
    return ((name, value.content) for name, value in record.values.items())


def _policy(
    entry: Record, organization: str, project: str = "", key: str = ""
) -> ScopedPolicy:
    data = entry.section("policy").section("data")
    return enforced_policy(
        Policy(
            organization=organization,
            project=project,
            key=key,
            providers=_names(entry.section("policy").section("providers")),
            models=_names(entry.section("policy").section("models")),
            geographies=entry.section("policy").texts("geographies"),
            data=Handling(**dict(_given(data))),
        )
    )


def _names(entry: Record) -> Names:
    return Names(allow=entry.texts("allow"), deny=entry.texts("deny"))


def _budget(
    entry: Record, organization: str, project: str = "", key: str = ""
) -> Budget | None:
    if entry.at("budget") is None:
        return None
    given = entry.section("budget")
    return Budget(
        organization_id=organization,
        project_id=project,
        api_key_id=key,
        limit_usd_micros=given.get("monthly_usd"),
        warn_at=given.get("warn_at", 0.8),
        denies_when_unreachable=given.get("when_unreachable") == "deny",
    )


def _organization(
    entry: Record, base: Defaults, providers: Mapping[str, ProviderSettings]
) -> OrganizationSettings:
    name = entry.get("id")
    defaults = merged(base, entry.section("defaults"))
    return OrganizationSettings(
        id=name,
        policy=_policy(entry, name),
        aliases=tuple(
            AliasSettings(
                name=alias.get("name"),
                fallback_models=alias.texts("fallback_models"),
                description=alias.get("description", ""),
                defaults=_overrides(alias),
            )
            for alias in entry.sections("aliases")
        ),
        custom_models=tuple(
            _custom_model(name, custom, providers)
            for custom in entry.sections("custom_models")
        ),
        projects=tuple(
            _project(name, project, defaults) for project in entry.sections("projects")
        ),
        defaults=defaults,
        overrides=_overrides(entry),
        budget=_budget(entry, name),
        aliases_by_admins=entry.get("aliases_by") == "admin_key",
        guardrails=tuple(map(guardrail, entry.sections("guardrails"))),
    )


def _overrides(entry: Record) -> Overrides | None:
    """Return what a scope says of the defaults, None if it says nothing."""
    return overrides(entry.section("defaults")) if entry.at("defaults") else None


def _project(organization: str, entry: Record, base: Defaults) -> ProjectSettings:
    name = entry.get("id")
    return ProjectSettings(
        id=name,
        policy=_policy(entry, organization, name),
        defaults=merged(base, entry.section("defaults")),
        keys=tuple(_key(organization, name, key) for key in entry.sections("keys")),
        content_days=entry.section("retention").get("content_days", 0),
        overrides=_overrides(entry),
        budget=_budget(entry, organization, name),
    )


def _key(organization: str, project: str, entry: Record) -> KeySettings:
    name = entry.get("id")
    return KeySettings(
        id=name,
        key=entry.get("key"),
        admin=entry.get("admin", False),
        policy=_policy(entry, organization, project, name),
        budget=_budget(entry, organization, project, name),
        requests_per_minute=entry.get("requests_per_minute"),
        tokens_per_minute=entry.get("tokens_per_minute"),
    )
