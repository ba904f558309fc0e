"""How a plan is walked: which failure leads to which next call."""

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta

import pytest

from fakes.clock import Clock
from fakes.plans import attempt, deployment, order, step
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
from holdfast.health import Rests, health_keys
from holdfast.model import Limits, Outcome, ScopedPolicy, StepReason
from holdfast.outcome import CONSEQUENCES, Then
from holdfast_executor.attempts import Empty, Order, Progress, Record
from holdfast_executor.dialects import ProviderError
from holdfast_executor.execution import Walk
from holdfast_executor.lessons import Lessons, Resting
from holdfast_executor.retry_budget import RetryBudget

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

    def __init__(
        self,
        plan: Order,
        *endings: ProviderError | Callable,
        lessons: Lessons | None = None,
    ) -> None:
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
        self._walk = Walk(self.progress, self._call, lessons)

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
    assert error.metadata == {
        "plan_id": "p1",
        "attempt_count": "3",
        "retry_after_seconds": "5",
        "revision": "",
    }


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


@pytest.mark.parametrize("outcome", [Outcome.TIMED_OUT, Outcome.UNUSABLE])
async def test_what_waiting_does_not_mend_is_not_asked_again(outcome):
    """A silent deployment and a wrong credential move on at once."""
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


DOWN = failure(Outcome.CONNECTION_FAILED)
SPOILT = failure(Outcome.PARSE_FAILED, http_status=200)


async def test_what_a_model_wrote_badly_is_asked_for_once_more():
    """It writes something else each time; the same deployment may get it right."""
    trip = Trip(order(A, B), SPOILT)

    assert await trip.go() == "a/m-eu answered"
    assert trip.called == ["a/m-eu", "a/m-eu"]


async def test_what_a_model_wrote_badly_twice_is_asked_of_the_next():
    """And each gets its second try."""
    trip = Trip(order(A, B, C), SPOILT, SPOILT, SPOILT)

    assert await trip.go() == "b/m-eu answered"
    assert trip.called == ["a/m-eu", "a/m-eu", "b/m-eu", "b/m-eu"]


async def test_asking_for_it_once_more_counts_among_all_attempts():
    """The bound on attempts holds."""
    trip = Trip(order(A, limits=Limits(max_attempts=1)), SPOILT, SPOILT)

    await trip.fail(AllAttemptsFailedError)

    assert trip.called == ["a/m-eu"]


PIN = step("a/m-eu", reason=StepReason.PINNED)
SOON = failure(
    Outcome.RATE_LIMITED, http_status=429, retry_after=timedelta(milliseconds=1)
)


@pytest.mark.parametrize(
    "outcome",
    [Outcome.RATE_LIMITED, Outcome.SERVER_ERROR, Outcome.CONNECTION_FAILED],
)
async def test_a_pinned_deployment_is_asked_again_without_being_told_to(outcome):
    """No other may take its place, so a passing fault is waited out."""
    trip = Trip(order(PIN), failure(outcome))

    assert await trip.go() == "a/m-eu answered"
    assert trip.told == [("a/m-eu", outcome)]


async def test_a_pinned_deployment_is_asked_three_times_at_most():
    """As often as SDKs do."""
    trip = Trip(order(PIN), DOWN, SOON, DOWN, DOWN)

    await trip.fail(AllDeploymentsUnavailableError)

    assert len(trip.called) == 3


@pytest.mark.parametrize(
    "ending",
    [
        failure(Outcome.TIMED_OUT),
        failure(Outcome.UNUSABLE, http_status=401),
        failure(Outcome.REJECTED, http_status=400),
        failure(Outcome.RATE_LIMITED, retry_after=timedelta(seconds=6)),
        failure(Outcome.SERVER_ERROR, retry_after=timedelta(days=1)),
    ],
    ids=["silent", "key", "request", "wait", "long-wait"],
)
async def test_a_pinned_deployment_is_not_asked_again_in_vain(ending):
    """Silence, a wrong key, a wrong request and long waits are told at once."""
    trip = Trip(order(PIN), ending)

    await trip.fail()

    assert trip.called == ["a/m-eu"]


@pytest.mark.parametrize(
    ("plan", "lessons"),
    [
        ({"limits": Limits(max_attempts=1)}, False),
        ({"seconds": 0.2}, False),
        ({}, True),
    ],
    ids=["attempts", "deadline", "budget"],
)
async def test_a_pinned_deployment_is_asked_again_within_all_bounds(plan, lessons):
    """The most attempts, the request's time, and the project's budget."""
    trip = Trip(order(PIN, **plan), DOWN, lessons=broke() if lessons else None)

    await trip.fail()

    assert trip.called == ["a/m-eu"]


async def test_a_silent_deployment_is_never_asked_twice():
    """Neither after a failure that is worth another try, nor before one."""
    limits = Limits(retries_per_deployment=5)
    trip = Trip(order(PIN, limits=limits), SOON, failure(Outcome.TIMED_OUT))

    await trip.fail()

    assert len(trip.called) == 2


class Door:
    """What can be closed, and knows whether it is."""

    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


def says_nothing(trip: list[Trip], door: Door | None = None):
    async def ending() -> Empty[str]:
        record = trip[0].records[-1]
        place = record.step.deployment.id
        return Empty(f"{place} is empty", record, None, (door or Door()).close)

    return ending


def quiet(plan: Order, *endings, door: Door | None = None) -> Trip:
    """Have a walk whose first call is answered without a word."""
    made: list[Trip] = []
    made.append(
        Trip(
            plan,
            *(
                says_nothing(made, door) if each is Empty else each
                for each in (Empty, *endings)
            ),
        )
    )
    return made[0]


async def test_an_empty_answer_is_bettered_by_the_next():
    """It is noted as no use, and let go of."""
    door = Door()
    trip = quiet(order(A, B), door=door)

    assert await trip.go() == "b/m-eu answered"
    assert trip.told == [("a/m-eu", Outcome.PARSE_FAILED)]
    assert trip.records[1].ordinal == 2
    assert door.closed


async def test_an_empty_answer_is_the_answer_where_there_is_no_next():
    """As it came, as a success."""
    door = Door()
    trip = quiet(order(A), door=door)

    assert await trip.go() == "a/m-eu is empty"
    assert trip.told == []
    assert not door.closed


async def test_two_empty_answers_agree():
    """A model that has nothing to say is not asked for it everywhere."""
    trip = quiet(order(A, B, C), Empty)

    assert await trip.go() == "b/m-eu is empty"
    assert trip.called == ["a/m-eu", "b/m-eu"]


@pytest.mark.parametrize(
    "ending", [failure(Outcome.SERVER_ERROR), failure(Outcome.REJECTED)]
)
async def test_an_empty_answer_is_better_than_an_error(ending):
    """And its attempt is told once."""
    trip = quiet(order(A, B), ending)

    assert await trip.go() == "a/m-eu is empty"
    trip.progress.end(attempt("a/m-eu", ordinal=trip.records[0].ordinal))
    assert trip.told == [
        ("a/m-eu", Outcome.PARSE_FAILED),
        ("b/m-eu", ending.outcome),
    ]
    assert len(trip.progress.begun) == 2


async def test_an_empty_answer_counts_among_all_attempts():
    """Where only one may be made it is the answer."""
    trip = quiet(order(A, B, limits=Limits(max_attempts=1)))

    assert await trip.go() == "a/m-eu is empty"


async def test_an_empty_answer_is_let_go_of_with_its_caller():
    """Nothing stays open behind a caller that goes away."""
    door, begun = Door(), asyncio.Event()

    async def waits():
        begun.set()
        await asyncio.Event().wait()

    trip = quiet(order(A, B), waits, door=door)
    walking = asyncio.create_task(trip.go())
    await begun.wait()

    walking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await walking
    assert door.closed


async def test_too_long_for_a_bucket_says_nothing_of_windows():
    """A deployment with the same window may have a larger bucket."""
    steps = [step(deployment(f"{p}/m", context_window_tokens=9)) for p in "ab"]
    trip = Trip(order(*steps), failure(Outcome.TOO_LONG, token_limit=5))

    assert await trip.go() == "b/m answered"


async def test_a_caller_is_never_told_to_wait_beyond_the_cap():
    """By then the gateway itself would try again."""
    limits = Limits(retry_after_cap=timedelta(seconds=20))
    limited = failure(Outcome.RATE_LIMITED, retry_after=timedelta(days=1))
    trip = Trip(order(A, limits=limits), limited)

    error = await trip.fail()

    assert error.metadata["retry_after_seconds"] == "20"


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

    await Trip(order(steps=reading()), failure(Outcome.SERVER_ERROR)).go()

    assert read == [A, B]


async def test_a_long_message_of_a_provider_is_cut_in_the_attempt():
    """Attempts travel in headers, which are bounded."""
    trip = Trip(order(A), ProviderError(Outcome.SERVER_ERROR, "x" * 5_000))

    error = await trip.fail()

    assert len(error.attempts[0].error_message) == 200


def resting_now(**seconds: float) -> Rests:
    """Say that providers' deployments rest, for how long each."""
    now_ms = Clock().now_ms()
    return Rests(
        b"1",
        {
            health_keys(deployment(f"{name}/m-eu")).deployment: now_ms + int(each * 1e3)
            for name, each in seconds.items()
        },
    )


def rests(**seconds: float) -> Resting:
    resting = Resting(Clock().now_ms)
    resting.hear(resting_now(**seconds))
    return resting


def broke(resting: Resting | None = None) -> Lessons:
    """Give lessons of a project that has used its budget up, in a moment."""
    budget = RetryBudget(clock=lambda: 0.0)
    caller = order().plan.caller
    budget.failed("whoever", Outcome.SERVER_ERROR)
    for _ in range(10):
        budget.fare(caller, "whoever", is_aside=True)
    return Lessons(resting or Resting(), budget)


def cooling(place: str, seconds: float):
    return step(
        place, reason=StepReason.LAST_RESORT, cooldown=timedelta(seconds=seconds)
    )


async def test_who_was_left_aside_since_the_plan_was_made_is_passed_over():
    """The plan was right when it was made; a healthy step follows."""
    trip = Trip(order(A, B, C), lessons=Lessons(rests(a=5)))

    assert await trip.go() == "b/m-eu answered"
    assert trip.called == ["b/m-eu"]


async def test_what_happens_while_a_step_is_tried_counts_for_the_next():
    """Health is looked at when a step's turn comes, and not before."""
    lessons = Lessons(rests())

    async def meanwhile() -> ProviderError:
        lessons.resting.hear(resting_now(b=5))
        return DOWN

    trip = Trip(order(A, B, C), meanwhile, lessons=lessons)

    await trip.go()
    assert trip.called == ["a/m-eu", "c/m-eu"]


async def test_those_left_aside_come_last_and_the_soonest_back_first():
    """Nobody is left out, whoever said that they rest."""
    plan = order(A, B, cooling("c/m-eu", 9))
    trip = Trip(plan, DOWN, DOWN, lessons=Lessons(rests(b=20)))

    await trip.go()
    assert trip.called == ["a/m-eu", "c/m-eu", "b/m-eu"]


async def test_when_all_rest_the_soonest_back_is_tried_once():
    """And nobody else, where all just failed and the budget is used up."""
    plan = order(cooling("a/m-eu", 9), cooling("b/m-eu", 3), cooling("c/m-eu", 7))
    lessons = broke()
    await Trip(plan, DOWN, DOWN, DOWN, lessons=lessons).fail()
    trip = Trip(plan, DOWN, lessons=lessons)

    error = await trip.fail(AllDeploymentsUnavailableError)

    assert trip.called == ["b/m-eu"]
    assert error.metadata["retry_after_seconds"] == "7"


async def test_one_that_rests_is_looked_at_where_the_budget_is_used_up():
    """If nobody has of late: it may be well, though nobody has said so."""
    lessons = broke(rests(c=20))
    trip = Trip(order(A, B, C), DOWN, DOWN, lessons=lessons)

    assert await trip.go() == "c/m-eu answered"


async def test_of_those_that_rest_one_that_has_just_failed_comes_last():
    """Though it be back soonest: it was not away for long."""
    lessons = Lessons(rests(a=1, b=20))
    await Trip(order(A), DOWN, lessons=lessons).fail()

    trip = Trip(order(A, B), lessons=lessons)

    assert await trip.go() == "b/m-eu answered"
    assert trip.called == ["b/m-eu"]


async def test_an_untried_healthy_deployment_is_tried_whatever_the_budget():
    """It is what the gateway is for."""
    trip = Trip(order(A, B, C), DOWN, DOWN, lessons=broke())

    assert await trip.go() == "c/m-eu answered"


async def test_where_the_last_call_failed_another_costs_the_budget():
    """A project that has none left goes on to who answers."""
    lessons = broke()
    await Trip(order(B), DOWN, lessons=lessons).fail()

    trip = Trip(order(A, B, C), DOWN, lessons=lessons)

    assert await trip.go() == "c/m-eu answered"
    assert trip.called == ["a/m-eu", "c/m-eu"]


async def test_extra_tries_cost_the_budget():
    """The same deployment has just failed."""
    plan = order(A, limits=Limits(retries_per_deployment=2))

    trip = Trip(plan, DOWN, DOWN, DOWN, lessons=broke())

    await trip.fail()
    assert len(trip.called) == 1


PROBE = step("p/m-eu", reason=StepReason.PROBE)


@pytest.mark.parametrize("outcome", [*MOVES_ON, *ENDS, Outcome.FILTERED])
async def test_whatever_is_wrong_with_a_probe_the_next_step_is_tried(outcome):
    """The caller did not ask for it, and sees a fallback at most."""
    trip = Trip(order(PROBE, A), failure(outcome), lessons=Lessons(rests(p=5)))

    assert await trip.go() == "a/m-eu answered"
    assert trip.called == ["p/m-eu", "a/m-eu"]


async def test_a_probe_takes_no_attempt_from_the_caller():
    """With one attempt allowed, the healthy step still has it."""
    limits = Limits(max_attempts=1, retries_per_deployment=2)
    trip = Trip(order(PROBE, A, limits=limits), failure(Outcome.RATE_LIMITED))

    assert await trip.go() == "a/m-eu answered"
    assert trip.called == ["p/m-eu", "a/m-eu"]


async def test_a_probe_gets_less_time_than_others():
    """Half of the limit, and a third of what is left of the request."""
    trip = Trip(order(PROBE, A, seconds=12), DOWN)

    await trip.go()
    probe, other = trip.records

    assert probe.limits.first_token_timeout == timedelta(seconds=15)
    assert probe.patience_s == pytest.approx(4, abs=0.5)
    assert other.limits == Limits()
    assert other.patience_s > 12
