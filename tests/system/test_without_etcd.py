"""What a gateway does without etcd: answer, and forget nothing it need not.

The callers here wait for two seconds and no longer: a call that waited for
etcd would fail.
"""

import asyncio
import contextlib
import os
import signal
import socket
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.caller import Answer, Caller, at_once, in_time, served_by
from fakes.gateway import Gateway, configuration
from fakes.patience import until
from fakes.provider import SimulatedProviders
from fakes.replicas import running
from holdfast_cli.etcd_process import EtcdProcess

pytestmark = pytest.mark.system

MODELS = {
    "sonnet": [
        {"id": f"{provider}/sonnet", "provider": provider}
        for provider in ("aws", "gcp", "lab")
    ]
}

SESSIONS = [f"session-{number}" for number in range(12)]

_NO_WAITING_S = 2.0


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that the tests here share."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(autouse=True)
def well(providers: SimulatedProviders) -> None:
    """Have every provider well."""
    providers.recover()


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """Give an address at which connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="module")
def alone(
    providers: SimulatedProviders,
    nobody: str,
    separate: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """Give a gateway that never had an etcd."""
    config = configuration(providers, MODELS, etcd={"endpoints": [nobody]})
    folder = tmp_path_factory.mktemp("alone")
    with Gateway(config, folder, separate=separate) as gateway:
        yield gateway


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[EtcdProcess]:
    """Give an etcd that may be harmed; it comes back when it dies."""
    process = EtcdProcess(tmp_path / "etcd")
    await process.start()
    assert await process.wait_ready(10)
    yield process
    await process.stop()


@contextlib.asynccontextmanager
async def a_gateway(
    providers: SimulatedProviders, folder: Path, etcd: str
) -> AsyncIterator[Caller]:
    config = configuration(providers, MODELS, etcd={"endpoints": [etcd]})
    gateway = Gateway(config, folder / "gateway")
    async with (
        running(gateway),
        Caller(gateway.base_url, timeout_s=_NO_WAITING_S) as caller,
    ):
        # Who calls first pays for what every process does only once.
        await caller.ask("sonnet")
        yield caller


async def two_turns(caller: Caller) -> list[Answer]:
    """Have each session take a turn, then each another one, streamed."""
    calls = [
        lambda s=session, stream=stream: caller.ask("sonnet", session=s, stream=stream)
        for stream in (False, True)
        for session in SESSIONS
    ]
    return await at_once(4, calls)


def assert_each_session_is_in_one_place(turns: list[Answer]) -> None:
    assert len(served_by(turns)) > 1
    places = [
        {turn.deployment for turn in turns[number :: len(SESSIONS)]}
        for number in range(len(SESSIONS))
    ]
    assert {len(place) for place in places} == {1}


async def affinity_of(caller: Caller, session: str) -> str:
    return str((await caller.explain("sonnet", session))["session_affinity"])


async def is_unknown(caller: Caller) -> bool:
    return await affinity_of(caller, SESSIONS[0]) == "unknown"


async def is_known(caller: Caller) -> bool:
    return await affinity_of(caller, SESSIONS[0]) == "kept"


async def test_gateway_starts_and_answers_where_there_is_no_etcd(
    alone: Gateway,
) -> None:
    """Ready, every call answered, and a session in one place, by hash."""
    async with Caller(alone.base_url, timeout_s=_NO_WAITING_S) as caller:
        turns = await two_turns(caller)
        without = [await caller.ask("sonnet") for _ in range(6)]

    assert {turn.affinity for turn in turns} == {"unknown"}
    assert_each_session_is_in_one_place(turns)
    assert {turn.affinity for turn in without} == {"none"}
    assert set(served_by(without).values()) == {2}


async def test_failover_and_cooldown_need_no_etcd(
    providers: SimulatedProviders, alone: Gateway
) -> None:
    """A replica on its own moves on, remembers who failed, and where it moved to."""
    async with Caller(alone.base_url, timeout_s=_NO_WAITING_S) as caller:
        first = await caller.ask("sonnet", session="s")
        providers.fail(first.provider, "429", retry_after=2)
        moved = await caller.ask("sonnet", session="s")
        spared = [await caller.ask("sonnet") for _ in range(4)]
        providers.recover()
        await in_time(lambda: nobody_cools(caller))
        after = [await caller.ask("sonnet", session="s") for _ in range(2)]

    assert moved.attempts == 2
    assert {answer.attempts for answer in spared} == {1}
    assert first.deployment not in served_by(spared)
    assert served_by(after).keys() == {moved.deployment}


async def nobody_cools(caller: Caller) -> bool:
    return not await caller.cooling("sonnet")


async def test_etcd_that_comes_late_makes_sessions_known(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    """Silent at the start, then refusing, at last there: sessions stay put.

    A gateway is ready with an etcd that takes connections and never says a word.
    """
    late = EtcdProcess(tmp_path / "etcd")
    async with BreakableProxy("127.0.0.1:1") as way:
        way.black_hole()
        async with a_gateway(providers, tmp_path, way.endpoint) as caller:
            without = await two_turns(caller)
            way.refuse()
            without += await two_turns(caller)
            try:
                way.stand_before(await late.start())
                way.pass_on()
                await in_time(lambda: is_known(caller))
                turns = without + await two_turns(caller)
                new = await caller.ask("sonnet", session="begun-later")
            finally:
                await late.stop()

    assert {turn.affinity for turn in without} == {"unknown"}
    assert {turn.affinity for turn in turns[len(without) :]} == {"kept"}
    assert_each_session_is_in_one_place(turns)
    assert new.affinity == "new"


async def test_etcd_killed_in_the_midst_costs_no_call(
    providers: SimulatedProviders, etcd: EtcdProcess, tmp_path: Path
) -> None:
    """Calls go on while etcd dies and comes back, and so do the sessions."""
    async with a_gateway(providers, tmp_path, etcd.endpoint) as caller:
        turns = await two_turns(caller)
        for _ in range(3):
            await until(lambda: etcd.pid is not None)
            os.kill(etcd.pid or 0, signal.SIGKILL)
            turns += await two_turns(caller)
        await in_time(lambda: is_known(caller))
        after = await two_turns(caller)

    assert {turn.affinity for turn in after} == {"kept"}
    assert_each_session_is_in_one_place(turns + after)


async def test_hung_etcd_slows_no_call_down(
    providers: SimulatedProviders, etcd: EtcdProcess, tmp_path: Path
) -> None:
    """With etcd stopped calls take as long as with it, noticed or not yet."""
    async with a_gateway(providers, tmp_path, etcd.endpoint) as caller:
        turns = await two_turns(caller)
        usual_s = await median_s(caller)
        stopped = etcd.pid
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        turns += await two_turns(caller)
        unnoticed_s = await median_s(caller)
        await in_time(lambda: is_unknown(caller))
        unknown = await two_turns(caller)
        hung_s = await median_s(caller)
        os.kill(stopped, signal.SIGCONT)
        await in_time(lambda: is_known(caller))
        after = await two_turns(caller)

    assert {turn.affinity for turn in unknown} == {"unknown"}
    assert {turn.affinity for turn in after} == {"kept"}
    assert_each_session_is_in_one_place(turns + unknown + after)
    # Loosely: other things on the machine may take their time too.
    assert max(unnoticed_s, hung_s) < 10 * usual_s + 0.1


async def median_s(caller: Caller) -> float:
    """Return how long a call of a new session takes, by the median of some."""

    async def timed(session: str) -> float:
        began = time.perf_counter()
        await caller.ask("sonnet", session=session)
        return time.perf_counter() - began

    begun = asyncio.get_running_loop().time()
    return statistics.median([await timed(f"{begun}-{n}") for n in range(15)])
