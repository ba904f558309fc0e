"""Resolver and executor at the other end of a gRPC channel, as if they were here."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from fakes.plans import asking, attempt
from fakes.services import (
    COMPLETION,
    KEY,
    MODEL,
    AnsweringExecutor,
    BreakingOffExecutor,
    FailingExecutor,
    FloodingExecutor,
    ResolverOfOneKey,
    WaitingExecutor,
)
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.catalog.v1 import catalog_service_pb2_grpc as catalog_rpc
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.executor.v1 import executor_service_pb2_grpc as executor_rpc
from holdfast.api.ledger.v1 import budget_service_pb2_grpc as budget_rpc
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as resolver_rpc
from holdfast.errors import (
    BY_REASON,
    AllAttemptsFailedError,
    AllAttemptsRateLimitedError,
    ApiKeyUnknownError,
    DeadlineExceededError,
    GatewayError,
    InternalError,
    ModelNotFoundError,
    ProviderRejectedRequestError,
    ServiceUnavailableError,
    StreamInterruptedError,
    StructuredOutputInvalidError,
)
from holdfast.model import Budget, BudgetStatus, Caller, Outcome
from holdfast.ports import ReportAttemptsRequest, ResolveModelRequest
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.rpc.errors import DOMAIN, from_call
from holdfast.rpc.link.client import Link
from holdfast.rpc.link.offers import of_budgets
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.messages import execute_request_to_wire
from holdfast.rpc.plain import PlainReplica
from holdfast.rpc.server import GrpcServer
from holdfast_executor.servicer import ExecutorServicer
from holdfast_resolver.directory import key_digest
from holdfast_resolver.servicer import (
    BudgetServicer,
    CatalogServicer,
    ResolverServicer,
)

EXECUTOR = "holdfast.api.executor.v1.ExecutorService"
BY_KEY = caller_pb2.Principal(api_key_digest=key_digest(KEY))
REQUEST = asking(b"{}")
STREAM = asking(b"{}")


@contextlib.asynccontextmanager
async def served(executor=None, resolver=None) -> AsyncIterator[str]:
    """Serve an executor or a resolver and give the address."""
    server = GrpcServer([EXECUTOR])
    if executor is not None:
        executor_rpc.add_ExecutorServiceServicer_to_server(
            ExecutorServicer(executor), server.grpc
        )
    if resolver is not None:
        resolver_rpc.add_ResolverServiceServicer_to_server(
            ResolverServicer(resolver), server.grpc
        )
        catalog_rpc.add_CatalogServiceServicer_to_server(
            CatalogServicer(resolver), server.grpc
        )
    address = await server.start("127.0.0.1:0")
    try:
        yield address
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def remote(executor) -> AsyncIterator[RemoteExecutor]:
    async with served(executor) as address, closing(RemoteExecutor([address])) as far:
        yield far


@contextlib.asynccontextmanager
async def remote_resolver(resolver) -> AsyncIterator[RemoteResolver]:
    async with (
        served(resolver=resolver) as address,
        closing(RemoteResolver([address])) as far,
    ):
        yield far


@contextlib.asynccontextmanager
async def closing(client):
    try:
        yield client
    finally:
        await client.close()


async def dead_address() -> str:
    """Give an address where somebody was and is no more."""
    async with served(AnsweringExecutor()) as address:
        pass
    return address


async def collect(stream: AsyncGenerator, into: list | None = None) -> list:
    taken = [] if into is None else into
    async for message in stream:
        taken.append(message)
    return taken


async def ask(executor: RemoteExecutor, *, streams: bool, deadline: float | None):
    """Have a request answered, whole or streamed."""
    if streams:
        await collect(executor.execute_stream(STREAM, deadline=deadline))
    else:
        await executor.execute(REQUEST, deadline=deadline)


def in_seconds(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def resolve_request(**facts) -> ResolveModelRequest:
    return ResolveModelRequest(
        **{"principal": key_digest(KEY), "model": MODEL, **facts}
    )


async def test_a_resolver_far_away_resolves_reports_and_lists():
    """All it offers is offered over the wire."""
    async with remote_resolver(ResolverOfOneKey()) as far:
        resolved = await far.resolve_model(resolve_request())
        await far.report_attempts(ReportAttemptsRequest())
        listed = await far.list_models(catalog_pb.ListModelsRequest(principal=BY_KEY))

    assert resolved.wire.key_id == "k"
    assert listed.aliases[0].alias_id == "default-llm"


@pytest.mark.parametrize("reach", [PlainReplica, Link])
async def test_how_budgets_stand_is_told_far_away(reach):
    """By a call of its own, and over a link, to who asks by a key or by name."""
    stands = BudgetStatus(
        Budget("acme", "web", "web-1", 20_000_000, 0.5, denies_when_unreachable=True),
        spent_usd_nanos=12,
        reserved_usd_nanos=3,
        reset_s=1_767_225_600,
        warns=True,
        is_current=False,
    )
    budgets = BudgetsThatStand(stands)
    server = GrpcServer([EXECUTOR])
    budget_rpc.add_BudgetServiceServicer_to_server(BudgetServicer(budgets), server.grpc)
    serve_link(server, of_budgets(budgets))
    address = await server.start("127.0.0.1:0")
    try:
        async with closing(RemoteResolver([address], reach=reach)) as far:
            told = await far.list_budget_status(b"digest")
            await far.list_budget_status(Caller("acme", "web"))
    finally:
        await server.stop(0)

    assert told == (stands,)
    assert budgets.asked == [b"digest", Caller("acme", "web")]


class BudgetsThatStand:
    """Says of everybody that his budgets stand alike, and keeps who asked."""

    def __init__(self, *stands: BudgetStatus) -> None:
        self.stands = stands
        self.asked: list[bytes | Caller] = []

    async def list_budget_status(
        self, principal: bytes | Caller, *, deadline: float | None = None
    ) -> tuple[BudgetStatus, ...]:
        """List them."""
        self.asked.append(principal)
        return self.stands


async def test_what_a_resolver_raises_is_raised_here():
    """Its kind, its words and its metadata."""
    async with remote_resolver(ResolverOfOneKey()) as far:
        with pytest.raises(ModelNotFoundError, match="Did you mean") as raised:
            await far.resolve_model(resolve_request(model="claude-sonet-4-5"))
        with pytest.raises(ApiKeyUnknownError):
            await far.list_models(catalog_pb.ListModelsRequest())

    assert raised.value.metadata == {"model": "claude-sonet-4-5"}


async def test_an_executor_far_away_answers_whole_and_streamed():
    """The messages come as they were made."""
    async with remote(AnsweringExecutor()) as far:
        whole = await far.execute(REQUEST)
        taken = await collect(far.execute_stream(STREAM))

    assert str(COMPLETION["id"]).encode() in whole.body
    assert [message.WhichOneof("step") for message in taken] == [
        "served",
        "chunks",
        "chunks",
        "completed",
    ]


ATTEMPTS = [
    attempt("a/m-eu", Outcome.RATE_LIMITED, http_status=429, retry_after=2.5),
    attempt("b/m-us", Outcome.TIMED_OUT, ordinal=2, duration=timedelta(seconds=30)),
]


@pytest.mark.parametrize("kind", BY_REASON.values(), ids=BY_REASON.keys())
async def test_every_error_survives_the_wire(kind):
    """Kind, message, metadata and attempts, whichever way it was asked."""
    error = kind("It went wrong.", attempts=ATTEMPTS, plan_id="p1")

    async with remote(FailingExecutor(error)) as far:
        with pytest.raises(GatewayError) as whole:
            await far.execute(REQUEST)
        with pytest.raises(GatewayError) as streamed:
            await collect(far.execute_stream(STREAM))

    for raised in (whole.value, streamed.value):
        assert type(raised) is kind
        assert raised.message == "It went wrong."
        assert raised.metadata == {"plan_id": "p1"}
        assert raised.attempts == tuple(ATTEMPTS)


async def test_an_error_is_a_documented_status_to_other_clients():
    """Who knows only gRPC reads the code and an `ErrorInfo`."""
    error = AllAttemptsRateLimitedError("Later.", retry_after_seconds="4")

    async with (
        served(FailingExecutor(error)) as address,
        aio.insecure_channel(address) as channel,
    ):
        with pytest.raises(aio.AioRpcError) as raised:
            await executor_rpc.ExecutorServiceStub(channel).Execute(
                execute_request_to_wire(REQUEST)
            )

    info = error_details_pb2.ErrorInfo()
    rpc_status.from_call(raised.value).details[0].Unpack(info)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raised.value.details() == "Later."
    assert (info.reason, info.domain) == ("ALL_ATTEMPTS_RATE_LIMITED", DOMAIN)
    assert info.metadata == {"retry_after_seconds": "4"}


STRICT = (
    ("grpc.max_metadata_size", 8_192),
    ("grpc.absolute_max_metadata_size", 8_192),
)
"""Refuses for certain what gRPC refuses by chance between 8 and 16 KiB."""


@pytest.mark.parametrize("letter", ["x", "語", "🔥", "\n"])
async def test_an_error_of_any_length_and_script_arrives(letter):
    """A long message in any language stays within what gRPC's headers may hold."""
    error = ProviderRejectedRequestError(
        letter * 5_000,
        attempts=[
            attempt("p/" + "m" * 80, Outcome.REJECTED, error_message=letter * 200)
        ]
        * 12,
        model=letter * 20_000,
        deployment_id="a/m-eu",
    )

    async with (
        served(FailingExecutor(error)) as address,
        aio.insecure_channel(address, STRICT) as channel,
    ):
        with pytest.raises(aio.AioRpcError) as raised:
            await executor_rpc.ExecutorServiceStub(channel).Execute(
                execute_request_to_wire(REQUEST)
            )

    rebuilt = from_call(raised.value, "executor")
    assert type(rebuilt) is ProviderRejectedRequestError
    assert rebuilt.message.startswith(letter * 100)
    assert rebuilt.metadata["deployment_id"] == "a/m-eu"
    assert len(rebuilt.attempts) == 8


@pytest.mark.parametrize(("message", "kept"), [("No.", 2_000), ("\n" * 5_000, 0)])
async def test_an_answer_that_did_not_fit_is_told_where_there_is_room(message, kept):
    """Where it went wrong is told in any case, and its beginning gives way."""
    violations = "\n".join(f"/{letter * 100} type" for letter in "abcdefgh")
    error = StructuredOutputInvalidError(
        message,
        attempts=[attempt("p/" + "m" * 80, Outcome.PARSE_FAILED)] * 8,
        violations=violations,
        text="x" * 5_000,
    )

    async with (
        served(FailingExecutor(error)) as address,
        aio.insecure_channel(address, STRICT) as channel,
    ):
        with pytest.raises(aio.AioRpcError) as raised:
            await executor_rpc.ExecutorServiceStub(channel).Execute(
                execute_request_to_wire(REQUEST)
            )

    rebuilt = from_call(raised.value, "executor")
    assert rebuilt.metadata["violations"] == violations
    assert len(rebuilt.metadata["text"]) == kept


async def test_attempts_keep_their_words_where_there_is_room():
    """Only what would not arrive at all is cut."""
    told = [attempt(error_message="x" * 200)] * 6

    async with remote(
        FailingExecutor(AllAttemptsFailedError("", attempts=told))
    ) as far:
        with pytest.raises(AllAttemptsFailedError) as raised:
            await far.execute(REQUEST)

    assert raised.value.attempts == tuple(told)


async def test_a_fault_of_a_services_own_is_told_without_its_details():
    """What went wrong inside is in the log and not on the wire."""
    async with remote(FailingExecutor(ValueError("secret prompt"))) as far:
        with pytest.raises(InternalError) as raised:
            await far.execute(REQUEST)
        with pytest.raises(InternalError):
            await collect(far.execute_stream(STREAM))

    assert "secret" not in raised.value.message


async def test_a_stream_that_breaks_off_gives_what_came_and_then_the_error():
    """As it would without a wire between."""
    error = StreamInterruptedError("It broke.", attempts=ATTEMPTS, deployment_id="a")
    taken: list = []

    async with remote(BreakingOffExecutor(error)) as far:
        with pytest.raises(StreamInterruptedError):
            await collect(far.execute_stream(STREAM), taken)

    assert [message.WhichOneof("step") for message in taken] == ["served", "chunks"]


@pytest.mark.parametrize("streams", [False, True])
async def test_a_deadline_is_passed_on(streams):
    """The other side knows how long it has, on its own clock."""
    executor = AnsweringExecutor()
    async with remote(executor) as far:
        await ask(far, streams=streams, deadline=in_seconds(60))
        await ask(far, streams=streams, deadline=None)

    limited, unlimited = executor.deadlines
    assert in_seconds(30) < limited < in_seconds(61)
    assert unlimited is None


@pytest.mark.parametrize("streams", [False, True])
async def test_a_deadline_ends_a_call_that_hangs(streams):
    """On both sides: the executor's work is called off."""
    executor = WaitingExecutor()
    async with remote(executor) as far:
        with pytest.raises(DeadlineExceededError):
            await ask(far, streams=streams, deadline=in_seconds(0.2))

        await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_closing_a_stream_reaches_the_servicer():
    """A caller that goes away stops the work at the other end."""
    executor = WaitingExecutor(first_chunk=True)
    async with remote(executor) as far:
        stream = far.execute_stream(STREAM)
        await anext(stream)
        await stream.aclose()

        await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_closing_a_stream_that_floods_reaches_the_servicer():
    """So does one that is busy sending."""
    executor = FloodingExecutor()
    async with remote(executor) as far:
        stream = far.execute_stream(STREAM)
        await anext(stream)
        await anext(stream)
        await stream.aclose()

        await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_cancelling_a_call_reaches_the_servicer():
    """The whole way is as good as the streamed one."""
    executor = WaitingExecutor()
    async with remote(executor) as far:
        calling = asyncio.create_task(far.execute(REQUEST))
        await asyncio.wait_for(executor.began.wait(), 10)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)

        await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_a_dead_replica_is_skipped():
    """Every call is answered by the one that lives, streamed or not."""
    dead = await dead_address()
    executor, resolver = AnsweringExecutor(), ResolverOfOneKey()
    async with (
        served(executor, resolver) as alive,
        closing(RemoteExecutor([dead, alive])) as executors,
        closing(RemoteResolver([alive, dead])) as resolvers,
    ):
        for turn in range(4):
            await executors.execute(REQUEST)
            await collect(executors.execute_stream(STREAM))
            await resolvers.resolve_model(resolve_request(session_id=f"s{turn}"))

    assert len(executor.asked) == 8
    assert len(resolver.asked) == 4


async def test_without_any_replica_the_service_is_named_as_missing():
    """The error is the gateway's own and says which of its services is away."""
    dead = await dead_address()
    async with (
        closing(RemoteExecutor([dead])) as executors,
        closing(RemoteResolver([dead, dead])) as resolvers,
    ):
        with pytest.raises(ServiceUnavailableError, match="executor") as raised:
            await executors.execute(REQUEST)
        with pytest.raises(ServiceUnavailableError, match="executor"):
            await collect(executors.execute_stream(STREAM))
        with pytest.raises(ServiceUnavailableError, match="resolver"):
            await resolvers.resolve_model(resolve_request())

    assert raised.value.metadata == {"service": "executor"}


async def test_an_answer_of_unavailable_is_an_answer():
    """All deployments being down is told by one replica and not asked of another."""
    down = AllAttemptsFailedError("All are down.", attempts=ATTEMPTS)
    other = AnsweringExecutor()
    async with (
        served(FailingExecutor(down)) as one,
        served(other) as two,
        closing(RemoteExecutor([one, two])) as executors,
    ):
        await asyncio.wait_for(executors.connected(), 10)
        with pytest.raises(AllAttemptsFailedError):
            await executors.execute(REQUEST)

    assert other.asked == []


async def test_replicas_take_turns():
    """Two executors share the calls evenly."""
    one, two = AnsweringExecutor(), AnsweringExecutor()
    async with (
        served(one) as first,
        served(two) as second,
        closing(RemoteExecutor([first, second])) as executors,
    ):
        for _ in range(6):
            await executors.execute(REQUEST)

    assert len(one.asked) == len(two.asked) == 3


async def test_a_session_meets_the_same_resolver_again():
    """What one replica has just learnt need not have reached the other yet."""
    one, two = ResolverOfOneKey(), ResolverOfOneKey()
    async with (
        served(resolver=one) as first,
        served(resolver=two) as second,
        closing(RemoteResolver([first, second])) as resolvers,
    ):
        for n in range(20):
            await resolvers.resolve_model(resolve_request(session_id=f"s{n % 5}"))

    sessions = [{asked.session_id for asked in each.asked} for each in (one, two)]
    assert not sessions[0] & sessions[1]
    assert sessions[0] | sessions[1] == {f"s{n}" for n in range(5)}


async def test_health_and_reflection_answer():
    """What Kubernetes and grpcurl ask."""
    async with (
        served(AnsweringExecutor()) as address,
        aio.insecure_channel(address) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        serving = [
            await health.Check(health_pb2.HealthCheckRequest(service=name))
            for name in ("", EXECUTOR)
        ]
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        (listed,) = await collect(reflection.ServerReflectionInfo(iter([asked])))

    assert {answer.status for answer in serving} == {
        health_pb2.HealthCheckResponse.SERVING
    }
    assert EXECUTOR in {each.name for each in listed.list_services_response.service}


async def test_stopping_lets_calls_finish():
    """A call begun before SIGTERM is answered."""
    executor = WaitingExecutor()
    server = GrpcServer([EXECUTOR])
    executor_rpc.add_ExecutorServiceServicer_to_server(
        ExecutorServicer(executor), server.grpc
    )
    address = await server.start("127.0.0.1:0")
    async with closing(RemoteExecutor([address])) as far:
        calling = asyncio.create_task(far.execute(REQUEST))
        await asyncio.wait_for(executor.began.wait(), 10)
        stopping = asyncio.create_task(server.stop(30))
        await asyncio.sleep(0)
        executor.release.set()

        assert (await calling).body
        await stopping


async def test_an_address_that_is_taken_is_an_error():
    """Two servers never share a port by chance."""
    async with served(AnsweringExecutor()) as address:
        with pytest.raises(OSError, match="cannot listen on"):
            await GrpcServer([]).start(address)


def test_a_client_needs_an_address():
    """An empty list is a fault of the configuration."""
    with pytest.raises(ValueError, match="no address of a resolver"):
        RemoteResolver([])
