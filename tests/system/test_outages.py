"""Providers are away under load: what callers see of it, and what providers do."""

from collections.abc import Iterator

import pytest

from fakes.caller import Caller, at_once, in_time, served_by
from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

PLACES = ("aws", "gcp")
MODELS = {
    name: [{"id": f"{place}/{name}", "provider": place} for place in PLACES]
    for name in ("one-down", "both-down", "back")
}
MANY = 300
AT_ONCE = 8


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that the tests here share."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(autouse=True)
def well(providers: SimulatedProviders) -> None:
    """Have every provider well."""
    providers.recover()
    providers.forget()


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway that the tests here share."""
    folder = tmp_path_factory.mktemp("outages")
    config = configuration(providers, MODELS)
    with Gateway(config, folder, separate=separate) as started:
        yield started


def received(providers: SimulatedProviders, *places: str) -> int:
    return sum(len(providers.received(place)) for place in places)


async def test_with_one_of_two_down_every_caller_is_answered(
    gateway: Gateway, providers: SimulatedProviders
) -> None:
    """And the one that is down is hardly called."""
    providers.fail("aws", "503", model="one-down")
    async with Caller(gateway.base_url) as caller:
        answers = await at_once(
            AT_ONCE, (lambda: caller.ask("one-down") for _ in range(MANY))
        )

    assert served_by(answers) == {"gcp/one-down": MANY}
    assert received(providers, "aws") <= MANY * 0.1


async def test_with_both_down_callers_are_told_and_providers_are_spared(
    gateway: Gateway, providers: SimulatedProviders
) -> None:
    """One call a request and a fifth more at most, not one for each deployment."""
    for place in PLACES:
        providers.fail(place, "503", model="both-down")
    async with Caller(gateway.base_url) as caller:
        answers = await at_once(
            AT_ONCE, (lambda: caller.ask("both-down") for _ in range(MANY))
        )

    assert {answer.status for answer in answers} == {503}
    assert received(providers, *PLACES) <= MANY * 1.2


async def test_who_is_well_again_is_noticed_and_nobody_sees_the_probe_fail(
    gateway: Gateway, providers: SimulatedProviders
) -> None:
    """Requests find out, and each of them is answered."""
    async with Caller(gateway.base_url) as caller:
        providers.fail("aws", "503", model="back")
        await at_once(AT_ONCE, (lambda: caller.ask("back") for _ in range(60)))
        assert await caller.cooling("back") == {"aws/back"}
        providers.recover()

        async def is_back() -> bool:
            served_by([await caller.ask("back")])
            return not await caller.cooling("back")

        await in_time(is_back)
