"""What the tests of the manifests share: each overlay, rendered."""

import pytest

from fakes.manifests import OVERLAYS, Manifests, rendered


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """Give what an overlay makes."""
    return rendered(request.param)


@pytest.fixture(params=["prod", "prod-eu"])
def production(request: pytest.FixtureRequest) -> Manifests:
    """Give what an overlay makes that is meant for callers."""
    return rendered(request.param)
