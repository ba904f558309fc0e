"""An executor that reaches no provider: who answers its calls, and what is told."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from fakes.links import executors, linked
from fakes.patience import until
from fakes.plans import KEYS, deployment, signed, step
from fakes.scene import BODY, STREAMED, messages, text
from fakes.scripted_provider import (
    Reply,
    ScriptedProvider,
    completion,
    delta,
    failing,
    stream,
    streamed,
)
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.errors import AllDeploymentsUnavailableError, StreamInterruptedError
from holdfast.model import Attempt, Finished, Outcome, Reservation
from holdfast.ports import AttemptReport, ExecuteRequest, ResolveModelRequest
from holdfast.rpc.asides import Asides
from holdfast.rpc.clients import RemoteExecutor
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.service import ExecutorService
from holdfast_executor.transport import Transport

ASKED = ResolveModelRequest(b"digest", "m", trace_id="7" * 32)
RESERVED = Reservation("r1", 1, 2, budgets=("acme",), usd_nanos=5)
ROLE = delta(role="assistant", content="")


class Outpost:
    """An executor whose way to the providers is open while it is told so."""

    def __init__(self) -> None:
        self.told: list[Attempt] = []
        self.finished: list[Finished] = []
        self.asked: list[ExecuteRequest] = []
        self.transport = Transport()
        self._executor = ExecutorService(
            KEYS,
            Caller(self.transport, Authentication(Credentials({}))),
            lambda _, attempt: self.told.append(attempt),
            finished=lambda _, finished: self.finished.append(finished),
        )
        self.streams = self._executor.execute_stream

    async def execute(self, request, *, deadline=None):
        self.asked.append(request)
        return await self._executor.execute(request, deadline=deadline)

    def execute_stream(self, request, *, deadline=None):
        self.asked.append(request)
        return self.streams(request, deadline=deadline)

    @property
    def ordinals(self) -> list[int]:
        return [each.ordinal for each in self.told]


class NotingResolver:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.reports: list[AttemptReport] = []

    async def report_attempts(self, request, *, deadline=None) -> None:
        self.reports += request.reports

    async def resolve_model(self, request, *, deadline=None):
        raise NotImplementedError


class World:
    """Two providers, and executors that are asked in turn."""

    def __init__(self, providers: list[ScriptedProvider]) -> None:
        self.resolver = NotingResolver()
        self.outposts: list[Outpost] = []
        self.links: list[contextlib.AsyncExitStack] = []
        self.far: RemoteExecutor | None = None
        self.steps = [
            step(deployment(f"{name}/m-eu", base_uri=provider.base_uri))
            for name, provider in zip("abc", providers, strict=False)
        ]

    def request(self, body: bytes) -> ExecuteRequest:
        made = signed(*self.steps, reservation=RESERVED)
        return ExecuteRequest(made, body, asked=ASKED)

    async def ask(self, *, streams: bool) -> bytes:
        """Call, and return the answer."""
        if streams:
            taken = await messages(self.far.execute_stream(self.request(STREAMED)))
            return text(taken).encode()
        return (await self.far.execute(self.request(BODY))).body

    async def end(self, number: int) -> None:
        """End an executor's process."""
        await self.links[number].aclose()

    async def shut_in_at(self, word: bytes) -> list[pb.ExecuteStreamResponse]:
        """Stream, and have the first executor reach nobody once a word has come."""
        taken = []
        async for message in self.far.execute_stream(self.request(STREAMED)):
            taken.append(message)
            if word in message.chunks.events:
                await self.outposts[0].transport.close()
        return taken

    @property
    def ended(self) -> list[Finished]:
        """Which requests have ended, whoever says so."""
        by_executors = [each for post in self.outposts for each in post.finished]
        by_edge = [each.finished for each in self.resolver.reports if each.finished]
        return by_executors + by_edge


@contextlib.asynccontextmanager
async def world(
    *open_: bool, replies: list[Reply | list[Reply]]
) -> AsyncIterator[World]:
    """Have an executor for each flag: whether it reaches the providers.

    The first is asked first, and each reply is a provider's.
    """
    async with contextlib.AsyncExitStack() as stack:
        made = World(
            [
                await stack.enter_async_context(
                    ScriptedProvider(each if isinstance(each, list) else [each])
                )
                for each in replies
            ]
        )
        addresses = []
        for is_open in open_:
            outpost = Outpost()
            stack.push_async_callback(outpost.transport.close)
            if is_open:
                await outpost.transport.start()
            made.outposts.append(outpost)
            link = await stack.enter_async_context(contextlib.AsyncExitStack())
            made.links.append(link)
            addresses.append(await link.enter_async_context(linked(outpost)))
        made.far = await stack.enter_async_context(
            executors(*addresses, resolver=made.resolver)
        )
        yield made


def answering(*, streams: bool) -> list[Reply]:
    reply = streamed("one ", "two") if streams else completion("one two")
    return [reply, reply]


both_ways = pytest.mark.parametrize("streams", [False, True])


@both_ways
async def test_an_executor_that_reaches_nobody_has_another_one_answer(streams):
    """The caller never knows; attempts are numbered through, and it ends once."""
    async with world(False, True, replies=answering(streams=streams)) as w:
        answer = await w.ask(streams=streams)
        await until(lambda: w.ended)
        lost, well = w.outposts

        assert b"one two" in answer
        assert [each.outcome for each in lost.told] == [Outcome.CONNECTION_FAILED] * 2
        assert [each.ordinal for each in well.told] == [3]
        assert [each.error_reason for each in w.ended] == [""]
        assert w.ended[0].attempt_count == 3
        assert w.resolver.reports == []


@both_ways
async def test_who_reaches_nobody_is_passed_over_from_then_on(streams):
    """The first call alone pays for it."""
    async with world(False, True, replies=answering(streams=streams)) as w:
        for _ in range(4):
            await w.ask(streams=streams)
        lost, well = w.outposts

    assert (len(lost.asked), len(well.asked)) == (1, 4)


@both_ways
async def test_where_nobody_is_reached_each_executor_is_asked_once(streams):
    """Then the error is the last one's, and is told once as the request's end."""
    async with world(False, False, replies=answering(streams=streams)) as w:
        with pytest.raises(AllDeploymentsUnavailableError) as raised:
            await w.ask(streams=streams)

        assert [len(each.asked) for each in w.outposts] == [1, 1]
        assert [each.error_reason for each in w.ended] == [raised.value.reason]
        assert "out_of_touch" not in raised.value.metadata


async def test_an_outage_of_all_providers_is_told_by_one_executor_from_then_on():
    """Whoever is asked knows that there is nobody else, and makes one round."""
    async with world(False, False, replies=answering(streams=False)) as w:
        for _ in range(4):
            with pytest.raises(AllDeploymentsUnavailableError):
                await w.ask(streams=False)

        assert sum(len(each.asked) for each in w.outposts) == 5


async def test_an_executor_alone_goes_through_its_plan():
    """It is not asked to hand on what nobody could take."""
    async with world(False, replies=answering(streams=False)) as w:
        w.steps.append(
            step(deployment("c/m-eu", base_uri=w.steps[0].deployment.base_uri))
        )
        with pytest.raises(AllDeploymentsUnavailableError):
            await w.ask(streams=False)
        (alone,) = w.outposts

    assert [each.deployment_id[0] for each in alone.told] == ["a", "b", "c"]
    assert not alone.asked[0].may_hand_on


async def test_two_hosts_that_are_not_reached_are_enough():
    """Each further one would cost the caller as much time again."""
    replies = [*answering(streams=False), completion()]
    async with world(False, True, replies=replies) as w:
        await w.ask(streams=False)
        lost, _ = w.outposts

    assert [each.deployment_id[0] for each in lost.told] == ["a", "b"]


async def test_what_a_provider_refused_is_not_asked_of_another_executor():
    """It was reached: elsewhere it would say the same."""
    async with world(True, True, replies=[failing(503), failing(503)]) as w:
        with pytest.raises(AllDeploymentsUnavailableError):
            await w.ask(streams=False)

    assert [len(each.asked) for each in w.outposts] == [1, 0]


async def test_a_stream_that_has_begun_goes_on_with_another_executor():
    """From where it was; the part of the first one is its own to tell of."""
    cut = stream(ROLE, delta(content="one "), holds=True)
    whole = streamed("one ", "two")
    async with world(True, True, replies=[[cut, whole], whole]) as w:
        first, second = w.outposts
        taken = await w.shut_in_at(b"one")
        await until(lambda: w.ended)

        assert text(taken) == "one two"
        assert taken[-1].HasField("completed")
        assert first.told[0].outcome is Outcome.INTERRUPTED
        assert first.ordinals == [1, 2, 3]
        assert second.ordinals == [4]
        assert [each.error_reason for each in w.ended] == [""]
        assert w.resolver.reports == []


async def test_a_request_that_is_handed_on_to_nobody_has_ended():
    """What was set aside for it is free: the edge says so, as no executor does."""
    async with world(False, True, replies=answering(streams=False)) as w:
        await w.end(1)
        with pytest.raises(AllDeploymentsUnavailableError):
            await w.ask(streams=False)
        await until(lambda: w.ended)

        (report,) = w.resolver.reports
        assert w.outposts[0].finished == w.outposts[1].asked == []
        assert report.reservation == RESERVED
        assert report.finished.error_reason == "ALL_DEPLOYMENTS_UNAVAILABLE"
        assert (report.finished.attempt_count, report.finished.streamed) == (2, False)


async def test_what_nobody_can_go_on_with_has_ended_with_who_began_it():
    """Half a call of a tool is nobody else's to end."""
    async with world(True, True, replies=answering(streams=True)) as w:
        w.outposts[0].streams = half_a_call
        with pytest.raises(StreamInterruptedError):
            await messages(w.far.execute_stream(w.request(STREAMED)))
        await until(lambda: w.ended)

        assert w.outposts[1].asked == []
        assert [each.error_reason for each in w.ended] == ["STREAM_INTERRUPTED"]


async def half_a_call(request, *, deadline=None):
    """Begin to call a tool, and reach nobody any more."""
    yield pb.ExecuteStreamResponse(served=pb.Served(deployment_id="a/m-eu", ordinal=1))
    begun = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}\n\n'
    yield pb.ExecuteStreamResponse(chunks=pb.Chunks(events=begun))
    raise StreamInterruptedError(
        "It broke off.", attempt_count="1", out_of_touch="true"
    )


def test_one_that_is_aside_is_looked_at_by_one_request_at_a_time():
    """Until it answers; then it is one of all again."""
    asides = Asides[str]()
    asides.add("a", 10.0)

    assert asides.sorted(["a", "b", "c"], 12.0) == ["b", "c", "a"]
    assert asides.sorted(["b", "a", "c"], 15.0) == ["a", "b", "c"]
    assert asides.sorted(["b", "a", "c"], 15.1) == ["b", "c", "a"]
    asides.answered("a")
    assert asides.sorted(["b", "a", "c"], 15.2) == ["b", "a", "c"]
