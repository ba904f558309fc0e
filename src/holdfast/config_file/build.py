"""From a file's checked values to `Settings`."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct

from holdfast.config_file.values import Record, Value
from holdfast.control.resources import Attempting, Hedging, Overrides
from holdfast.model import (
    AUTH_OF_DIALECT,
    GEOGRAPHIES,
    Capability,
    Deployment,
    Model,
    Pricing,
    ScopedPolicy,
)
from holdfast.overrides import overridden
from holdfast.settings import (
    ONLY,
    AliasSettings,
    Credential,
    CustomModelSettings,
    Defaults,
    EtcdSettings,
    KeySettings,
    OrganizationSettings,
    ProjectSettings,
    ProviderSettings,
    Settings,
)

_CUSTOM_DIALECTS = {
    "anthropic": "anthropic-messages",
    "aws": "bedrock-converse",
    "azure": "openai-chat",
    "bedrock": "bedrock-converse",
    "gcp": "gemini",
    "gemini": "gemini",
    "vertex": "gemini",
}
"""By the identifier's provider; every other custom endpoint speaks OpenAI's."""

_CLAUDE_ON_VERTEX = "anthropic-vertex"
_CUSTOM_AUTHS = {"azure": "api-key", "gcp": "google", "vertex": "google"}
"""Where the dialect alone does not say it: Azure has a header of its own for keys,
and Google's cloud takes none."""


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
        ),
        defaults=base,
        providers=providers,
        models=tuple(_model(entry, providers) for entry in root.sections("models")),
        shipped_catalog=root.get("catalog") != "none",
        organizations=tuple(
            _organization(entry, base, providers)
            for entry in root.sections("organizations")
        ),
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
    name = entry.get("name")
    provider_id = custom_provider(entry)
    declared = providers.get(provider_id)
    provider_model = entry.get("identifier").partition("/")[2]
    dialect = (declared.dialect if declared else None) or _custom_dialect(
        provider_id, provider_model
    )
    extra = entry.section("extra")
    region = extra.get("region", "")
    key = entry.get("api_key")
    is_embedding = entry.get("type") == "embedding"
    embeddings = frozenset({Capability.EMBEDDINGS}) if is_embedding else frozenset()
    deployment = Deployment(
        id=name,
        model_id=name,
        provider_id=provider_id,
        provider_model=provider_model,
        dialect=dialect,
        base_uri=_versioned(
            extra.get("api_base") or (declared and declared.base_uri) or "",
            extra.get("api_version"),
        ),
        auth="none" if key is None else _custom_auth(provider_id, dialect),
        credential_id="" if key is None else f"custom:{organization_id}/{name}",
        geography=region if region in GEOGRAPHIES else "",
        region="" if region in GEOGRAPHIES else region,
        pricing=_pricing(entry),
        capabilities=_capabilities(entry) | embeddings,
        context_window_tokens=entry.get("context_window_tokens", 0),
        allow_private_network=entry.get("allow_private_network", False),
        **_data(entry),
    )
    return CustomModelSettings(
        model=Model(id=name, deployments=(deployment,), custom=True),
        credential=None if key is None else {"key": key},
    )


def _versioned(base_uri: str, version: str | None) -> str:
    """Name the version of an API where Azure has it: in the query."""
    if version is None:
        return base_uri
    return f"{base_uri}{'&' if '?' in base_uri else '?'}api-version={version}"


def _custom_dialect(provider_id: str, provider_model: str) -> str:
    # Of Google's cloud Claude is had in its own makers' format alone.
    if _CUSTOM_AUTHS.get(provider_id) == "google" and provider_model.startswith(
        "claude"
    ):
        return _CLAUDE_ON_VERTEX
    return _CUSTOM_DIALECTS.get(provider_id, "openai-chat")


def _custom_auth(provider_id: str, dialect: str) -> str:
    usual = AUTH_OF_DIALECT.get(dialect, "bearer")
    is_usual_dialect = dialect == _CUSTOM_DIALECTS.get(provider_id)
    return _CUSTOM_AUTHS.get(provider_id, usual) if is_usual_dialect else usual


def _policy(scope: str, entry: Record) -> ScopedPolicy:
    providers, models = entry.section("providers"), entry.section("models")
    data = entry.section("data")
    return ScopedPolicy(
        scope=scope,
        allowed_providers=frozenset(providers.texts("allow")),
        denied_providers=frozenset(providers.texts("deny")),
        allowed_models=frozenset(models.texts("allow")),
        denied_models=frozenset(models.texts("deny")),
        geographies=frozenset(entry.texts("geographies")),
        denies_training=data.get("training") == "deny",
        max_retention_days=data.get("max_retention_days"),
    )


def _organization(
    entry: Record, base: Defaults, providers: Mapping[str, ProviderSettings]
) -> OrganizationSettings:
    name = entry.get("id")
    defaults = merged(base, entry.section("defaults"))
    return OrganizationSettings(
        id=name,
        policy=_policy(f"organization {name}", entry.section("policy")),
        aliases=tuple(
            AliasSettings(
                name=alias.get("name"),
                fallback_models=alias.texts("fallback_models"),
                description=alias.get("description", ""),
                defaults=overrides(alias.section("defaults"))
                if alias.at("defaults")
                else None,
            )
            for alias in entry.sections("aliases")
        ),
        custom_models=tuple(
            _custom_model(name, custom, providers)
            for custom in entry.sections("custom_models")
        ),
        projects=tuple(
            _project(project, defaults) for project in entry.sections("projects")
        ),
    )


def _project(entry: Record, base: Defaults) -> ProjectSettings:
    name = entry.get("id")
    return ProjectSettings(
        id=name,
        policy=_policy(f"project {name}", entry.section("policy")),
        defaults=merged(base, entry.section("defaults")),
        keys=tuple(
            KeySettings(
                id=key.get("id"),
                key=key.get("key"),
                admin=key.get("admin", False),
                policy=_policy(f"key {key.get('id')}", key.section("policy")),
            )
            for key in entry.sections("keys")
        ),
        content_days=entry.section("retention").get("content_days", 0),
    )
