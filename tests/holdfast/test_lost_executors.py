"""What becomes of a stream whose executor is lost, and what is put down of it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.clock import Clock
from fakes.links import collect, executors, linked
from fakes.patience import until
from fakes.plans import deployment, plan, step
from fakes.services import chunk
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.errors import (
    GatewayError,
    NoDeploymentAllowedError,
    PlanRefusedError,
    ServiceUnavailableError,
)
from holdfast.model import (
    Attempt,
    Finished,
    Outcome,
    Pricing,
    Requirements,
    Reservation,
    StepReason,
    Usage,
)
from holdfast.ports import AttemptReport, ExecuteRequest, ResolveModelRequest
from holdfast.rpc.clients import RemoteExecutor
from holdfast.signing import PLAN_LIFE_S, PlanKey, PlanKeys, SignedPlan

PLACE = deployment("a/m-eu", pricing=Pricing(2_000_000, 10_000_000, 0, 0))
TOOL_CALL = b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}\n\n'
ASKED = ResolveModelRequest(
    b"digest", "m", trace_id="7" * 32, requirements=Requirements(input_tokens=40)
)
RESERVED = Reservation("r1", 1, 2, budgets=("acme",), usd_nanos=5)


class NotingResolver:
    """Makes plans, and keeps what it is told and asked."""

    def __init__(self, keys: PlanKeys) -> None:
        self.reports: list[AttemptReport] = []
        self.asked: list[ResolveModelRequest] = []
        self.refuses: GatewayError | None = None
        self.is_away = False
        self._keys = keys

    async def resolve_model(self, request, *, deadline=None) -> SignedPlan:
        self.asked.append(request)
        if self.refuses is not None:
            raise self.refuses
        made = plan(step(PLACE), plan_id=f"p{len(self.asked)}", reservation=RESERVED)
        return self._keys.sign(made)

    async def report_attempts(self, request, *, deadline=None) -> None:
        if self.is_away:
            self.is_away = False
            raise ServiceUnavailableError("nobody there", service="resolver")
        self.reports += request.reports

    @property
    def lost(self) -> list[Attempt]:
        return [each for report in self.reports for each in report.attempts]

    @property
    def finished(self) -> list[tuple[str, Finished]]:
        return [(each.plan_id, each.finished) for each in self.reports if each.finished]


class ReadingExecutor:
    """Carries out plans that are good: says some words, and waits or is done."""

    def __init__(self, keys: PlanKeys, *words: bytes, waits: bool = False) -> None:
        self.asked: list[ExecuteRequest] = []
        self._keys = keys
        self._words = words
        self._waits = waits

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[pb.ExecuteStreamResponse, None]:
        self.asked.append(request)
        self._keys.verify(request.plan)
        ordinal = request.attempts + 1
        served = pb.Served(
            deployment_id=PLACE.id, ordinal=ordinal, attempt_count=ordinal
        )
        if request.held:
            yield pb.ExecuteStreamResponse(taken_up=served)
        else:
            yield pb.ExecuteStreamResponse(served=served)
        for word in self._words:
            yield pb.ExecuteStreamResponse(chunks=pb.Chunks(events=word))
        if self._waits:
            await asyncio.Event().wait()
        yield pb.ExecuteStreamResponse(completed=pb.Completed())

    async def execute(self, request, *, deadline=None):
        raise NotImplementedError


class Stage:
    """A resolver and executors, of which each can be lost."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        key = PlanKey("k1", b"a key of sixteen bytes or more")
        self.keys = PlanKeys([key], now=clock.now)
        self.resolver = NotingResolver(self.keys)
        self.proxies: list[BreakableProxy] = []
        self.executors: list[ReadingExecutor] = []
        self.far: RemoteExecutor | None = None

    def one(self, *words: bytes, waits: bool = False) -> ReadingExecutor:
        return ReadingExecutor(self.keys, *words, waits=waits)

    async def begin(self, body: bytes = b"{}"):
        """Ask, and return the stream and what came of it until it waits."""
        made = await self.resolver.resolve_model(ASKED)
        request = ExecuteRequest(made, body, asked=ASKED)
        return self.far.execute_stream(request)

    async def lose(self, number: int) -> None:
        """Lose an executor, once it was asked."""
        await until(lambda: self.executors[number].asked)
        self.proxies[number].refuse()


@contextlib.asynccontextmanager
async def stage(*making) -> AsyncIterator[Stage]:
    """Have executors, each made by a function of the stage; asked in that order."""
    async with contextlib.AsyncExitStack() as stack:
        made = Stage(Clock())
        for make in making:
            executor = make(made)
            address = await stack.enter_async_context(linked(executor))
            proxy = await stack.enter_async_context(BreakableProxy(address))
            made.executors.append(executor)
            made.proxies.append(proxy)
        targets = [proxy.endpoint for proxy in made.proxies]
        made.far = await stack.enter_async_context(
            executors(*targets, resolver=made.resolver)
        )
        yield made


def waiting(*words: bytes):
    return lambda made: made.one(*words, waits=True)


def ending(*words: bytes):
    return lambda made: made.one(*words)


async def read(stream, events: int) -> list[pb.ExecuteStreamResponse]:
    """Read so many messages."""
    return [await asyncio.wait_for(anext(stream), 10) for _ in range(events)]


async def rest_of(stream) -> list[pb.ExecuteStreamResponse]:
    return await asyncio.wait_for(collect(stream), 10)


async def test_what_a_lost_executor_had_got_is_put_down_and_charged():
    """Who gave it, and what it used as far as that can be known: it says so."""
    goes_on = ending(chunk(" three", "stop"))
    async with stage(waiting(chunk("one "), chunk("two")), goes_on) as s:
        stream = await s.begin()
        await read(stream, 3)
        await s.lose(0)
        taken = await rest_of(stream)
        await until(lambda: s.resolver.lost)

    (report,) = s.resolver.reports
    (lost,) = report.attempts
    assert taken[-1].HasField("completed")
    assert (report.plan_id, report.reservation) == ("p1", RESERVED)
    assert (lost.ordinal, lost.deployment_id) == (1, PLACE.id)
    assert lost.outcome is Outcome.EXECUTOR_LOST
    assert lost.usage == Usage(40, 2)
    assert lost.cost_usd_nanos == 40 * 2_000 + 2 * 10_000
    assert lost.step_reason is StepReason.ROTATED
    assert "estimated" in lost.error_message
    assert lost.start_time_ms > 0
    assert report.finished is None


async def test_who_goes_on_counts_attempts_from_there():
    """Under the same plan, which is good yet; nobody is asked for another."""
    async with stage(waiting(chunk("one ")), ending(chunk("two", "stop"))) as s:
        stream = await s.begin()
        await read(stream, 2)
        await s.lose(0)
        await rest_of(stream)

    (asked,) = s.executors[1].asked
    assert asked.attempts == 1
    assert len(s.resolver.asked) == 1


async def test_each_executor_that_is_lost_is_put_down_for_its_own_part():
    """The second one's attempt has a place of its own, and its own words alone."""
    second = waiting(chunk("three "), chunk("four "), chunk("five "))
    third = ending(chunk("six", "stop"))
    async with stage(waiting(chunk("one "), chunk("two ")), second, third) as s:
        stream = await s.begin()
        await read(stream, 3)
        await s.lose(0)
        await read(stream, 4)
        await s.lose(1)
        taken = await rest_of(stream)
        await until(lambda: len(s.resolver.lost) == 2)

    assert taken[-1].HasField("completed")
    assert [each.ordinal for each in s.resolver.lost] == [1, 2]
    assert [each.usage.output_tokens for each in s.resolver.lost] == [2, 3]


async def test_a_stream_outlives_its_plan():
    """It is resolved anew, with the same trace, and goes on where it was."""
    async with stage(waiting(chunk("one ")), ending(chunk("two", "stop"))) as s:
        stream = await s.begin()
        await read(stream, 2)
        s.clock.advance(PLAN_LIFE_S + 1)
        await s.lose(0)
        taken = await rest_of(stream)
        await until(lambda: s.resolver.finished)

    refused, granted = s.executors[1].asked
    assert taken[-1].HasField("completed")
    assert s.resolver.asked == [ASKED, ASKED]
    assert s.keys.verify(granted.plan).plan_id == "p2"
    assert granted.held.text == refused.held.text == "one "
    assert granted.attempts == 0


async def test_the_request_under_the_plan_that_expired_has_ended():
    """What was set aside for it is free, and it is in the list of traces."""
    async with stage(waiting(chunk("one ")), ending(chunk("two", "stop"))) as s:
        stream = await s.begin()
        await read(stream, 2)
        s.clock.advance(PLAN_LIFE_S + 1)
        await s.lose(0)
        await rest_of(stream)
        await until(lambda: s.resolver.finished)

    ((plan_id, finished),) = s.resolver.finished
    assert plan_id == "p1"
    assert finished.error_reason == "STREAM_INTERRUPTED"
    assert (finished.surface, finished.streamed) == ("chat_completions", True)
    assert (finished.deployment_id, finished.attempt_count) == (PLACE.id, 1)


async def test_who_may_no_more_what_it_might_is_told_so():
    """A rule that was made meanwhile holds: nobody goes on."""
    async with stage(waiting(chunk("one ")), ending(chunk("two", "stop"))) as s:
        stream = await s.begin()
        await read(stream, 2)
        s.resolver.refuses = NoDeploymentAllowedError("not any more", model="m")
        s.clock.advance(PLAN_LIFE_S + 1)
        await s.lose(0)
        with pytest.raises(NoDeploymentAllowedError):
            await rest_of(stream)


async def test_a_plan_that_is_refused_though_it_is_new_is_not_made_for_ever():
    """Executor and resolver do not share a key then, and nobody can help that."""
    async with stage(waiting(chunk("one ")), ending(chunk("two", "stop"))) as s:
        stream = await s.begin()
        await read(stream, 2)
        s.executors[1]._keys = PlanKeys(
            [PlanKey("k2", b"another one of sixteen bytes")]
        )
        await s.lose(0)
        with pytest.raises(PlanRefusedError):
            await rest_of(stream)

    assert len(s.resolver.asked) == 2


async def test_a_stream_that_nobody_can_go_on_with_is_put_down_with_its_end():
    """Half a call of a tool is nobody else's to end; it was paid for all the same."""
    async with stage(waiting(chunk("one "), TOOL_CALL), ending()) as s:
        stream = await s.begin()
        await read(stream, 3)
        await s.lose(0)
        with pytest.raises(ServiceUnavailableError):
            await rest_of(stream)
        await until(lambda: s.resolver.finished)

    (lost,) = s.resolver.lost
    ((_, finished),) = s.resolver.finished
    assert lost.usage.output_tokens == 2
    assert finished.error_reason == "SERVICE_UNAVAILABLE"
    assert s.executors[1].asked == []


async def test_what_was_lost_is_told_once_a_resolver_is_there():
    """One that went with the executor comes back."""
    async with stage(waiting(chunk("one ")), ending(chunk("two", "stop"))) as s:
        stream = await s.begin()
        await read(stream, 2)
        s.resolver.is_away = True
        await s.lose(0)
        await rest_of(stream)
        await until(lambda: s.resolver.lost)

    assert [each.ordinal for each in s.resolver.lost] == [1]


async def test_a_request_that_nobody_estimated_is_by_its_length():
    """Four bytes a token, as everywhere."""
    async with stage(waiting(chunk("one ")), ending(chunk("two", "stop"))) as s:
        made = await s.resolver.resolve_model(ASKED)
        asked = dataclasses.replace(ASKED, requirements=Requirements())
        body = b'{"messages": [' + b" " * 86
        stream = s.far.execute_stream(ExecuteRequest(made, body, asked=asked))
        await read(stream, 2)
        await s.lose(0)
        await rest_of(stream)
        await until(lambda: s.resolver.lost)

    assert s.resolver.lost[0].usage == Usage(25, 1)
