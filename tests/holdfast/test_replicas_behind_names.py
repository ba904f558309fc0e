"""Replicas that share a name, as the pods of a headless Service do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.links import collect
from fakes.names import ScriptedNames, port_of, replicas
from fakes.patience import until
from fakes.plans import asking
from fakes.secured import secured
from fakes.services import (
    KEY,
    MODEL,
    AnsweringExecutor,
    ResolverOfOneKey,
    WaitingExecutor,
)
from holdfast.errors import DeadlineExceededError, ServiceUnavailableError
from holdfast.ports import ResolveModelRequest
from holdfast.rpc.channels import Dialer
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.rpc.link.client import Link
from holdfast.rpc.link.offers import of_executor, of_resolver
from holdfast.rpc.methods import EXECUTE
from holdfast.rpc.plain import PlainReplica
from holdfast.rpc.replica import ReplicaGoneError
from holdfast_resolver.directory import key_digest

REQUEST = asking(b"{}")
ONE, TWO, THREE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
NAME = "executor.test"

both_ways = pytest.mark.parametrize("reach", [PlainReplica, Link])


@contextlib.asynccontextmanager
async def reaching(
    port: int, names: ScriptedNames, **more: float
) -> AsyncIterator[RemoteExecutor]:
    """Reach the executors behind a name over links."""
    far = RemoteExecutor([f"dns:///{NAME}:{port}"], reach=Link, lookup=names, **more)
    try:
        yield far
    finally:
        await far.close()


async def meets(far: RemoteExecutor, executor: AnsweringExecutor) -> None:
    """Ask until an executor is among those that answer."""
    async with asyncio.timeout(20):
        while not executor.asked:
            await far.execute(REQUEST)
            await asyncio.sleep(0.01)


async def test_every_replica_behind_a_name_gets_its_share():
    """One call after the other goes to each of them in turn."""
    ours = {address: AnsweringExecutor() for address in (ONE, TWO, THREE)}
    port, names = port_of(*ours), ScriptedNames(**{NAME: [*ours]})
    offers = {address: of_executor(executor) for address, executor in ours.items()}
    async with replicas(port, offers), reaching(port, names) as far:
        for executor in ours.values():
            await meets(far, executor)
        before = [len(executor.asked) for executor in ours.values()]
        for _ in range(6):
            await far.execute(REQUEST)
            await collect(far.execute_stream(REQUEST))

    after = [len(executor.asked) for executor in ours.values()]
    assert [now - then for now, then in zip(after, before, strict=True)] == [4, 4, 4]


async def test_a_replica_that_comes_gets_work_and_one_that_goes_gets_no_more():
    """Within seconds; what was begun is finished where it was begun."""
    leaving, coming = WaitingExecutor(first_chunk=True), AnsweringExecutor()
    port, names = port_of(ONE, TWO), ScriptedNames(**{NAME: [ONE]})
    offers = {ONE: of_executor(leaving), TWO: of_executor(coming)}
    async with replicas(port, offers), reaching(port, names) as far:
        stream = far.execute_stream(REQUEST)
        await anext(stream)
        await anext(stream)
        names.lead(NAME, TWO)
        waiting = [asyncio.create_task(far.execute(REQUEST)) for _ in range(2)]
        looked = len(names.asked)
        await until(lambda: len(names.asked) > looked)
        for _ in range(5):
            await far.execute(REQUEST)
        leaving.release.set()
        rest = await collect(stream)
        await asyncio.gather(*waiting)

    assert rest[-1].HasField("completed")
    assert len(coming.asked) == 5


async def test_a_replica_that_dies_before_it_has_answered_costs_nobody_anything():
    """What it was asked is asked of the others behind the name."""
    dying = WaitingExecutor()
    others = {address: AnsweringExecutor() for address in (TWO, THREE)}
    port, names = port_of(ONE, *others), ScriptedNames(**{NAME: [ONE, *others]})
    offers = {a: of_executor(each) for a, each in {ONE: dying, **others}.items()}
    async with replicas(port, offers) as servers, reaching(port, names) as far:
        calls = [asyncio.create_task(far.execute(REQUEST)) for _ in range(6)]
        await asyncio.wait_for(dying.began.wait(), 10)
        streams = [
            asyncio.create_task(collect(far.execute_stream(REQUEST))) for _ in range(6)
        ]
        await servers[ONE].stop(0)
        answers = await asyncio.wait_for(asyncio.gather(*calls), 10)
        streamed = await asyncio.wait_for(asyncio.gather(*streams), 10)

    assert all(answer.body for answer in answers)
    assert all(each[-1].HasField("completed") for each in streamed)
    assert sum(len(other.asked) for other in others.values()) == 12


async def test_the_first_call_waits_to_hear_who_is_there():
    """It needs no patience for that, and the lookup no call before it."""
    port, names = port_of(ONE), ScriptedNames(**{NAME: [ONE]})
    executor = AnsweringExecutor()
    async with (
        replicas(port, {ONE: of_executor(executor)}),
        reaching(port, names) as far,
    ):
        assert (await far.execute(REQUEST)).body


async def test_a_name_that_leads_nowhere_is_a_service_that_is_away():
    """It is said so at once, or once patience has run out."""
    names = ScriptedNames()
    async with (
        reaching(1, names) as far,
        reaching(1, names, patience_s=0.05) as patient,
    ):
        for each in (far, patient):
            with pytest.raises(ServiceUnavailableError, match="executor"):
                await each.execute(REQUEST)


async def test_a_patient_call_is_answered_once_the_name_leads_somewhere():
    """As while the first pod of a service starts."""
    port, names = port_of(ONE), ScriptedNames()
    async with (
        replicas(port, {ONE: of_executor(AnsweringExecutor())}),
        reaching(port, names, patience_s=20) as far,
    ):
        calling = asyncio.create_task(far.execute(REQUEST))
        await until(lambda: names.asked)
        names.lead(NAME, ONE)

        assert (await calling).body


async def test_a_lookup_that_hangs_costs_a_call_its_own_time_and_no_more():
    """Where there is a deadline, it ends there."""

    async def hang(_host: str) -> list[str]:
        return await asyncio.get_running_loop().create_future()

    far = RemoteExecutor([f"{NAME}:1"], reach=Link, lookup=hang)
    soon = asyncio.get_running_loop().time() + 0.05
    with pytest.raises(DeadlineExceededError):
        await far.execute(REQUEST, deadline=soon)
    await far.close()


async def test_a_session_meets_the_same_resolver_wherever_it_comes_from():
    """Two edges that look the name up find the replicas in different orders."""
    ours = {address: ResolverOfOneKey() for address in (ONE, TWO)}
    port = port_of(*ours)
    found = [ScriptedNames(**{NAME: order}) for order in ([ONE, TWO], [TWO, ONE])]
    met: list[list[set[str]]] = []
    async with replicas(port, {a: of_resolver(each) for a, each in ours.items()}):
        for names in found:
            far = RemoteResolver([f"{NAME}:{port}"], reach=Link, lookup=names)
            for resolver in ours.values():
                resolver.asked.clear()
            async with asyncio.timeout(20):
                while not all(resolver.asked for resolver in ours.values()):
                    await far.resolve_model(resolving(""))
            for number in range(8):
                await far.resolve_model(resolving(f"s{number}"))
            met.append(
                [{asked.session_id for asked in each.asked} for each in ours.values()]
            )
            await far.close()

    assert met[0] == met[1]
    assert all(len(sessions) > 1 for sessions in met[0])
    assert met[0][0] & met[0][1] == {""}


def resolving(session: str) -> ResolveModelRequest:
    return ResolveModelRequest(key_digest(KEY), MODEL, session_id=session)


@both_ways
async def test_a_replica_that_is_left_hangs_up_after_its_last_call(reach):
    """And not before it; a call that comes too late goes elsewhere."""
    executor = WaitingExecutor()
    async with secured(executor, None) as address, BreakableProxy(address) as proxy:
        replica = reach(Dialer("executor"), proxy.endpoint, lambda _: None)
        calling = asyncio.create_task(replica.call(EXECUTE, REQUEST, None))
        await asyncio.wait_for(executor.began.wait(), 10)
        leaving = asyncio.create_task(replica.retire())
        await asyncio.sleep(0)
        with pytest.raises(ReplicaGoneError):
            await replica.call(EXECUTE, REQUEST, None)
        was_in_use = proxy.is_in_use
        executor.release.set()
        answer = await calling
        await asyncio.wait_for(leaving, 10)
        await until(lambda: not proxy.is_in_use)

    assert was_in_use
    assert answer.body


@both_ways
async def test_a_replica_that_is_left_may_be_hung_up_on(reach):
    """What it was still doing ends then."""
    executor = WaitingExecutor()
    async with secured(executor, None) as address:
        replica = reach(Dialer("executor"), address, lambda _: None)
        calling = asyncio.create_task(replica.call(EXECUTE, REQUEST, None))
        await asyncio.wait_for(executor.began.wait(), 10)
        leaving = asyncio.create_task(replica.retire())
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await replica.close()
        await asyncio.gather(calling, return_exceptions=True)

        await asyncio.wait_for(executor.called_off.wait(), 10)
