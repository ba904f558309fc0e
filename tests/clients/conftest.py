"""What the tests of clients share: a gateway, and a provider of each format."""

from collections.abc import Iterator

import pytest

from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders

PRICES = {"input": "3.00", "output": "15.00", "cache_read": "0.30"}
ALIAS = "traveller"
MODELS = {
    "gpt": ("openai", "openai-chat", "gpt"),
    "claude": ("anthropic", "anthropic-messages", "claude-sonnet-4-5"),
    "gemini": ("gcp", "gemini", "gemini-3-pro"),
}
"""Each model's provider, its dialect, and what it calls the model."""


@pytest.fixture(scope="session")
def simulated() -> Iterator[SimulatedProviders]:
    """Give the providers."""
    with SimulatedProviders() as running:
        yield running


@pytest.fixture(scope="session")
def gateway(
    simulated: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give the gateway."""
    capabilities = ["tools", "json_schema", "image_input", "pdf_input", "reasoning"]
    config = configuration(
        simulated,
        {
            model: [
                {
                    "provider": provider,
                    "provider_model": name,
                    "pricing": PRICES,
                    "capabilities": capabilities,
                }
            ]
            for model, (provider, _, name) in MODELS.items()
        },
        dialects={provider: dialect for provider, dialect, _ in MODELS.values()},
    )
    config["organizations"][0]["aliases"] = [
        {"name": ALIAS, "fallback_models": ["claude", "gemini", "gpt"]}
    ]
    with Gateway(config, tmp_path_factory.mktemp("gateway")) as running:
        yield running
