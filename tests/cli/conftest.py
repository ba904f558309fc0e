"""What tests of the demo share: simulated providers, and the vendors' own clients."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from fakes.provider import SimulatedProviders


@pytest.fixture
def sim() -> Iterator[SimulatedProviders]:
    with SimulatedProviders() as providers:
        yield providers


@pytest.fixture
def gpt(sim: SimulatedProviders) -> Iterator[openai.OpenAI]:
    """OpenAI's own client of provider `aws`, which asks once."""
    with openai.OpenAI(
        base_url=sim.base_uri("aws", region="eu-north-1"),
        api_key="demo",
        max_retries=0,
        timeout=10,
    ) as client:
        yield client


@pytest.fixture
def claude(sim: SimulatedProviders) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client of provider `anthropic`, which asks once."""
    with anthropic.Anthropic(
        base_url=sim.base_uri("anthropic", "anthropic-messages"),
        api_key="demo",
        max_retries=0,
        timeout=10,
    ) as client:
        yield client
