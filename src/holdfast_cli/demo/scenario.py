"""The demo's configuration: the shipped catalog, with simulated endpoints.

Nothing of the catalog is replaced but where its providers are: models, ids,
regions, geographies and prices are the real ones, so what the demo shows of
policies, plans and costs is what a user will get. Each provider of
`PROVIDERS` gets the simulator as its `base_uri` and speaks its own format: AWS
its own with signed requests, Google its own for its models and Anthropic's for
Claude. Credentials are invented, and any will do.

Where a provider has one model in several regions, or a region for everything,
the region is in the path, so that the simulator can tell its deployments
apart. The few of such a provider that name no region are then not in the demo.

A provider whose usual credential is in the environment, with whatever else its
endpoint needs, is left alone and called for real, unless more than one key is
needed to call it: that is for a configuration file to say.
"""

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from holdfast.model import Catalog, Deployment, Provider
from holdfast_cli.demo.state import DemoState, Place

PROVIDERS = (
    "anthropic",
    "aws",
    "azure",
    "berget",
    "fireworks",
    "gcp",
    "groq",
    "mistral",
    "nebius",
    "openai",
    "scaleway",
    "together",
)
"""What is simulated, as far as the catalog has it: every kind of home for the
demo's four models, in and outside the EU."""

MODELS = (
    "claude-sonnet-4-5",
    "gpt-oss-120b",
    "mistral-medium-3.5",
    "claude-opus-4-7",
)
"""The models the demo is about: each has several providers among the above."""

_SIMULATED_CREDENTIAL = "demo"

_SIMULATED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # A dialect appends the rest of the path: Anthropic's begins with the version
        # and OpenAI's comes after it.
        "anthropic-messages": {"dialect": "anthropic-messages", "base_uri": ""},
        "openai-chat": {"dialect": "openai-chat", "base_uri": "/v1"},
        "bedrock-converse": {
            "dialect": "bedrock-converse",
            "base_uri": "",
            "credential": {
                "access_key_id": _SIMULATED_CREDENTIAL,
                "secret_access_key": _SIMULATED_CREDENTIAL,
            },
        },
        # Without a word on the dialect, each deployment has its own. Tokens would
        # have to come from an issuer; a key is shown as the Gemini API takes it.
        "gemini": {"base_uri": "/v1/projects/demo", "auth": "x-goog-api-key"},
    }
)
"""What is said of a simulated provider, by the dialect of most of its models, and
what its address ends with."""

_KEYLESS = frozenset({"google", "sigv4"})
"""Ways to authenticate for which one key is not enough."""

_VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")
"""What an endpoint takes from the environment, e.g. `{AZURE_RESOURCE_NAME}`."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A demo that can be run.

    Attributes:
        configuration: A configuration file's text.
        simulated: The ids of the providers that are simulated.
        real: The ids of those that are called for real.
    """

    configuration: str
    state: DemoState
    simulated: tuple[str, ...]
    real: tuple[str, ...]


def scenario(  # noqa: PLR0913 - each is a field of the file
    catalog: Catalog,
    *,
    simulator_port: int,
    key: str,
    admin_key: str,
    listen: str = "127.0.0.1:8080",
    state_dir: Path = Path(".holdfast"),
    environ: Mapping[str, str] = os.environ,
) -> Scenario:
    """Write the demo's configuration.

    Args:
        catalog: The shipped one.
        simulator_port: Where the simulated providers listen, on loopback.
        key: The API key of the demo's project.
        admin_key: The one that administrates its organization.
        listen: Where the edge listens.
        state_dir: Where the gateway keeps its state.
        environ: Where the credentials of real providers may be.
    """
    root = f"http://127.0.0.1:{simulator_port}"
    homes = [catalog.providers[each] for each in PROVIDERS if each in catalog.providers]
    held = {
        provider.id: name
        for provider in catalog.providers.values()
        if (name := _credential_name(provider, environ)) is not None
    }
    simulated = [provider for provider in homes if provider.id not in held]
    places = _places(catalog, {provider.id for provider in simulated})
    with_region = _with_region(catalog)
    providers: dict[str, Any] = {
        provider: {"credential": {"env": name}} for provider, name in held.items()
    }
    for provider in simulated:
        in_region = provider.id in with_region
        providers[provider.id] = _simulated(provider, root, in_region=in_region)
    configuration = {
        "listen": listen,
        "state_dir": str(state_dir),
        "providers": dict(sorted(providers.items())),
        "organizations": [
            {
                "id": "demo",
                "projects": [
                    {
                        "id": "demo",
                        "keys": [
                            {"id": "demo", "key": key},
                            {"id": "demo-admin", "key": admin_key, "admin": True},
                        ],
                    }
                ],
            }
        ],
    }
    return Scenario(
        configuration=yaml.safe_dump(configuration, sort_keys=False),
        state=DemoState(root, places),
        simulated=tuple(provider.id for provider in simulated),
        real=tuple(sorted(held)),
    )


def _credential_name(provider: Provider, environ: Mapping[str, str]) -> str | None:
    """Return the variable that holds the provider's usual credential, if any does."""
    if provider.auth in _KEYLESS:
        return None
    if not all(environ.get(name) for name in _VARIABLE.findall(provider.base_uri)):
        return None
    return next((name for name in provider.credential_env if environ.get(name)), None)


def _simulated(provider: Provider, root: str, *, in_region: bool) -> dict[str, Any]:
    usual = _SIMULATED[provider.dialect]
    base = f"{root}/{provider.id}" + ("/{region}" if in_region else "")
    return {
        "credential": _SIMULATED_CREDENTIAL,
        "allow_private_network": True,
        **usual,
        "base_uri": base + usual["base_uri"],
    }


def _deployments(catalog: Catalog) -> list[Deployment]:
    return [
        deployment
        for model in catalog.models.values()
        for deployment in model.deployments
    ]


def _with_region(catalog: Catalog) -> set[str]:
    """Return the providers that have the region in the path."""
    regions: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for each in _deployments(catalog):
        regions[each.provider_id, each.provider_model].add(each.region)
    several = {provider for (provider, _), found in regions.items() if len(found) > 1}
    without = {provider for (provider, _), found in regions.items() if "" in found}
    return several | ({provider for provider, _ in regions} - without)


def _places(catalog: Catalog, simulated: set[str]) -> dict[str, Place]:
    with_region = _with_region(catalog)
    return {
        deployment.id: Place(
            provider=deployment.provider_id,
            model=deployment.provider_model,
            region=(deployment.region if deployment.provider_id in with_region else ""),
        )
        for deployment in _deployments(catalog)
        if deployment.provider_id in simulated
        and (deployment.region or deployment.provider_id not in with_region)
    }
