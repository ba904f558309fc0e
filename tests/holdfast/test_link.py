"""A resolver and an executor at the other end of a link, as if they were here."""

import asyncio
import dataclasses

import pytest
import uvloop
from structlog.testing import capture_logs

from fakes.links import (
    collect,
    linked,
    remote,
    resolvers,
)
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
from holdfast.api.common.v1 import caller_pb2
from holdfast.errors import (
    BY_REASON,
    DeadlineExceededError,
    GatewayError,
    InternalError,
    ModelNotFoundError,
    StreamInterruptedError,
)
from holdfast.model import Outcome
from holdfast.ports import ReportAttemptsRequest, ResolveModelRequest
from holdfast.rpc.clients import RemoteExecutor
from holdfast_resolver.directory import key_digest

BY_KEY = caller_pb2.Principal(api_key_digest=key_digest(KEY))
REQUEST = asking(b"{}")
STREAM = asking(b"{}")
FLOOD = asking(b"flood")
ATTEMPTS = (
    attempt("a/m-eu", Outcome.RATE_LIMITED, http_status=429, retry_after=2.5),
    attempt("b/m-us", Outcome.TIMED_OUT, ordinal=2),
)


async def ask(executor: RemoteExecutor, *, streams: bool, deadline: float | None):
    """Have a request answered, whole or streamed."""
    if streams:
        await collect(executor.execute_stream(STREAM, deadline=deadline))
    else:
        await executor.execute(REQUEST, deadline=deadline)


def in_seconds(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_an_executor_answers_whole_and_streamed(run):
    """The messages come as they were made, on either event loop."""

    async def both():
        async with remote(AnsweringExecutor()) as far:
            return await far.execute(REQUEST), await collect(far.execute_stream(STREAM))

    whole, taken = run(both())

    assert str(COMPLETION["id"]).encode() in whole.body
    assert [message.WhichOneof("step") for message in taken] == [
        "served",
        "chunks",
        "chunks",
        "completed",
    ]


async def test_a_resolver_resolves_reports_and_lists():
    """All it offers is offered over a link, its refusals too."""
    async with (
        linked(resolver=ResolverOfOneKey()) as address,
        resolvers(address) as far,
    ):
        wanted = ResolveModelRequest(key_digest(KEY), MODEL)
        resolved = await far.resolve_model(wanted)
        await far.report_attempts(ReportAttemptsRequest())
        listed = await far.list_models(catalog_pb.ListModelsRequest(principal=BY_KEY))
        mistaken = dataclasses.replace(wanted, model="claude-sonet-4-5")
        with pytest.raises(ModelNotFoundError, match="Did you mean"):
            await far.resolve_model(mistaken)

    assert resolved.wire.key_id == "k"
    assert listed.aliases[0].alias_id == "default-llm"


@pytest.mark.parametrize("kind", BY_REASON.values(), ids=BY_REASON.keys())
async def test_every_error_survives_a_link(kind):
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
        assert raised.attempts == ATTEMPTS


@pytest.mark.parametrize("streams", [False, True])
async def test_a_fault_of_a_services_own_is_logged_once_and_told_without_details(
    streams,
):
    """What went wrong inside is in its log and not on the wire."""
    with capture_logs() as logs:
        async with remote(FailingExecutor(ValueError("secret prompt"))) as far:
            with pytest.raises(InternalError) as raised:
                await ask(far, streams=streams, deadline=None)

    assert "secret" not in raised.value.message
    assert [log["event"] for log in logs].count("call_failed") == 1


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


async def test_a_call_without_time_left_is_not_made():
    """Its deadline has passed before it began."""
    executor = AnsweringExecutor()
    async with remote(executor) as far:
        await far.connected()
        with pytest.raises(DeadlineExceededError):
            await far.execute(REQUEST, deadline=in_seconds(-1))

    assert executor.asked == []


async def test_cancelling_a_call_calls_the_work_off():
    """Nobody waits for it any longer."""
    executor = WaitingExecutor()
    async with remote(executor) as far:
        calling = asyncio.create_task(far.execute(REQUEST))
        await asyncio.wait_for(executor.began.wait(), 10)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)

        await asyncio.wait_for(executor.called_off.wait(), 10)


@pytest.mark.parametrize("executor", [WaitingExecutor, FloodingExecutor])
async def test_closing_a_stream_calls_the_work_off(executor):
    """Whether it waits for its provider or for its reader."""
    working = WaitingExecutor(first_chunk=True)
    if executor is FloodingExecutor:
        working = FloodingExecutor()
    async with remote(working) as far:
        stream = far.execute_stream(STREAM)
        await anext(stream)
        await anext(stream)
        await stream.aclose()

        await asyncio.wait_for(working.called_off.wait(), 10)


async def test_a_method_that_is_not_offered_is_a_fault():
    """An executor resolves nothing, and says so at once."""
    async with linked(AnsweringExecutor()) as address, resolvers(address) as far:
        with capture_logs(), pytest.raises(InternalError):
            await far.resolve_model(ResolveModelRequest(b"", MODEL))
