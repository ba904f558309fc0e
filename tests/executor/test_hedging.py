"""A second deployment is asked beside one that shows nothing."""

import asyncio
import dataclasses
import functools
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from fakes.clock import Clock
from fakes.plans import CALLER, order, step
from fakes.scene import COST, WITH_USAGE, messages, scene, text
from fakes.scripted_provider import (
    ROLE,
    SILENCE,
    USAGE_EVENT,
    completion,
    delta,
    stream,
    streamed,
)
from holdfast.errors import (
    AllAttemptsFailedError,
    ContentFilteredError,
    DeadlineExceededError,
    ExecutionError,
    ProviderRejectedRequestError,
)
from holdfast.events import data_of
from holdfast.health import Rests, health_keys
from holdfast.model import (
    Hedge,
    Limits,
    Outcome,
    Pricing,
    ScopedPolicy,
    StepReason,
    Usage,
)
from holdfast_executor.attempts import Empty, Order, Progress, Record
from holdfast_executor.dialects import ProviderError
from holdfast_executor.execution import Walk
from holdfast_executor.hedging import HedgeBudget
from holdfast_executor.lessons import Lessons, Resting

SOON = Hedge(timedelta(milliseconds=1), max_share=1.0)
HEDGED = Limits(hedge=SOON)
hedged = functools.partial(order, limits=HEDGED)
A, B, C = (step(f"{p}/m-eu") for p in "abc")


def failure(outcome: Outcome, **facts) -> ProviderError:
    return ProviderError(outcome, f"it was {outcome.name}", **facts)


class Duel:
    """A walk whose deployments do what the test says, each by its first letter."""

    def __init__(
        self, plan: Order, lessons: Lessons | None = None, **acts: Callable
    ) -> None:
        self.called: list[str] = []
        self.records: dict[str, Record] = {}
        self.told: list[tuple[str, Outcome]] = []
        self.dropped: list[str] = []
        self.lessons = lessons or Lessons()
        self._acts = acts
        self._began = {name: asyncio.Event() for name in "abcp"}
        self.progress = Progress(
            plan,
            lambda _, each: self.told.append((each.deployment_id[0], each.outcome)),
            Clock().now_ms,
        )
        self._walk = Walk(self.progress, self._call, self.lessons, self._drop)

    async def go(self) -> str:
        """Walk, and see that nothing is left running."""
        before = asyncio.all_tasks()
        try:
            return await self._walk.go()
        finally:
            assert asyncio.all_tasks() <= before

    def began(self, name: str):
        return self._began[name].wait()

    async def _call(self, record: Record):
        name = record.step.deployment.id[0]
        self.called.append(name)
        self.records[name] = record
        self._began[name].set()
        act = self._acts.get(name)
        return f"{name} answered" if act is None else await act(self, record)

    async def _drop(self, answer: str) -> None:
        self.dropped.append(answer)


async def answers(_duel, record):
    """Answer at once."""
    return f"{record.step.deployment.id[0]} answered"


async def silent(_duel, _record):
    """Show nothing, until called off."""
    await asyncio.Event().wait()


def fails(outcome: Outcome, **facts):
    """Fail at once."""

    async def act(_duel, _record):
        return failure(outcome, **facts)

    return act


def after(other: str, then=None):
    """Do something a moment after another has been asked; answer, if nothing else."""

    async def act(duel, record):
        await duel.began(other)
        await asyncio.sleep(0.01)
        return await (then or answers)(duel, record)

    return act


def says_nothing(duel, record):
    """Answer without a word."""

    async def close() -> None:
        duel.dropped.append(record.step.deployment.id[0])

    async def act():
        return Empty(f"{record.step.deployment.id[0]} is empty", record, None, close)

    return act()


async def test_whoever_answers_first_serves():
    """The silent one is called off, and both are attempts of the request."""
    duel = Duel(hedged(A, B, C), a=silent)

    assert await duel.go() == "b answered"
    assert duel.called == ["a", "b"]
    assert duel.told == [("a", Outcome.CANCELLED)]
    assert [record.ordinal for record in duel.progress.begun] == [1, 2]
    counts = duel.lessons.hedges.counts
    assert (counts.made, counts.won, counts.refused) == (1, 1, 0)


async def test_the_first_may_still_be_the_faster():
    """Then the second is called off."""
    duel = Duel(hedged(A, B), a=after("b"), b=silent)

    assert await duel.go() == "a answered"
    assert duel.told == [("b", Outcome.CANCELLED)]
    assert duel.lessons.hedges.counts.won == 0


async def test_nobody_is_asked_beside_one_that_answers_in_time():
    """A hedge is for silence."""
    duel = Duel(order(A, B, limits=Limits(hedge=Hedge(max_share=1.0))))

    assert await duel.go() == "a answered"
    assert duel.called == ["a"]


@pytest.mark.parametrize("outcome", [Outcome.SERVER_ERROR, Outcome.RATE_LIMITED])
@pytest.mark.parametrize(("fails_first", "serves"), ["ab", "ba"])
async def test_a_failure_of_one_lets_the_other_go_on(outcome, fails_first, serves):
    """And is told as any failure."""
    other = "b" if fails_first == "a" else "a"
    acts = {fails_first: after("b", fails(outcome)), serves: after(other, later)}
    duel = Duel(hedged(A, B, C), **acts)

    assert await duel.go() == f"{serves} answered"
    assert sorted(duel.called) == ["a", "b"]
    assert duel.told == [(fails_first, outcome)]


async def later(duel, record):
    """Answer after whoever waited for the same."""
    await asyncio.sleep(0.05)
    return f"{record.step.deployment.id[0]} answered"


async def test_where_both_fail_the_next_is_tried():
    """Nobody twice."""
    down = fails(Outcome.CONNECTION_FAILED)
    duel = Duel(hedged(A, B, C), a=after("b", down), b=down)

    assert await duel.go() == "c answered"
    assert duel.called == ["a", "b", "c"]
    assert duel.records["c"].ordinal == 3


async def test_where_all_fail_every_attempt_is_told():
    """Those that were made side by side too."""
    down = fails(Outcome.SERVER_ERROR, http_status=500)
    duel = Duel(hedged(A, B, C), a=after("b", down), b=down, c=down)

    with pytest.raises(AllAttemptsFailedError) as raised:
        await duel.go()
    assert sorted(each.deployment_id[0] for each in raised.value.attempts) == [*"abc"]


async def test_what_ends_the_request_ends_it_for_both():
    """A refusal of what was asked is told at once, and nobody else is heard."""
    duel = Duel(hedged(A, B), a=after("b", fails(Outcome.REJECTED)), b=silent)

    with pytest.raises(ProviderRejectedRequestError) as raised:
        await duel.go()
    assert duel.told == [("a", Outcome.REJECTED), ("b", Outcome.CANCELLED)]
    assert raised.value.metadata["deployment_id"] == "a/m-eu"


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.FILTERED])
async def test_what_the_second_refuses_is_not_told_while_the_first_may_answer(outcome):
    """Without a hedge it would not have been asked."""
    duel = Duel(hedged(A, B), a=after("b", later), b=fails(outcome))

    assert await duel.go() == "a answered"


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (Outcome.REJECTED, ProviderRejectedRequestError),
        (Outcome.FILTERED, ContentFilteredError),
    ],
)
async def test_what_the_second_refuses_ends_the_request_if_the_first_fails(
    outcome, error
):
    """It is not asked of a third, and told in the second one's words."""
    a = after("b", fails(Outcome.SERVER_ERROR, http_status=500))
    duel = Duel(hedged(A, B, C), a=a, b=fails(outcome))

    with pytest.raises(error) as raised:
        await duel.go()
    assert duel.called == ["a", "b"]
    assert raised.value.metadata["deployment_id"] == "b/m-eu"


async def test_only_one_attempt_is_made_beside_another():
    """However long both show nothing."""
    duel = Duel(hedged(A, B, C), a=silent, b=after("a", later))

    assert await duel.go() == "b answered"
    assert duel.called == ["a", "b"]


async def test_a_later_attempt_has_none_beside_it():
    """The request has had one failure; its time is for those that are left."""
    down = fails(Outcome.CONNECTION_FAILED)
    duel = Duel(hedged(A, B, C), a=down, b=after("a", later))

    assert await duel.go() == "b answered"
    assert duel.called == ["a", "b"]


async def test_a_wait_before_the_same_is_asked_again_is_no_silence():
    """It has said something: that it failed."""
    limits = Limits(retries_per_deployment=1, hedge=SOON)
    endings = [failure(Outcome.CONNECTION_FAILED), "a answered"]

    async def fails_once(_duel, _record):
        return endings.pop(0)

    duel = Duel(order(A, B, limits=limits), a=fails_once)

    assert await duel.go() == "a answered"
    assert duel.called == ["a", "a"]


async def test_policy_holds_for_whoever_is_asked_beside_another():
    """The next that is allowed is asked, and none that is not."""
    eu = ScopedPolicy("project web", geographies=frozenset({"eu"}))
    duel = Duel(hedged(A, step("u/m-us"), step("x/m"), C, policies=(eu,)), a=silent)

    assert await duel.go() == "c answered"
    assert duel.called == ["a", "c"]


async def test_where_policy_allows_nobody_else_the_first_is_waited_for():
    """Silence is no reason to send data elsewhere."""
    eu = ScopedPolicy("project web", geographies=frozenset({"eu"}))
    duel = Duel(hedged(A, step("b/m-us"), policies=(eu,)), a=late)

    assert await duel.go() == "a answered"
    assert duel.called == ["a"]


async def late(duel, record):
    """Answer long after a hedge would have begun."""
    await asyncio.sleep(0.05)
    return f"{record.step.deployment.id[0]} answered"


def resting() -> Lessons:
    """Say that `b` rests."""
    heard = Resting(Clock().now_ms)
    until_ms = Clock().now_ms() + 5_000
    heard.hear(Rests(b"1", {health_keys(B.deployment).deployment: until_ms}))
    return Lessons(heard)


def failing_now() -> Lessons:
    """Say that `b` has just failed."""
    lessons = Lessons()
    lessons.budget.failed("b/m-eu", Outcome.SERVER_ERROR)
    return lessons


COOLING = step("b/m-eu", reason=StepReason.LAST_RESORT, cooldown=timedelta(seconds=9))
PROBING = step("b/m-eu", reason=StepReason.PROBE)


@pytest.mark.parametrize(
    ("second", "lessons"),
    [
        (COOLING, Lessons),
        (PROBING, Lessons),
        (B, resting),
        (B, failing_now),
        (A, Lessons),
    ],
    ids=["cooling", "probe", "left aside since", "failing", "the same"],
)
async def test_only_a_healthy_other_is_asked_beside_the_first(second, lessons):
    """A hedge is to help, and not to find out."""
    duel = Duel(hedged(A, second), lessons(), a=late)

    assert await duel.go() == "a answered"
    assert duel.called == ["a"]


async def test_nobody_is_asked_beside_a_probe():
    """It has a limit of its own, and the next step after it."""
    probe = step("p/m-eu", reason=StepReason.PROBE)

    async def gives_up(duel, record):
        await asyncio.sleep(0.02)
        return failure(Outcome.TIMED_OUT)

    duel = Duel(hedged(probe, A, B), p=gives_up, a=silent)

    assert await duel.go() == "b answered"
    assert duel.called == ["p", "a", "b"]


async def test_an_attempt_beside_another_counts_among_all():
    """Where only one may be made there is none beside it."""
    duel = Duel(order(A, B, limits=Limits(max_attempts=1, hedge=SOON)), a=late)

    assert await duel.go() == "a answered"
    assert duel.called == ["a"]


async def test_a_projects_share_bounds_its_hedges():
    """Five of a hundred requests are slow; the share allows four hedges by then."""
    lessons = Lessons()
    limits = Limits(hedge=Hedge(timedelta(milliseconds=1), max_share=0.045))
    answers = []
    for number in range(100):
        acts = {"a": late} if number % 20 == 19 else {}
        duel = Duel(order(A, B, limits=limits), lessons, **acts)
        answers.append(await duel.go())

    assert answers.count("b answered") == 4
    assert (lessons.hedges.counts.made, lessons.hedges.counts.refused) == (4, 1)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3, 1.0])
def test_hedges_are_never_more_than_the_share_of_the_requests_so_far(share):
    """Not in a burst either, and nearly all of the share can be used."""
    budget = HedgeBudget()
    made = 0

    for requests in range(1, 1_001):
        budget.open(CALLER, share)
        made += budget.take(CALLER)
        assert made <= requests * share + 1e-6

    assert made >= 1_000 * share - 1


def test_a_quiet_time_saves_up_ten_hedges_at_most():
    """Whatever was not used before is no reason for a flood."""
    budget = HedgeBudget()
    for _ in range(10_000):
        budget.open(CALLER, 0.5)

    assert [budget.take(CALLER) for _ in range(11)] == [True] * 10 + [False]


async def test_a_caller_that_goes_away_ends_both():
    """And blames neither."""
    duel = Duel(hedged(A, B), a=silent, b=silent)
    going = asyncio.create_task(duel.go())
    await duel.began("b")

    going.cancel()

    with pytest.raises(asyncio.CancelledError):
        await going
    assert sorted(duel.told) == [("a", Outcome.CANCELLED), ("b", Outcome.CANCELLED)]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_caller_that_goes_away_as_the_second_answers_leaves_nothing_open():
    """The answer that nobody takes is let go of."""
    going: list[asyncio.Task[str]] = []

    async def answers(duel, record):
        going[0].cancel()
        return "b answered"

    duel = Duel(hedged(A, B), a=silent, b=answers)
    going.append(asyncio.create_task(duel.go()))

    with pytest.raises(asyncio.CancelledError):
        await going[0]
    assert duel.dropped == ["b answered"]
    assert sorted(duel.told) == [("a", Outcome.CANCELLED), ("b", Outcome.CANCELLED)]


async def test_an_answer_that_comes_at_the_same_moment_is_let_go_of():
    """One is served, the other closed; both are told."""
    both = asyncio.Event()

    async def waits(duel, record):
        if record.step is B:
            both.set()
        await both.wait()
        return f"{record.step.deployment.id[0]} answered"

    duel = Duel(hedged(A, B), a=waits, b=waits)

    answer = await duel.go()

    lost = {"a answered": "b", "b answered": "a"}[answer]
    assert duel.told == [(lost, Outcome.CANCELLED)]
    assert duel.dropped in ([], [f"{lost} answered"])


async def test_an_attempts_own_time_limit_is_its_own():
    """A second that fails by a timer neither ends the first nor is taken for it."""

    async def times_out(duel, record):
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return failure(Outcome.TIMED_OUT)

    duel = Duel(hedged(A, B, C), a=times_out, b=after("a", times_out))

    assert await duel.go() == "c answered"
    assert duel.told == [("a", Outcome.TIMED_OUT), ("b", Outcome.TIMED_OUT)]


async def test_a_time_limit_around_it_all_is_told_from_being_beaten():
    """Whoever set it sees it run out."""
    duel = Duel(hedged(A, B), a=silent, b=silent)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await duel.go()

    assert sorted(duel.told) == [("a", Outcome.CANCELLED), ("b", Outcome.CANCELLED)]
    assert asyncio.current_task().cancelling() == 0


async def test_being_beaten_leaves_no_trace_in_the_task():
    """Who waits for the answer can be cancelled as ever."""
    duel = Duel(hedged(A, B), a=silent)

    await duel.go()

    assert asyncio.current_task().cancelling() == 0


async def test_the_requests_own_end_ends_both():
    """Both ran out of the caller's time, and neither is to blame."""

    async def to_the_end(duel, record):
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, record.deadline - now))
        return failure(Outcome.TIMED_OUT)

    duel = Duel(hedged(A, B, seconds=0.1), a=to_the_end, b=to_the_end)

    with pytest.raises(DeadlineExceededError):
        await duel.go()
    assert sorted(duel.told) == [("a", Outcome.CANCELLED), ("b", Outcome.CANCELLED)]


SPOILT = Outcome.PARSE_FAILED


@pytest.mark.parametrize(
    ("first", "second", "served", "told", "dropped"),
    [
        (says_nothing, later, "b answered", [("a", SPOILT)], ["a"]),
        (None, says_nothing, "a answered", [("b", SPOILT)], ["b"]),
        (says_nothing, says_nothing, "b is empty", [("a", SPOILT)], ["a"]),
        (
            fails(Outcome.SERVER_ERROR),
            says_nothing,
            "c answered",
            [("a", Outcome.SERVER_ERROR), ("b", SPOILT)],
            ["b"],
        ),
        (
            fails(Outcome.REJECTED),
            says_nothing,
            "b is empty",
            [("a", Outcome.REJECTED)],
            [],
        ),
        (
            says_nothing,
            fails(Outcome.REJECTED),
            "a is empty",
            [("b", Outcome.REJECTED)],
            [],
        ),
    ],
)
async def test_an_answer_without_a_word_is_bettered_by_the_other(
    first, second, served, told, dropped
):
    """As it is where one comes after the other."""
    duel = Duel(hedged(A, B, C), a=after("b", first), b=second)

    assert await duel.go() == served
    assert duel.told == told
    assert duel.dropped == dropped


async def test_what_the_other_used_is_in_the_cost():
    """What is known of it by then."""
    priced = [
        step(dataclasses.replace(each.deployment, pricing=Pricing(1_000_000, 0, 0, 0)))
        for each in (A, B)
    ]

    async def has_used(duel, record):
        record.usage = Usage(input_tokens=500)
        await silent(duel, record)

    duel = Duel(hedged(*priced), a=has_used)

    await duel.go()

    assert duel.progress.attempts[0].cost_usd_nanos == 500_000
    assert duel.records["b"].total_cost_usd_nanos(Usage(100)) == 600_000


BEGUN = stream(ROLE, USAGE_EVENT, holds=True)
"""It has read the prompt, said what that comes to, and says no more."""


async def test_a_silent_stream_is_answered_by_another():
    """The caller sees one stream, and the provider that was silent is hung up on."""
    async with scene(SILENCE, streamed("Hello")) as s:
        taken = await messages(s.stream(limits=HEDGED))
        await asyncio.wait_for(s.providers[0].hung_up.wait(), 10)

    assert text(taken) == "Hello"
    assert taken[0].served.deployment_id == "b/m-eu"
    assert taken[0].served.attempt_count == 2
    assert taken[-1].completed.cost_usd_nanos == COST
    assert s.outcomes == [("a/m-eu", Outcome.CANCELLED), ("b/m-eu", Outcome.SUCCEEDED)]


async def test_a_silent_call_is_answered_by_another():
    """So is one that is not streamed."""
    async with scene(SILENCE, completion("Hello")) as s:
        response = await s.execute(limits=HEDGED)
        await asyncio.wait_for(s.providers[0].hung_up.wait(), 10)

    assert response.served.deployment_id == "b/m-eu"
    assert response.served.attempt_count == 2
    assert [each.outcome for each in response.attempts] == [
        Outcome.CANCELLED,
        Outcome.SUCCEEDED,
    ]


async def test_what_a_stream_that_was_called_off_had_used_is_charged():
    """In the usage that the caller sees, and on the attempt."""
    async with scene(BEGUN, streamed("Hello")) as s:
        taken = await messages(s.stream(WITH_USAGE, limits=HEDGED))

    (usage,) = [
        chunk["usage"]
        for message in taken
        for data in data_of(message.chunks.events)
        if (chunk := msgspec.json.decode(data)).get("usage")
    ]
    assert s.told[0].outcome is Outcome.CANCELLED
    assert s.told[0].cost_usd_nanos == COST
    assert usage["cost"] == 2 * COST / 1e9
    assert taken[-1].completed.cost_usd_nanos == 2 * COST


async def test_once_there_is_content_nobody_is_asked_beside_it():
    """However slowly the rest comes."""
    limits = dataclasses.replace(HEDGED, idle_timeout=timedelta(milliseconds=100))
    begun = stream(ROLE, delta(content="Hel"), holds=True)
    fast = dataclasses.replace(
        limits, rescue_streams=False, hedge=Hedge(timedelta(seconds=1), max_share=1.0)
    )
    async with scene(begun, streamed("Hello")) as s:
        with pytest.raises(ExecutionError):
            await messages(s.stream(limits=fast))

    assert s.providers[1].taken == []


async def test_a_stream_that_was_hedged_is_rescued_as_any():
    """By whoever has not been asked yet."""
    cut = stream(ROLE, delta(content="one "), delta(content="two "))
    async with scene(SILENCE, cut, streamed("one ", "two ", "three")) as s:
        taken = await messages(s.stream(limits=HEDGED))

    assert text(taken) == "one two three"
    assert s.outcomes == [
        ("a/m-eu", Outcome.CANCELLED),
        ("b/m-eu", Outcome.INTERRUPTED),
        ("c/m-eu", Outcome.SUCCEEDED),
    ]
    assert [each.ordinal for each in s.told] == [1, 2, 3]
