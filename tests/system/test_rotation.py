"""Cold starts are spread over a model's deployments, evenly or by weight."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fakes.caller import Caller, at_once, in_time, served_by
from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders
from fakes.replicas import running

pytestmark = pytest.mark.system

PLACES = ("aws", "gcp", "lab")

MODELS = {
    # One model a test, as each has turns and shares of its own.
    **{
        name: [{"id": f"{place}/{name}", "provider": place} for place in PLACES]
        for name in ("in-turn", "at-once", "by-session", "cooling")
    },
    "weighted": [
        {"id": "aws/weighted", "provider": "aws", "weight": 2},
        {"id": "gcp/weighted", "provider": "gcp", "weight": 1},
    ],
}

COLD_STARTS = 900

# Hashing these leaves 332 of them to one deployment, so that what evens new
# sessions out is seen to work.
SESSIONS = [f"start-n-{number}" for number in range(COLD_STARTS)]


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that the tests here share."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give a gateway that the tests here share."""
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(configuration(providers, MODELS), folder) as started:
        yield started


@pytest.fixture
async def caller(gateway: Gateway) -> AsyncIterator[Caller]:
    """Give a caller of it."""
    async with Caller(gateway.base_url) as asking:
        yield asking


def shares(counts: Counter[str]) -> list[float]:
    """Return what each deployment had, as a part of an even share."""
    even = counts.total() / len(PLACES)
    return [counts[name] / even for name in sorted(counts)]


def assert_even(counts: Counter[str]) -> None:
    assert counts.total() == COLD_STARTS
    assert shares(counts) == pytest.approx([1, 1, 1], abs=0.1)


async def test_calls_without_a_session_are_spread_evenly(caller: Caller) -> None:
    """Each of three deployments has a third, and none two turns in a row."""
    answers = [await caller.ask("in-turn") for _ in range(COLD_STARTS)]

    places = [answer.deployment for answer in answers]
    assert_even(served_by(answers))
    assert all(one != other for one, other in itertools.pairwise(places))


async def test_calls_at_once_are_spread_evenly(caller: Caller) -> None:
    """Whatever comes at the same time, streamed or not, each has a third."""
    answers = await at_once(
        16, (lambda n=n: caller.ask("at-once", stream=n % 2 > 0) for n in range(900))
    )

    assert_even(served_by(answers))


async def test_new_sessions_are_spread_evenly(caller: Caller) -> None:
    """Of 900 sessions each deployment has a third, and they stay there."""
    answers = await at_once(
        8, (lambda s=s: caller.ask("by-session", session=s) for s in SESSIONS)
    )
    some = SESSIONS[::15]
    again = [await caller.ask("by-session", session=name) for name in some]

    assert_even(served_by(answers))
    assert {answer.affinity for answer in answers} == {"new"}
    assert {answer.affinity for answer in again} == {"kept"}
    assert [answer.deployment for answer in again] == [
        answer.deployment for answer in answers[::15]
    ]


async def test_weights_are_shares(caller: Caller) -> None:
    """A deployment of twice the weight has twice the cold starts, either way."""
    plain = [await caller.ask("weighted") for _ in range(150)]
    sessions = await at_once(
        8, (lambda n=n: caller.ask("weighted", session=f"w-{n}") for n in range(450))
    )

    assert served_by(plain) == {"aws/weighted": 100, "gcp/weighted": 50}
    assert served_by(sessions)["aws/weighted"] == pytest.approx(300, rel=0.1)


async def test_who_cools_down_takes_no_turns_and_is_back_after(
    caller: Caller, providers: SimulatedProviders
) -> None:
    """The others share its turns meanwhile; after, it has its own and no more."""
    providers.fail("aws", "429", model="cooling", retry_after=2)
    told = [await caller.ask("cooling") for _ in range(3)]
    providers.recover()
    meanwhile = []
    while await caller.cooling("cooling"):
        meanwhile.append(await caller.ask("cooling"))
    # The cooldown may have ended between the question and the last call.
    meanwhile.pop()
    after = [await caller.ask("cooling") for _ in range(90)]

    shared = served_by(meanwhile)
    assert sum(answer.attempts for answer in told) == 4
    assert shared.keys() == {"gcp/cooling", "lab/cooling"}
    assert abs(shared["gcp/cooling"] - shared["lab/cooling"]) <= 1
    assert served_by(after)["aws/cooling"] == pytest.approx(30, abs=1)


async def test_two_gateways_spread_evenly_together(
    providers: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """Replicas that share sessions each do their part, with sessions and without."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    config = configuration(providers, MODELS, etcd=etcd)
    one, other = Gateway(config, tmp_path / "a"), Gateway(config, tmp_path / "b")
    async with (
        running(one, other),
        Caller(one.base_url) as a,
        Caller(other.base_url) as b,
    ):
        plain = await at_once(
            8, (lambda n=n: (a, b)[n % 2].ask("in-turn") for n in range(900))
        )
        sessions = await at_once(
            8,
            (
                lambda n=n: (a, b)[n % 2].ask("by-session", session=SESSIONS[n])
                for n in range(900)
            ),
        )
        last = sessions[-1].deployment
        await in_time(lambda: is_bound(a, SESSIONS[-1], last))
        again = [
            await (b, a)[n % 2].ask("by-session", session=SESSIONS[n])
            for n in range(0, 900, 15)
        ]

    assert_even(served_by(plain))
    assert_even(served_by(sessions))
    assert [answer.deployment for answer in again] == [
        answer.deployment for answer in sessions[::15]
    ]


async def is_bound(caller: Caller, session: str, deployment: str) -> bool:
    explained = await caller.explain("by-session", session)
    return explained["bound_deployment"] == deployment
