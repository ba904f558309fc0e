"""Links to several replicas, of which some break, drain, hang or come back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.links import (
    collect,
    executors,
    linked,
    resolvers,
)
from fakes.plans import asking
from fakes.services import (
    KEY,
    MODEL,
    AnsweringExecutor,
    FailingExecutor,
    ResolverOfOneKey,
    WaitingExecutor,
)
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as resolver_rpc
from holdfast.delivered import Held
from holdfast.errors import (
    AllAttemptsFailedError,
    DeadlineExceededError,
    ServiceUnavailableError,
)
from holdfast.ports import ResolveModelRequest
from holdfast.rpc.channels import Dialer
from holdfast.rpc.link.client import Link
from holdfast.rpc.link.offers import of_resolver
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.methods import EXECUTE, RESOLVE_MODEL
from holdfast.rpc.plain import PlainReplica
from holdfast.rpc.replicas import Replicas
from holdfast.rpc.server import GrpcServer
from holdfast_resolver.directory import key_digest
from holdfast_resolver.servicer import ResolverServicer

TOOL_CALL = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}\n\n'
BY_KEY = caller_pb2.Principal(api_key_digest=key_digest(KEY))
REQUEST = asking(b"{}")
STREAM = asking(b"{}")


async def dead_address() -> str:
    """Give an address where somebody was and is no more."""
    async with linked(AnsweringExecutor()) as address:
        pass
    return address


def resolve_request(**facts) -> ResolveModelRequest:
    return ResolveModelRequest(
        **{"principal": key_digest(KEY), "model": MODEL, **facts}
    )


async def test_a_dead_replica_is_skipped():
    """Every call is answered by the one that lives, the very first too."""
    dead = await dead_address()
    executor = AnsweringExecutor()
    async with linked(executor) as alive, executors(dead, alive) as far:
        for _ in range(4):
            await far.execute(REQUEST)
            await collect(far.execute_stream(STREAM))

    assert len(executor.asked) == 8


async def test_without_any_replica_the_service_is_named_as_missing():
    """The error is the gateway's own and says which of its services is away."""
    dead = await dead_address()
    async with executors(dead, dead) as far:
        with pytest.raises(ServiceUnavailableError, match="executor") as raised:
            await far.execute(REQUEST)
        with pytest.raises(ServiceUnavailableError, match="executor"):
            await collect(far.execute_stream(STREAM))
        assert not far.is_reachable()

    assert raised.value.metadata == {"service": "executor"}


async def test_a_service_without_links_is_missing():
    """It takes connections, and no streams."""
    server = GrpcServer([])
    address = await server.start("127.0.0.1:0")
    async with executors(address) as far:
        with pytest.raises(ServiceUnavailableError):
            await far.execute(REQUEST)
    await server.stop(0)


async def test_a_link_that_breaks_has_the_rest_of_what_had_begun_asked_elsewhere():
    """Whoever goes on is told what the caller has of the answer."""
    executor, other = WaitingExecutor(first_chunk=True), AnsweringExecutor()
    async with (
        linked(executor) as one,
        linked(other) as two,
        BreakableProxy(one) as proxy,
        executors(proxy.endpoint, two) as far,
    ):
        stream = far.execute_stream(STREAM)
        await anext(stream)
        await anext(stream)
        proxy.refuse()
        rest = await asyncio.wait_for(collect(stream), 10)
        await asyncio.wait_for(executor.called_off.wait(), 10)

    assert rest[-1].HasField("completed")
    assert [asked.held for asked in other.asked] == [
        Held("Hel", pieces=1, answer_id="chatcmpl-1", created=1_700_000_000)
    ]


async def test_a_link_that_breaks_fails_what_no_other_can_end():
    """At once: two halves of a call of a tool do not make a whole."""
    executor = WaitingExecutor(first_chunk=True, beginning=TOOL_CALL)
    other = AnsweringExecutor()
    async with (
        linked(executor) as one,
        linked(other) as two,
        BreakableProxy(one) as proxy,
        executors(proxy.endpoint, two) as far,
    ):
        stream = far.execute_stream(STREAM)
        await anext(stream)
        await anext(stream)
        proxy.refuse()
        with pytest.raises(ServiceUnavailableError):
            await asyncio.wait_for(collect(stream), 10)
        await asyncio.wait_for(executor.called_off.wait(), 10)

    assert other.asked == []


@pytest.mark.parametrize("streams", [False, True])
async def test_a_link_that_breaks_has_what_had_not_begun_asked_elsewhere(streams):
    """The caller gets its answer, and never knows."""
    executor, other = WaitingExecutor(), AnsweringExecutor()
    async with (
        linked(executor) as one,
        linked(other) as two,
        BreakableProxy(one) as proxy,
        executors(proxy.endpoint, two) as far,
    ):

        async def call() -> None:
            if streams:
                await collect(far.execute_stream(STREAM))
            else:
                await far.execute(REQUEST)

        calls = [asyncio.create_task(call()) for _ in range(2)]
        await asyncio.wait_for(executor.began.wait(), 10)
        proxy.refuse()
        await asyncio.wait_for(asyncio.gather(*calls), 10)

    assert len(other.asked) == 2
    assert executor.called_off.is_set()


async def test_a_replica_that_comes_back_is_used_again():
    """Without being told: the link is made anew as soon as it can be."""
    executor = AnsweringExecutor()
    async with contextlib.AsyncExitStack() as stack:
        async with linked(AnsweringExecutor()) as address:
            far = await stack.enter_async_context(executors(address))
            await far.execute(REQUEST)
        with pytest.raises(ServiceUnavailableError):
            await far.execute(REQUEST)
        async with linked(executor, at=address):
            await asyncio.wait_for(far.connected(), 10)
            await far.execute(REQUEST)

    assert len(executor.asked) == 1


async def test_a_call_waits_for_a_replica_that_is_started_anew():
    """Where it is told to be patient, a restart costs time and no error."""
    address, executor = await dead_address(), AnsweringExecutor()
    async with executors(address, patience_s=10) as far:
        calling = asyncio.create_task(far.execute(REQUEST))
        async with linked(executor, at=address):
            assert (await calling).body


async def test_an_answer_of_unavailable_is_an_answer():
    """All deployments being down is told by one replica and not asked of another."""
    other = AnsweringExecutor()
    async with (
        linked(FailingExecutor(AllAttemptsFailedError("All are down."))) as one,
        linked(other) as two,
        executors(one, two) as far,
    ):
        with pytest.raises(AllAttemptsFailedError):
            await far.execute(REQUEST)

    assert other.asked == []


async def test_replicas_take_turns():
    """Two executors share the calls evenly."""
    one, two = AnsweringExecutor(), AnsweringExecutor()
    async with (
        linked(one) as first,
        linked(two) as second,
        executors(first, second) as far,
    ):
        for _ in range(6):
            await far.execute(REQUEST)

    assert len(one.asked) == len(two.asked) == 3


async def test_a_session_meets_the_same_resolver_again():
    """What one replica has just learnt need not have reached the other yet."""
    one, two = ResolverOfOneKey(), ResolverOfOneKey()
    async with (
        linked(resolver=one) as first,
        linked(resolver=two) as second,
        resolvers(first, second) as far,
    ):
        for n in range(20):
            await far.resolve_model(resolve_request(session_id=f"s{n % 5}"))

    sessions = [{asked.session_id for asked in each.asked} for each in (one, two)]
    assert not sessions[0] & sessions[1]
    assert sessions[0] | sessions[1] == {f"s{n}" for n in range(5)}


@pytest.mark.parametrize("reach", [PlainReplica, Link])
async def test_a_resolver_that_hangs_is_given_up_for_another(reach):
    """One that keeps the connection and says nothing costs its share of patience."""
    resolver = ResolverOfOneKey()
    async with linked_and_plain(resolver) as address, BreakableProxy(address) as proxy:
        replicas = Replicas(Dialer("resolver"), [proxy.endpoint, address], reach)
        for _ in range(2):
            await replicas.ask(RESOLVE_MODEL, resolve_request(), None)
        proxy.black_hole()
        for _ in range(2):
            await replicas.ask(
                RESOLVE_MODEL, resolve_request(), None, patience_with_each_s=0.2
            )
        await replicas.close()
        proxy.pass_on()

    assert len(resolver.asked) >= 4


@pytest.mark.parametrize("reach", [PlainReplica, Link])
async def test_a_resolver_that_hung_is_asked_last_for_a_while(reach):
    """Only the first call waits for it; the next ones begin with another."""
    resolver = ResolverOfOneKey()
    async with linked_and_plain(resolver) as address, BreakableProxy(address) as proxy:
        replicas = Replicas(Dialer("resolver"), [proxy.endpoint, address], reach)
        await replicas.ask(RESOLVE_MODEL, resolve_request(), None)
        before = [replicas.in_turn(b"same")[0] for _ in range(2)]
        hanging = replicas.in_turn(b"")
        proxy.black_hole()
        for _ in hanging:
            await replicas.ask(
                RESOLVE_MODEL, resolve_request(), None, patience_with_each_s=0.2
            )
        firsts = {id(replicas.in_turn(b"")[0]) for _ in range(4)}
        await replicas.close()
        proxy.pass_on()

    assert before[0] is before[1]
    assert len(firsts) == 1


@contextlib.asynccontextmanager
async def linked_and_plain(resolver) -> AsyncIterator[str]:
    """Serve a resolver both ways, as between two machines."""
    server = GrpcServer([])
    resolver_rpc.add_ResolverServiceServicer_to_server(
        ResolverServicer(resolver), server.grpc
    )
    serve_link(server, of_resolver(resolver), lanes=False)
    address = await server.start("127.0.0.1:0")
    try:
        yield address
    finally:
        await server.stop(0)


async def test_a_call_to_a_replica_that_never_accepts_ends_with_its_deadline():
    """The time a caller waits holds while the link is still being made, too."""
    async with (
        linked(AnsweringExecutor()) as address,
        BreakableProxy(address) as proxy,
    ):
        proxy.black_hole()
        replicas = Replicas(Dialer("executor"), [proxy.endpoint], Link)
        deadline = asyncio.get_running_loop().time() + 0.05
        with pytest.raises((DeadlineExceededError, ServiceUnavailableError)):
            await replicas.ask(EXECUTE, REQUEST, deadline)
        await replicas.close()
        proxy.pass_on()


async def test_a_host_that_vanished_is_noticed_on_both_sides():
    """Without a word from it: the call is asked elsewhere, and here it is ended."""
    executor, other = WaitingExecutor(), AnsweringExecutor()
    async with (
        linked(executor, lanes=False) as one,
        linked(other) as two,
        BreakableProxy(one) as proxy,
        executors(proxy.endpoint, two) as far,
    ):
        calls = [asyncio.create_task(far.execute(REQUEST)) for _ in range(2)]
        await asyncio.wait_for(executor.began.wait(), 10)
        proxy.black_hole()

        # Four times as long as it should take, and less than gRPC takes by default.
        await asyncio.wait_for(asyncio.gather(*calls), 50)
        await asyncio.wait_for(executor.called_off.wait(), 50)
        proxy.pass_on()

    assert len(other.asked) == 2
