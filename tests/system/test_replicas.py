"""Several replicas of the gateway act as one, through etcd and without it."""

import asyncio
import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.caller import Answer, Caller, at_once, in_time, served_by
from fakes.gateway import Gateway, configuration
from fakes.patience import until
from fakes.provider import SimulatedProviders
from fakes.replicas import Services, running
from holdfast_cli.etcd_process import EtcdProcess

pytestmark = pytest.mark.system

MODELS = {
    "sonnet": [
        {"id": f"{provider}/sonnet", "provider": provider}
        for provider in ("aws", "gcp", "lab")
    ]
}

SESSIONS = [f"session-{number}" for number in range(20)]


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that the tests here share."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(autouse=True)
def well(providers: SimulatedProviders) -> None:
    """Have every provider well, and nothing in its log."""
    providers.recover()
    providers.forget()


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[EtcdProcess]:
    """Give an etcd that may be harmed; it comes back when it dies."""
    process = EtcdProcess(tmp_path / "etcd")
    await process.start()
    assert await process.wait_ready(10)
    yield process
    await process.stop()


@contextlib.asynccontextmanager
async def two_gateways(
    providers: SimulatedProviders, folder: Path, etcd: Mapping[str, Any]
) -> AsyncIterator[tuple[Caller, Caller]]:
    """Run two whole gateways on one etcd, and give a caller of each."""
    config = configuration(providers, MODELS, etcd=etcd)
    one, other = Gateway(config, folder / "a"), Gateway(config, folder / "b")
    async with (
        running(one, other),
        Caller(one.base_url) as a,
        Caller(other.base_url) as b,
    ):
        yield a, b


def kill(etcd: EtcdProcess) -> None:
    if etcd.pid is not None:
        os.kill(etcd.pid, signal.SIGKILL)


async def test_turns_agree_through_every_fall_of_etcd(
    providers: SimulatedProviders, etcd: EtcdProcess, tmp_path: Path
) -> None:
    """200 turns at two gateways: no error, and one deployment a session.

    Half of the sessions begin while etcd is down or hangs.
    """
    turns: dict[str, list[Answer]] = defaultdict(list)

    async with two_gateways(
        providers, tmp_path, {"endpoints": [etcd.endpoint]}
    ) as callers:

        async def take_turns(sessions: list[str], rounds: int) -> None:
            for number in range(rounds):
                for place, session in enumerate(sessions):
                    caller = callers[(number + place) % 2]
                    stream = place % 3 == 0
                    answer = await caller.ask("sonnet", session=session, stream=stream)
                    turns[session].append(answer)

        await take_turns(SESSIONS[:10], 3)
        kill(etcd)
        await take_turns(SESSIONS[:15], 2)
        await until(lambda: etcd.pid is not None)
        kill(etcd)
        await take_turns(SESSIONS[:15], 2)
        assert await etcd.wait_ready(10)
        await in_time(lambda: both_know(callers, SESSIONS[:15]))
        hung = etcd.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        await take_turns(SESSIONS, 2)
        await in_time(lambda: both_notice(callers))
        await take_turns(SESSIONS, 1)
        os.kill(hung, signal.SIGCONT)
        await take_turns(SESSIONS, 1)
        await in_time(lambda: both_know(callers, SESSIONS))
        settled = len(turns[SESSIONS[0]])
        await take_turns(SESSIONS, 2)

    places = {name: served_by(answers).keys() for name, answers in turns.items()}
    late = {turn.affinity for each in turns.values() for turn in each[settled:]}
    assert sum(map(len, turns.values())) >= 200
    assert {len(place) for place in places.values()} == {1}
    assert len(set().union(*places.values())) == 3
    assert {turn.affinity for turn in turns[SESSIONS[0]][settled:]} == {"kept"}
    assert late <= {"kept"}


async def both_know(callers: tuple[Caller, Caller], sessions: list[str]) -> bool:
    for session in sessions:
        said = [await caller.explain("sonnet", session) for caller in callers]
        if any(each["session_affinity"] != "kept" for each in said):
            return False
        assert len({each["bound_deployment"] for each in said}) == 1
    return True


async def both_notice(callers: tuple[Caller, Caller]) -> bool:
    said = [await caller.explain("sonnet", "anybody") for caller in callers]
    return {each["session_affinity"] for each in said} == {"unknown"}


async def test_cooldown_learnt_by_one_gateway_holds_at_the_other(
    providers: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """Who was told to wait does not let another replica ask either."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    providers.fail("aws", "429", retry_after=3)
    async with two_gateways(providers, tmp_path, etcd) as (a, b):
        told = await at_once(1, [lambda: a.ask("sonnet")] * 6)
        await in_time(lambda: b.cooling("sonnet"))
        asked = len(providers.received("aws"))
        spared = [await b.ask("sonnet", session=str(n)) for n in range(12)]
        spared += [await b.ask("sonnet", stream=True) for _ in range(12)]
        asked_meanwhile = len(providers.received("aws")) - asked
        providers.recover()
        await in_time(lambda: well_again(b))
        back = [await b.ask("sonnet") for _ in range(9)]

    assert asked == 1
    assert asked_meanwhile == 0
    assert sum(answer.attempts for answer in told) == 7
    assert {answer.attempts for answer in spared} == {1}
    assert served_by(spared).keys() == {"gcp/sonnet", "lab/sonnet"}
    assert served_by(back)["aws/sonnet"] == 3


async def well_again(caller: Caller) -> bool:
    return not await caller.cooling("sonnet")


async def test_move_made_without_etcd_is_everybody_s_once_it_is_back(
    providers: SimulatedProviders, etcd: EtcdProcess, tmp_path: Path
) -> None:
    """What one replica had to decide alone is what the others go by later."""
    async with two_gateways(
        providers, tmp_path, {"endpoints": [etcd.endpoint]}
    ) as callers:
        a, b = callers
        first = await a.ask("sonnet", session="s")
        await in_time(lambda: both_know(callers, ["s"]))
        hung = etcd.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        await in_time(lambda: both_notice(callers))
        providers.fail(first.provider, "503")
        moved = await a.ask("sonnet", session="s")
        providers.recover()
        os.kill(hung, signal.SIGCONT)
        await in_time(lambda: is_bound(b, moved.deployment))
        after = [await caller.ask("sonnet", session="s") for caller in (b, a, b, a)]

    assert moved.is_whole
    assert moved.deployment != first.deployment
    assert served_by(after).keys() == {moved.deployment}


async def is_bound(caller: Caller, deployment: str) -> bool:
    return (await caller.explain("sonnet", "s"))["bound_deployment"] == deployment


async def test_calls_go_on_when_replicas_of_services_die(
    providers: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """Of two resolvers and two executors, one of each is enough, at any moment."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    config = configuration(providers, MODELS, etcd=etcd)
    async with (
        Services(config, tmp_path, etcd_endpoint) as services,
        Caller(services.base_url) as caller,
    ):

        async def round_of_turns() -> list[Answer]:
            return await at_once(
                4,
                (
                    lambda n=n, s=s: caller.ask("sonnet", session=s, stream=n % 2 > 0)
                    for n in range(2)
                    for s in SESSIONS
                ),
            )

        turns = await round_of_turns()
        calls = asyncio.create_task(round_of_turns())
        await until(lambda: len(providers.received()) > len(turns) + 5)
        await asyncio.to_thread(services.resolvers[0].kill)
        turns += await calls
        turns += await round_of_turns()
        await asyncio.to_thread(services.resolvers[0].start)
        turns += await round_of_turns()
        await asyncio.to_thread(services.resolvers[1].kill)
        turns += await round_of_turns()
        await asyncio.to_thread(services.executors[0].kill)
        turns += await round_of_turns()
        await asyncio.to_thread(services.executors[0].start)
        await asyncio.to_thread(services.executors[1].kill)
        turns += await round_of_turns()

    served_by(turns)
    places = [
        {turn.deployment for turn in turns[place :: len(SESSIONS)]}
        for place in range(len(SESSIONS))
    ]
    assert {len(place) for place in places} == {1}


async def test_call_at_a_dying_executor_is_the_most_that_is_lost(
    providers: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """Calls under way when an executor is killed may fail; none after does."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    config = configuration(providers, MODELS, etcd=etcd)
    async with (
        Services(config, tmp_path, etcd_endpoint) as services,
        Caller(services.base_url) as caller,
    ):
        for provider in ("aws", "gcp", "lab"):
            providers.fail(provider, "slow", seconds=1, times=4)
        under_way = asyncio.create_task(
            at_once(12, [lambda: caller.ask("sonnet")] * 12)
        )
        await until(lambda: len(providers.received()) == 12)
        await asyncio.to_thread(services.executors[0].kill)
        after = [await caller.ask("sonnet", stream=n % 2 > 0) for n in range(20)]
        caught = await under_way

    served_by(after)
    assert {answer.status for answer in caught} <= {200, 503}
    assert [answer.status for answer in caught].count(200) >= 6
