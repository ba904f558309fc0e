"""What system tests share: simulated providers, and both ways to run the services."""

from collections.abc import Iterator

import pytest

from fakes.provider import SimulatedProviders


@pytest.fixture
def sim() -> Iterator[SimulatedProviders]:
    """Give simulated providers of the test's own."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[SimulatedProviders]:
    """Give simulated providers to a module whose tests share a gateway."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(scope="module", params=["together", "separate"])
def separate(request: pytest.FixtureRequest) -> bool:
    """Run what takes it in one process and in three."""
    return bool(request.param == "separate")
