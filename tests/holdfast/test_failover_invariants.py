"""What holds however deployments fail: real plans, really walked, of random worlds.

Every deployment follows a script of its own and time passes at once, so that
thousands of requests with silences, hedges and waits take seconds.
"""

import asyncio
import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from fakes.clock import Clock
from fakes.instant_loop import on_instant_loop
from fakes.plans import CALLER, deployment, membership, model, names, stands, step
from fakes.plans import plan as make_plan
from holdfast.errors import (
    DeadlineExceededError,
    GatewayError,
    NoDeploymentAllowedError,
)
from holdfast.health import Rests, health_keys
from holdfast.model import (
    Attempt,
    Hedge,
    Limits,
    Outcome,
    Plan,
    Requirements,
    ScopedPolicy,
)
from holdfast.outcome import CONSEQUENCES, Then
from holdfast.policy import objection
from holdfast.settings import Defaults
from holdfast_executor.attempts import Empty, Order, Progress, Record
from holdfast_executor.dialects import ProviderError
from holdfast_executor.execution import Walk
from holdfast_executor.lessons import Lessons, Resting
from holdfast_executor.retry_budget import RetryBudget
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.directory import Membership, Objection
from holdfast_resolver.expansion import expand
from holdfast_resolver.planner import Planner, Question
from holdfast_resolver.probing import probing
from holdfast_resolver.sessions import binding_key, session_key
from holdfast_resolver.stores import MemorySessionStore
from holdfast_resolver.warmth import Warmth

PROVIDERS = "abcdef"
GEOGRAPHIES = ["", "eu", "us", "global"]
MODELS = ["m", "n"]
IDS = [
    f"{p}/{m}-{g}".rstrip("-") for p in PROVIDERS for m in MODELS for g in GEOGRAPHIES
]
EMPTY, ANSWER = "an answer without a word", "an answer"
ENDINGS = [
    ANSWER,
    EMPTY,
    *(o for o in Outcome if o not in (Outcome.SUCCEEDED, Outcome.CANCELLED)),
]
DOWN = [
    o
    for o in ENDINGS
    if isinstance(o, Outcome) and CONSEQUENCES[o].then in (Then.NEXT_STEP, Then.AGAIN)
]
many = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def few(of, most: int = 2):
    return st.frozensets(st.sampled_from(list(of)), max_size=most)


policies = st.lists(
    st.sampled_from(
        [
            ScopedPolicy(
                "project web",
                frozenset(allowed),
                frozenset(denied),
                denied_models=frozenset(model),
                geographies=frozenset(geographies),
            )
            for allowed in ("", "abcd", "cdef")
            for denied in ("", "a", "d")
            for model in ((), ("a/m-eu",), ("n",))
            for geographies in ((), ("eu",), ("us", "eu"), ("global",))
        ]
    ),
    max_size=2,
)
# Made beforehand: to draw one of many is far cheaper than to draw its parts.
places = st.sampled_from(
    [
        deployment(each, context_window_tokens=window)
        for each in IDS
        for window in (0, 1_000, 8_000, 100_000)
    ]
)
limits = st.sampled_from(
    [
        Limits(
            max_attempts=most,
            retries_per_deployment=retries,
            fall_back_on_content_filter=falls_back,
            hedge=hedge,
        )
        for most in (1, 2, 3, 6, 8)
        for retries in (0, 0, 1, 2)
        for falls_back in (False, True)
        for hedge in (None, *[Hedge(max_share=1.0)] * 2)
    ]
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How one call ends, and how long that takes.

    Attributes:
        seconds: Silence ends when the attempt's own limit does.
        hint: What it asks to be left alone for, in seconds.
    """

    what: str | Outcome
    seconds: float = 0.1
    hint: float | None = None


def endings(whats, seconds=(0.0, 0.1, 3.0, 12.0)):
    return st.sampled_from(
        [
            Ending(what, each, hint)
            for what in whats
            for each in seconds
            for hint in (None, 0.5, 86_400.0)
        ]
    )


moods = st.sampled_from(
    [
        endings(ENDINGS),
        endings(DOWN),
        endings([ANSWER, *ENDINGS], seconds=(3.0, 12.0)),
        endings([*ENDINGS, *DOWN], seconds=(3.0, 12.0)),
    ]
)
"""Of the day: anything may happen, all is down, all are slow, most fail slowly."""


@dataclass
class World:
    """A request that can be made, and how whoever it reaches behaves."""

    planner: Planner
    question: Question
    member: Membership
    scripts: dict[str, list[Ending]]
    seconds: float
    probes: bool
    rests: dict[str, int]
    is_broke: bool

    @property
    def limits(self) -> Limits:
        return self.member.defaults.limits

    @property
    def expansion(self):
        return expand(self.question.model, self.member.names)

    @property
    def is_pinned(self) -> bool:
        return not self.expansion.is_alias and self.expansion.members[0].pinned

    @property
    def eligible(self) -> set[str]:
        """Whom policy, credentials and the name leave."""
        return {
            place.id
            for each in self.expansion.members
            for place in each.deployments
            if objection(self.member.policies, place) is None
            and place.id not in self.member.names.objections
        }

    def plan(self) -> Plan:
        """Plan it, and let it probe if it is to."""
        decision = self.planner.plan(self.question, self.member, "r1")
        if self.probes and decision.due:
            return probing(decision.plan, decision.due[0])
        return decision.plan

    def lessons(self) -> Lessons:
        """Say what the executor knows beforehand."""
        resting = Resting(Clock().now_ms)
        until = {
            health_keys(deployment(each)).deployment: Clock().now_ms() + 1_000 * left
            for each, left in self.rests.items()
        }
        resting.hear(Rests(b"1", until))
        budget = RetryBudget(asyncio.get_running_loop().time)
        budget.failed("whoever", Outcome.SERVER_ERROR)
        for _ in range(10 if self.is_broke else 0):
            budget.fare(CALLER, "whoever", is_aside=True)
        return Lessons(resting, budget)


@st.composite
def worlds(draw):
    """Two to six deployments, in whatever state, and what may be asked of them."""
    drawn = draw(
        st.lists(places, min_size=2, max_size=6, unique_by=lambda place: place.id)
    )
    models = [
        model(name, *pool)
        for name in MODELS
        if (pool := [place for place in drawn if place.model_id == name])
    ]
    ids = [place.id for place in drawn]
    plain = [each.id for each in models]
    known = names(
        *models,
        aliases={
            "best": draw(st.lists(st.sampled_from(plain + ids), min_size=1, max_size=4))
        },
        objections={each: Objection("no key") for each in draw(few(ids, 1))},
    )
    cooling = draw(st.dictionaries(st.sampled_from(ids), st.integers(0, 60)))
    sessions = MemorySessionStore()
    for name in MODELS:
        if (bound := draw(st.none() | st.sampled_from(ids))) is not None:
            key = binding_key(session_key("acme", "web", "s1"), name)
            sessions.bindings[key] = bound
    planner = Planner(
        sessions,
        lambda place: stands(cooling.get(place.id)),
        Warmth(lambda: 0),
        Crowds(lambda: 0),
        lambda _: "",
    )
    question = Question(
        draw(st.sampled_from(["best", "best", *plain, *plain, ids[0]])),
        draw(st.sampled_from(["", "s1"])),
        Requirements(),
        f"p{draw(st.integers(0, 9))}",
        "t1",
    )
    mood = draw(moods)
    scripts = {each: draw(st.lists(mood, min_size=1, max_size=2)) for each in ids}
    defaults = Defaults(draw(limits))
    return World(
        planner,
        question,
        membership(known, *draw(st.just([]) | policies), defaults=defaults),
        scripts,
        draw(st.sampled_from([600.0, 600.0, 20.0, 1.0])),
        draw(st.booleans()),
        draw(st.dictionaries(st.sampled_from(ids), st.integers(1, 60), max_size=2)),
        draw(st.sampled_from([False, False, True])),
    )


@dataclass
class Story:
    """What came of a request.

    Attributes:
        plan: None if there was nothing to plan.
        calls: In the order they were made.
        ends: How each call that ended of itself did, by its place in `calls`.
        sequence: Calls (`+3`) and what was told of them (`-3`), as it happened.
        served: The call that the answer is of. None if there was none.
        seconds: How long the request took.
    """

    plan: Plan | None = None
    calls: list[Record] = field(default_factory=list)
    ends: dict[int, Ending] = field(default_factory=dict)
    sequence: list[int] = field(default_factory=list)
    told: list[Attempt] = field(default_factory=list)
    served: Record | None = None
    error: GatewayError | None = None
    seconds: float = 0.0
    let_go: list[Record] = field(default_factory=list)
    left_running: int = 0

    def of_caller(self) -> list[Record]:
        """Return the calls that were for the caller and not for all."""
        return [record for record in self.calls if not record.is_probe]


class _Reached:
    """Deployments that follow their scripts, and what they saw."""

    def __init__(self, world: World, story: Story) -> None:
        self._scripts = {each: list(script) for each, script in world.scripts.items()}
        self._story = story

    async def call(self, record: Record):
        story, loop = self._story, asyncio.get_running_loop()
        place = len(story.calls)
        story.calls.append(record)
        story.sequence.append(record.ordinal)
        script = self._scripts[record.step.deployment.id]
        ending = script.pop(0) if len(script) > 1 else script[0]
        limit = record.limits.first_token_timeout.total_seconds()
        limit = min(limit, record.patience_s, record.deadline - loop.time())
        takes = limit if ending.what is Outcome.TIMED_OUT else ending.seconds
        await asyncio.sleep(max(0.0, min(takes, limit)))
        if takes > limit:
            ending = Ending(Outcome.TIMED_OUT)
        story.ends[place] = ending
        if ending.what == EMPTY:
            return Empty(record, record, None, self._closing(record))
        if ending.what == ANSWER:
            return record
        hint = None if ending.hint is None else timedelta(seconds=ending.hint)
        return ProviderError(ending.what, "it failed", retry_after=hint)

    def _closing(self, record: Record):
        async def close() -> None:
            self._story.let_go.append(record)

        return close

    async def drop(self, record: Record) -> None:
        self._story.let_go.append(record)


async def _happen(world: World, plan: Plan) -> Story:
    story = Story(plan)
    loop = asyncio.get_running_loop()

    def tell(_order: Order, attempt: Attempt) -> None:
        story.told.append(attempt)
        story.sequence.append(-attempt.ordinal)

    reached = _Reached(world, story)
    progress = Progress(Order(plan, loop.time() + world.seconds), tell, Clock().now_ms)
    try:
        story.served = await Walk(
            progress, reached.call, world.lessons(), reached.drop
        ).go()
    except GatewayError as error:
        story.error = error
    story.seconds = loop.time()
    story.left_running = len(asyncio.all_tasks()) - 1
    return story


def happens(world: World) -> Story:
    """Have the request made in that world."""
    try:
        plan = world.plan()
    except NoDeploymentAllowedError as error:
        return Story(error=error)
    return on_instant_loop(_happen(world, plan))


def stories():
    """A world, and what came of it."""
    return worlds().map(lambda world: (world, happens(world)))


def outcome_of(ending: Ending) -> Outcome:
    """Say what an ending is told as."""
    if ending.what == EMPTY:
        return Outcome.PARSE_FAILED
    return Outcome.SUCCEEDED if ending.what == ANSWER else Outcome(ending.what)


def ends_request(world: World, outcome: Outcome) -> bool:
    """Say whether a failure is the request's, by the table."""
    then = CONSEQUENCES[outcome].then
    if then is Then.NEXT_IF_POLICY_SAYS:
        return not world.limits.fall_back_on_content_filter
    return then is Then.RETURN


@many
@given(stories())
def test_no_error_while_someone_who_may_answer_is_untried(case):
    """Unless the request itself was refused, its time ran out or its attempts did."""
    world, story = case
    assume(story.plan is not None and story.error is not None)
    made = story.of_caller()
    refused = any(
        ends_request(world, outcome_of(story.ends[i]))
        for i, record in enumerate(story.calls)
        if i in story.ends and not record.is_probe
    )
    late = isinstance(story.error, DeadlineExceededError)
    if refused or late or len(made) >= world.limits.max_attempts:
        event("ended for cause")
        return

    tried = {record.step.deployment.id for record in story.calls}
    too_small = max(
        (
            record.step.deployment.context_window_tokens
            for i, record in enumerate(story.calls)
            if i in story.ends and story.ends[i].what is Outcome.TOO_LONG
        ),
        default=0,
    )
    failed = {each.deployment_id for each in story.told}
    for each in story.plan.steps:
        place = each.deployment
        is_small = 0 < place.context_window_tokens <= too_small
        rests = each.cooldown is not None or place.id in world.rests
        is_dear = world.is_broke and (rests or place.id in failed)
        assert place.id in tried or is_small or is_dear
    event("all were tried")


@many
@given(stories())
def test_a_plan_is_of_all_who_are_eligible_whoever_is_preferred(case):
    """A binding, a rest or a place in an alias orders and never filters."""
    world, story = case

    planned = [each.deployment.id for each in story.plan.steps] if story.plan else []

    assert sorted(planned) == sorted(world.eligible)


@many
@given(stories())
def test_policy_holds_for_every_call(case):
    """Of fallback, hedge, probe, alias and pin; and a pin is never replaced."""
    world, story = case

    called = [record.step.deployment for record in story.calls]

    for place in called:
        assert objection(world.member.policies, place) is None
        assert place.id not in world.member.names.objections
    if world.is_pinned:
        assert {place.id for place in called} <= {world.question.model}


@many
@given(worlds())
def test_policy_holds_even_of_a_plan_that_breaks_it(world):
    """What it does not allow is asked neither in turn nor beside another."""
    known = world.member.names.deployments.values()
    plan = make_plan(
        *map(step, known), policies=world.member.policies, limits=world.limits
    )

    story = on_instant_loop(_happen(world, plan))

    for record in story.calls:
        assert objection(world.member.policies, record.step.deployment) is None


@many
@given(stories())
def test_others_come_before_the_same_again(case):
    """Nobody is returned to; who may do better at once is asked again at once."""
    world, story = case
    called = [record.step.deployment.id for record in story.calls]

    for place in set(called):
        turns = [i for i, each in enumerate(called) if each == place]
        if len(turns) == 1:
            continue
        ends = [story.ends[i].what for i in turns[:-1]]
        is_hedged = world.limits.hedge is not None
        assert turns[-1] - turns[0] == len(turns) - 1 or is_hedged
        retries = world.limits.retries_per_deployment
        spoilt = ends.count(Outcome.PARSE_FAILED)
        assert spoilt <= 1
        if world.is_pinned:
            retries = max(retries, 2)
        assert len(ends) - spoilt <= retries


@many
@given(stories())
def test_whoever_was_silent_is_not_asked_again(case):
    """Its next silence would cost as much time."""
    _, story = case

    silent: set[str] = set()
    for i, record in enumerate(story.calls):
        assert record.step.deployment.id not in silent
        if i in story.ends and story.ends[i].what is Outcome.TIMED_OUT:
            silent.add(record.step.deployment.id)


@many
@given(stories())
def test_a_fault_of_the_request_is_asked_of_nobody_else(case):
    """Nor does a refusal by a filter, unless the policy says so."""
    world, story = case
    by_ordinal = {record.ordinal: record for record in story.calls}
    outcomes = {each.ordinal: each.outcome for each in story.told}

    asked: set[str] = set()
    is_over = False
    for what in story.sequence:
        record = by_ordinal[abs(what)]
        if what > 0:
            assert not is_over or record.step.deployment.id in asked
            asked.add(record.step.deployment.id)
        elif not record.is_probe and outcomes[-what] is not Outcome.CANCELLED:
            is_over = is_over or ends_request(world, outcomes[-what])


@many
@given(stories())
def test_too_long_a_request_goes_to_larger_windows_alone(case):
    """What takes no more tokens is not asked, whoever it is."""
    _, story = case
    by_ordinal = {record.ordinal: record for record in story.calls}
    outcomes = {each.ordinal: each.outcome for each in story.told}

    too_small = 0
    asked: set[str] = set()
    for what in story.sequence:
        record = by_ordinal[abs(what)]
        place = record.step.deployment
        if what > 0:
            window = place.context_window_tokens
            assert place.id in asked or not 0 < window <= too_small
            asked.add(place.id)
        elif outcomes[-what] is Outcome.TOO_LONG and not record.is_probe:
            too_small = max(too_small, place.context_window_tokens)


@many
@given(stories())
def test_attempts_and_time_are_bounded(case):
    """By the limits; a probe and a hedge are one each at most."""
    world, story = case
    made = story.of_caller()

    assert len(made) <= world.limits.max_attempts
    assert len(story.calls) - len(made) <= 1
    assert story.seconds <= world.seconds + 0.01
    at_once = most = 0
    for what in story.sequence:
        at_once += 1 if what > 0 else -1
        most = max(most, at_once)
    assert most <= (1 if world.limits.hedge is None else 2)


@many
@given(stories())
def test_every_attempt_is_told_once_and_nothing_is_left_open(case):
    """But the one that is served, which has not ended yet."""
    _, story = case
    told = [each.ordinal for each in story.told]

    assert [each.ordinal for each in story.calls] == [*range(1, len(story.calls) + 1)]
    assert len(set(told)) == len(told)
    untold = {each.ordinal for each in story.calls} - set(told)
    assert untold <= ({story.served.ordinal} if story.served else set())
    assert story.left_running == 0
    empty = [
        record
        for i, record in enumerate(story.calls)
        if i in story.ends and story.ends[i].what == EMPTY
    ]
    unserved = [record.ordinal for record in empty if record is not story.served]
    assert sorted(record.ordinal for record in story.let_go) == unserved


@many
@given(stories())
def test_what_is_served_was_answered_whole(case):
    """No failure is an answer; any word is better than none, and none than an error."""
    _, story = case
    endings = list(story.ends.values())

    if story.served is not None:
        place = next(i for i, each in enumerate(story.calls) if each is story.served)
        assert story.ends[place].what in (ANSWER, EMPTY)
        assert [each.what for each in endings].count(ANSWER) == (
            story.ends[place].what == ANSWER
        )
    elif story.plan is not None:
        assert all(each.what not in (ANSWER, EMPTY) for each in endings)


@many
@given(worlds())
def test_a_hedge_costs_no_request_its_answer(world):
    """Whoever is answered without one is answered with it."""
    assume(world.eligible)
    plan = world.plan()
    world.seconds = 6_000.0

    def told(hedge: Hedge | None) -> Story:
        limits = dataclasses.replace(world.limits, max_attempts=20, hedge=hedge)
        hedged = dataclasses.replace(plan, limits=limits)
        return on_instant_loop(_happen(world, hedged))

    without, hedged = told(None), told(Hedge(max_share=1.0))

    event(f"hedged: {hedged.sequence != without.sequence}")
    if without.served is not None:
        assert hedged.served is not None
