"""What an organization's own endpoint is to the rest of the gateway: a model.

The same for one that the configuration file declares and for one that the API made.
"""

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from holdfast.control.resources import CustomModel, Prices
from holdfast.model import (
    AUTH_OF_DIALECT,
    GEOGRAPHIES,
    Capability,
    Deployment,
    Model,
    Pricing,
)
from holdfast.pricing import micros_of
from holdfast.settings import ProviderSettings

_DIALECTS = {
    "anthropic": "anthropic-messages",
    "aws": "bedrock-converse",
    "azure": "openai-chat",
    "bedrock": "bedrock-converse",
    "gcp": "gemini",
    "gemini": "gemini",
    "openai-responses": "openai-responses",
    "vertex": "gemini",
}
"""By the identifier's provider; every other custom endpoint speaks OpenAI's."""

_CLAUDE_ON_VERTEX = "anthropic-vertex"
_AUTHS = {"azure": "api-key", "gcp": "google", "vertex": "google"}
"""Where the dialect alone does not say it: Azure has a header of its own for keys,
and Google's cloud takes none."""


def provider_of(custom: CustomModel) -> str:
    """Return the provider of a custom model."""
    return custom.provider or custom.identifier.partition("/")[0]


def model_of(
    custom: CustomModel,
    providers: Mapping[str, ProviderSettings],
    *,
    credential_id: str = "",
    sealed_credential: bytes = b"",
    allow_private_network: bool = False,
) -> Model:
    """Make a model of a declaration in which nothing is wrong.

    Args:
        custom: What is declared.
        providers: Those of the configuration file, by id.
        credential_id: What plans call its credential. Empty: it has none.
        sealed_credential: The credential itself, where plans bear it.
        allow_private_network: Whether its `api_base` may be private.
    """
    provider_id = provider_of(custom)
    declared = providers.get(provider_id)
    provider_model = custom.identifier.partition("/")[2]
    dialect = (declared.dialect if declared else None) or _dialect(
        provider_id, provider_model
    )
    api_base = without_last_slash(_text(custom.extra, "api_base"))
    region = _text(custom.extra, "region")
    deployment = Deployment(
        id=custom.name,
        model_id=custom.name,
        provider_id=provider_id,
        provider_model=provider_model,
        dialect=dialect,
        base_uri=_versioned(
            api_base or (declared and declared.base_uri) or "",
            _text(custom.extra, "api_version"),
        ),
        auth=_auth(provider_id, dialect) if credential_id else "none",
        credential_id=credential_id,
        geography=region if region in GEOGRAPHIES else "",
        region="" if region in GEOGRAPHIES else region,
        pricing=pricing_of(custom.pricing),
        capabilities=_capabilities(custom),
        context_window_tokens=custom.context_window_tokens or 0,
        max_output_tokens=custom.max_output_tokens or 0,
        allow_private_network=allow_private_network,
        sealed_credential=sealed_credential,
        **_data(custom.data),
    )
    return Model(id=custom.name, deployments=(deployment,), custom=True)


def is_named(uri: str, hosts: Collection[str]) -> bool:
    """Tell whether a URI's host is among some that are named.

    Args:
        uri: One that is well formed.
        hosts: `HOST` or `HOST:PORT` each, in small letters.
    """
    parts = urlsplit(uri)
    host = (parts.hostname or "").removesuffix(".")
    if ":" in host:
        host = f"[{host}]"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return host in hosts or f"{host}:{port}" in hosts


def without_last_slash(uri: str) -> str:
    """Return a URI without a slash at the end of its path."""
    path, mark, query = uri.partition("?")
    return path.rstrip("/") + (mark + query if query else "")


def pricing_of(prices: Prices | None) -> Pricing | None:
    """Read prices; None if there are none."""
    if prices is None:
        return None
    return Pricing(
        input=micros_of(prices.input),
        output=micros_of(prices.output),
        cache_read=micros_of(prices.cache_read or prices.input),
        cache_creation=micros_of(prices.cache_creation or prices.input),
    )


def _capabilities(custom: CustomModel) -> frozenset[Capability]:
    found = frozenset(
        Capability(each.replace("-", "_")) for each in custom.capabilities
    )
    return found | {Capability.EMBEDDINGS} if custom.type == "embedding" else found


def _data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is declared of how data is treated; None where nothing is."""
    days = data.get("retention_days")
    return {
        "trains_on_data": data.get("trains_on_data"),
        # JSON has one kind of number: 0 may have become 0.0 on its way.
        "retention_days": None if days is None else int(days),
    }


def _text(extra: Mapping[str, object], name: str) -> str:
    given = extra.get(name)
    return given if isinstance(given, str) else ""


def _versioned(base_uri: str, version: str) -> str:
    """Name the version of an API where Azure has it: in the query."""
    if not version:
        return base_uri
    return f"{base_uri}{'&' if '?' in base_uri else '?'}api-version={version}"


def _dialect(provider_id: str, provider_model: str) -> str:
    # Of Google's cloud Claude is had in its own makers' format alone.
    if _AUTHS.get(provider_id) == "google" and provider_model.startswith("claude"):
        return _CLAUDE_ON_VERTEX
    return _DIALECTS.get(provider_id, "openai-chat")


def _auth(provider_id: str, dialect: str) -> str:
    usual = AUTH_OF_DIALECT.get(dialect, "bearer")
    is_usual_dialect = dialect == _DIALECTS.get(provider_id)
    return _AUTHS.get(provider_id, usual) if is_usual_dialect else usual
