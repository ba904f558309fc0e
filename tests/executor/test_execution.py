"""How a plan is walked: which failure leads to which next call."""

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta

import pytest

from fakes.clock import Clock
from fakes.plans import deployment, order, step
from holdfast.errors import (
    AllAttemptsFailedError,
    AllDeploymentsUnavailableError,
    ContentFilteredError,
    ContextLengthExceededError,
    DeadlineExceededError,
    ExecutionError,
    GatewayError,
    PlanRefusedError,
    ProviderRejectedRequestError,
)
from holdfast.model import Limits, Outcome, ScopedPolicy
from holdfast.outcome import CONSEQUENCES, Then
from holdfast_executor.dialects import ProviderError
from holdfast_executor.execution import Order, Progress, Record, Walk

EU = ScopedPolicy("project web", geographies=frozenset({"eu"}))
A, B, C = (step(f"{p}/m-eu") for p in "abc")
RETRYING = functools.partial(Limits, retries_per_deployment=2)

MOVES_ON = [o for o in Outcome if CONSEQUENCES[o].then is Then.NEXT_STEP]
ENDS = [
    o
    for o in Outcome
    if CONSEQUENCES[o].then is Then.RETURN and o is not Outcome.SUCCEEDED
]


def failure(outcome: Outcome, **facts) -> ProviderError:
    return ProviderError(outcome, f"it was {outcome.name}", **facts)


class Trip:
    """A walk whose calls end as they are told, in turn; the rest answer."""

    def __init__(self, plan: Order, *endings: ProviderError | Callable) -> None:
        self.called: list[str] = []
        self.records: list[Record] = []
        self.told: list[tuple[str, Outcome]] = []
        self._endings = list(endings)
        self.progress = Progress(
            plan,
            lambda _, attempt: self.told.append(
                (attempt.deployment_id, attempt.outcome)
            ),
            Clock().now_ms,
        )
        self._walk = Walk(self.progress, self._call)

    async def go(self) -> str:
        return await self._walk.go()

    async def fail(self, kind: type[GatewayError] = ExecutionError) -> GatewayError:
        with pytest.raises(kind) as raised:
            await self.go()
        return raised.value

    async def _call(self, record: Record) -> str | ProviderError:
        place = record.step.deployment.id
        self.called.append(place)
        self.records.append(record)
        ending = self._endings.pop(0) if self._endings else f"{place} answered"
        return await ending() if callable(ending) else ending


async def test_the_first_step_that_answers_is_the_answer():
    """Nothing else is called, and its attempt is left to who takes the answer."""
    trip = Trip(order(A, B))

    assert await trip.go() == "a/m-eu answered"
    assert trip.called == ["a/m-eu"]
    assert trip.progress.attempts == []


@pytest.mark.parametrize("outcome", MOVES_ON)
async def test_a_failure_of_the_deployment_moves_on(outcome):
    """Rate limits, server errors, lost connections and the like are not the end."""
    trip = Trip(order(A, B), failure(outcome))

    assert await trip.go() == "b/m-eu answered"
    assert trip.told == [("a/m-eu", outcome)]
    assert trip.records[1].ordinal == 2


@pytest.mark.parametrize("outcome", ENDS)
async def test_a_failure_of_the_request_ends_it(outcome):
    """What would be refused everywhere is asked nowhere else."""
    trip = Trip(order(A, B), failure(outcome))

    error = await trip.fail()

    assert trip.called == ["a/m-eu"]
    assert [a.outcome for a in error.attempts] == [outcome]


async def test_a_refusal_is_told_in_the_providers_words():
    """A 400 of the caller's own making keeps its message."""
    trip = Trip(order(A, B), failure(Outcome.REJECTED, http_status=400))

    error = await trip.fail(ProviderRejectedRequestError)

    assert error.message == "it was REJECTED"


async def test_all_steps_failing_is_told_with_every_attempt():
    """In the order they were made."""
    trip = Trip(
        order(A, B, C),
        failure(Outcome.SERVER_ERROR, http_status=500),
        failure(Outcome.CONNECTION_FAILED),
        failure(Outcome.RATE_LIMITED, http_status=429),
    )

    error = await trip.fail(AllAttemptsFailedError)

    assert [(a.ordinal, a.deployment_id, a.http_status) for a in error.attempts] == [
        (1, "a/m-eu", 500),
        (2, "b/m-eu", 0),
        (3, "c/m-eu", 429),
    ]
    assert error.metadata == {"plan_id": "p1", "attempt_count": "3"}


async def test_no_more_attempts_are_made_than_allowed():
    """However many steps there are."""
    down = failure(Outcome.CONNECTION_FAILED)
    trip = Trip(order(A, B, C, limits=Limits(max_attempts=2)), down, down, down)

    await trip.fail(AllDeploymentsUnavailableError)

    assert trip.called == ["a/m-eu", "b/m-eu"]


async def test_the_same_deployment_is_asked_again_where_the_limits_say():
    """Extra tries come before the next step, and each is an attempt."""
    down = failure(Outcome.CONNECTION_FAILED)
    trip = Trip(order(A, B, limits=Limits(retries_per_deployment=1)), down, down)

    assert await trip.go() == "b/m-eu answered"
    assert trip.called == ["a/m-eu", "a/m-eu", "b/m-eu"]
    assert [record.ordinal for record in trip.records] == [1, 2, 3]


async def test_an_extra_try_may_answer():
    """Then nobody else is asked."""
    trip = Trip(
        order(A, B, limits=RETRYING()),
        failure(Outcome.RATE_LIMITED, retry_after=timedelta(milliseconds=1)),
    )

    assert await trip.go() == "a/m-eu answered"


async def test_extra_tries_count_among_all_attempts():
    """The bound on attempts holds for them too."""
    down = failure(Outcome.SERVER_ERROR)
    limits = Limits(retries_per_deployment=5, max_attempts=2)
    trip = Trip(order(A, B, limits=limits), down, down, down)

    await trip.fail()

    assert trip.called == ["a/m-eu", "a/m-eu"]


@pytest.mark.parametrize(
    "outcome", [Outcome.TIMED_OUT, Outcome.UNUSABLE, Outcome.PARSE_FAILED]
)
async def test_what_waiting_does_not_mend_is_not_asked_again(outcome):
    """A silent deployment, a wrong credential and bad output move on at once."""
    trip = Trip(order(A, B, limits=RETRYING()), failure(outcome))

    await trip.go()

    assert trip.called == ["a/m-eu", "b/m-eu"]


@pytest.mark.parametrize(
    ("asks", "cap", "deadline"), [(61, 60, 600), (5, 60, 2)], ids=["cap", "deadline"]
)
async def test_a_wait_that_is_too_long_is_not_waited(asks, cap, deadline):
    """Beyond the cap or the request's own end, the next step is the better try."""
    limits = Limits(retries_per_deployment=1, retry_after_cap=timedelta(seconds=cap))
    limited = failure(Outcome.RATE_LIMITED, retry_after=timedelta(seconds=asks))
    trip = Trip(order(A, B, limits=limits, seconds=deadline), limited)

    assert await trip.go() == "b/m-eu answered"


async def test_a_step_outside_the_policy_is_never_called():
    """Even a signed plan is not believed over the policies it bears."""
    trip = Trip(order(step("u/m-us"), A, policies=(EU,)))

    assert await trip.go() == "a/m-eu answered"
    assert trip.called == ["a/m-eu"]


async def test_a_plan_with_no_step_inside_the_policy_is_refused():
    """It is a fault of the plan and not of any provider."""
    trip = Trip(order(step("u/m-us"), step("x/m"), policies=(EU,)))

    await trip.fail(PlanRefusedError)

    assert trip.called == []


async def test_too_long_a_request_is_only_asked_of_larger_windows():
    """What takes no more than what was too small is passed over."""
    windows = [("a", 100), ("b", 100), ("c", 50), ("d", 200), ("e", 0)]
    steps = [
        step(deployment(f"{p}/m", context_window_tokens=size)) for p, size in windows
    ]
    long = failure(Outcome.TOO_LONG)
    trip = Trip(order(*steps), long, long)

    assert await trip.go() == "e/m answered"
    assert trip.called == ["a/m", "d/m", "e/m"]


async def test_window_sizes_matter_only_after_too_long():
    """Another failure passes over nobody."""
    steps = [step(deployment(f"{p}/m", context_window_tokens=9)) for p in "ab"]
    trip = Trip(order(*steps), failure(Outcome.SERVER_ERROR))

    assert await trip.go() == "b/m answered"


async def test_a_request_too_long_for_all_is_told_so():
    """In the words of who took the most."""
    steps = [step(deployment(f"{p}/m", context_window_tokens=9)) for p in "ab"]
    trip = Trip(order(*steps), failure(Outcome.TOO_LONG))

    error = await trip.fail(ContextLengthExceededError)

    assert error.message == "it was TOO_LONG"


@pytest.mark.parametrize(("falls_back", "called"), [(False, 1), (True, 2)])
async def test_a_content_filter_ends_the_request_unless_the_policy_says(
    falls_back, called
):
    """A refusal is an answer; a project may choose to ask elsewhere."""
    limits = Limits(fall_back_on_content_filter=falls_back)
    filtered = failure(Outcome.FILTERED)
    trip = Trip(order(A, B, limits=limits), filtered, filtered)

    await trip.fail(ContentFilteredError)

    assert len(trip.called) == called


async def test_a_failure_at_the_deadline_is_the_callers_time_and_not_the_deployments():
    """The attempt counts as cancelled, so that no deployment is blamed for it."""
    timed_out = failure(Outcome.TIMED_OUT)
    trip = Trip(order(A, B, seconds=0), timed_out)

    error = await trip.fail(DeadlineExceededError)

    assert trip.told == [("a/m-eu", Outcome.CANCELLED)]
    assert len(error.attempts) == 1


async def test_a_timer_that_rings_early_counts_as_the_deadline():
    """Event loops count in milliseconds; half of one is not the deployment's fault."""
    trip = Trip(order(A, B, seconds=0.0005), failure(Outcome.TIMED_OUT))

    await trip.fail(DeadlineExceededError)

    assert trip.told == [("a/m-eu", Outcome.CANCELLED)]


async def test_a_caller_that_goes_away_is_recorded_and_blames_nobody():
    """Cancelling the walk cancels the call under way."""
    begun = asyncio.Event()

    async def waits():
        begun.set()
        await asyncio.Event().wait()

    trip = Trip(order(A, B), waits)
    walking = asyncio.create_task(trip.go())
    await begun.wait()

    walking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await walking
    assert trip.told == [("a/m-eu", Outcome.CANCELLED)]


async def test_an_answer_that_crashes_its_reader_is_a_failed_attempt():
    """What no dialect foresaw moves on like any other bad answer."""

    async def crashes():
        raise KeyError("surprise")

    trip = Trip(order(A, B), crashes)

    assert await trip.go() == "b/m-eu answered"
    assert trip.told == [("a/m-eu", Outcome.PARSE_FAILED)]


async def test_steps_are_read_only_as_far_as_they_are_needed():
    """The tail of a plan costs nothing until it is reached."""
    read = []

    def reading():
        for each in (A, B, C):
            read.append(each)
            yield each

    plan = order()
    lazily = Order(**{**_fields(plan), "steps": reading()})

    await Trip(lazily, failure(Outcome.SERVER_ERROR)).go()

    assert read == [A, B]


def _fields(plan: Order) -> dict:
    return {name: getattr(plan, name) for name in Order.__slots__}


async def test_a_long_message_of_a_provider_is_cut_in_the_attempt():
    """Attempts travel in headers, which are bounded."""
    trip = Trip(order(A), ProviderError(Outcome.SERVER_ERROR, "x" * 5_000))

    error = await trip.fail()

    assert len(error.attempts[0].error_message) == 200
