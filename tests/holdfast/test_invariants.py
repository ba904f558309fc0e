"""What holds of every plan and every execution, whatever the world looks like."""

import asyncio
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.clock import Clock
from fakes.plans import deployment, membership, model, names, order, stands, step
from holdfast.errors import GatewayError, NoDeploymentAllowedError
from holdfast.model import (
    Capability,
    Limits,
    Outcome,
    Requirements,
    ScopedPolicy,
    SessionAffinity,
    StepReason,
)
from holdfast.outcome import CONSEQUENCES, Then
from holdfast.policy import objection
from holdfast_executor.attempts import Progress
from holdfast_executor.dialects import ProviderError
from holdfast_executor.execution import Walk
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.directory import Objection
from holdfast_resolver.expansion import expand
from holdfast_resolver.health.standing import Standing
from holdfast_resolver.planner import Planner, Question
from holdfast_resolver.probing import probing
from holdfast_resolver.sessions import binding_key, session_key
from holdfast_resolver.stores import MemorySessionStore
from holdfast_resolver.warmth import Warmth

PROVIDERS = "abcd"
GEOGRAPHIES = ["", "eu", "us", "global"]
MODELS = ["m", "n", "o"]
IDS = [
    f"{p}/{m}-{g}".rstrip("-") for p in PROVIDERS for m in MODELS for g in GEOGRAPHIES
]
some = settings(max_examples=150, deadline=None)


def few(of, most: int = 2):
    return st.frozensets(st.sampled_from(list(of)), max_size=most)


policies = st.lists(
    st.builds(
        ScopedPolicy,
        st.sampled_from(["organization acme", "project web"]),
        few(PROVIDERS),
        few(PROVIDERS, 1),
        few([*MODELS, *IDS]),
        few([*MODELS, *IDS], 1),
        few(["eu", "us", "global"]),
    ),
    max_size=2,
)
places = st.builds(
    deployment,
    st.sampled_from(IDS),
    capabilities=few([Capability.TOOLS, Capability.JSON_SCHEMA, Capability.REASONING]),
    context_window_tokens=st.sampled_from([0, 1_000, 100_000]),
    weight=st.sampled_from([0.5, 1.0, 3.0]),
)


@st.composite
def catalogs(draw):
    """Three models, an alias of some of them and of pins, and who lacks what."""
    drawn = draw(
        st.lists(places, min_size=1, max_size=8, unique_by=lambda place: place.id)
    )
    models = [
        model(name, *pool)
        for name in MODELS
        if (pool := [place for place in drawn if place.model_id == name])
    ]
    known = [*(each.id for each in models), *(place.id for place in drawn)]
    targets = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4))
    lacking = draw(few([place.id for place in drawn]))
    return names(
        *models,
        aliases={"best": targets},
        objections={each: Objection(f"no key for {each}") for each in lacking},
    )


def standing_of(deployment_id, cooling, share) -> Standing:
    """Say who is left aside, who is due to be tried, and who takes less."""
    if deployment_id in cooling:
        return stands(cooling[deployment_id])
    return Standing(share=share.get(deployment_id, 1.0))


@st.composite
def worlds(draw):
    """A planner in any state, and a question that it can be asked."""
    known = draw(catalogs())
    cooling = draw(st.dictionaries(st.sampled_from(IDS), st.integers(0, 60)))
    share = draw(st.dictionaries(st.sampled_from(IDS), st.sampled_from([0.0, 0.3])))
    strays = draw(st.dictionaries(st.sampled_from(IDS), st.just("elsewhere")))
    sessions = MemorySessionStore()
    sessions.synced = draw(st.booleans())
    for name in MODELS:
        if (bound := draw(st.none() | st.sampled_from(IDS))) is not None:
            key = binding_key(session_key("acme", "web", "s1"), name)
            sessions.bindings[key] = bound
    planner = Planner(
        sessions,
        lambda d: standing_of(d.id, cooling, share),
        Warmth(lambda: 0),
        Crowds(lambda: 0),
        lambda d: strays.get(d.id, ""),
    )
    asked = Question(
        draw(st.sampled_from(["best", *known.models, *known.deployments])),
        draw(st.sampled_from(["", "s1"])),
        Requirements(
            draw(few([Capability.TOOLS, Capability.JSON_SCHEMA])),
            draw(st.sampled_from([0, 5_000])),
        ),
        "p1",
        "t1",
        explain=True,
        commits=draw(st.booleans()),
    )
    return planner, asked, membership(known, *draw(policies)), cooling


def candidates(asked: Question, member) -> list[str]:
    expansion = expand(asked.model, member.names)
    return [d.id for each in expansion.members for d in each.deployments]


@some
@given(worlds())
def test_no_step_of_any_plan_is_outside_the_policies(world):
    """Not by alias, pin, session, cooldown or readmission."""
    planner, asked, member, _ = world

    plan = planner.plan(asked, member, "r1").plan

    for each in plan.steps:
        assert objection(member.policies, each.deployment) is None
        assert each.deployment.id not in member.names.objections


@some
@given(worlds())
def test_every_candidate_is_placed_or_excluded_once(world):
    """Nothing is passed over in silence, and nothing is named twice."""
    planner, asked, member, _ = world

    plan = planner.plan(asked, member, "r1").plan

    shown = [s.deployment.id for s in plan.steps]
    shown += [e.deployment.id for e in plan.exclusions]
    assert sorted(shown) == sorted(candidates(asked, member))
    assert all(e.rule for e in plan.exclusions)


@some
@given(worlds())
def test_health_reorders_and_loses_nothing(world):
    """With everybody healthy the same deployments are tried, in another order."""
    planner, asked, member, cooling = world
    with_health = planner.plan(asked, member, "r1").plan.steps
    cooling.clear()

    without = planner.plan(asked, member, "r1").plan.steps

    assert sorted(s.deployment.id for s in with_health) == sorted(
        s.deployment.id for s in without
    )


@some
@given(worlds())
def test_who_is_left_aside_stands_behind_everyone_who_is_not(world):
    """A healthy deployment is never passed over for one that cools down."""
    planner, asked, member, cooling = world

    plan = planner.plan(asked, member, "r1").plan

    aside = [s.deployment.id in cooling for s in plan.steps]
    assert aside == sorted(aside)


@some
@given(worlds())
def test_a_probe_stands_before_a_healthy_step_and_loses_nothing(world):
    """Who is tried first has rested, and whoever would have served comes next."""
    planner, asked, member, cooling = world
    decision = planner.plan(asked, member, "r1")

    for due in decision.due:
        plan = probing(decision.plan, due)

        probe, after, *_ = plan.steps
        assert cooling[probe.deployment.id] == 0
        assert probe.reason is StepReason.PROBE
        assert after == decision.plan.steps[0]
        assert after.cooldown is None
        assert sorted(s.deployment.id for s in plan.steps) == sorted(
            s.deployment.id for s in decision.plan.steps
        )


@some
@given(worlds())
def test_what_is_told_of_a_session_is_what_the_plan_does(world):
    """Kept means that the bound deployment stands first; none, that there is none."""
    planner, asked, member, _ = world

    decision = planner.plan(asked, member, "r1")

    plan, first = decision.plan, ""
    if plan.steps:
        first = plan.steps[0].deployment.id
    affinity = plan.session_affinity
    if affinity is SessionAffinity.KEPT:
        assert plan.bound_deployment_id == first
    if affinity is SessionAffinity.MOVED:
        assert plan.bound_deployment_id not in ("", first)
    if decision.binding is not None:
        assert decision.binding.deployment_id == first
    if not asked.session_id:
        assert affinity is SessionAffinity.NONE


@some
@given(worlds())
def test_a_plan_fails_only_where_nothing_is_left(world):
    """To execute and to explain agree on whether there is a way."""
    planner, asked, member, _ = world
    explained = planner.plan(asked, member, "r1").plan
    executed = Question(
        asked.model, asked.session_id, asked.requirements, "p2", "t2", commits=False
    )

    try:
        plan = planner.plan(executed, member, "r1").plan
    except NoDeploymentAllowedError:
        assert explained.steps == ()
    else:
        assert len(plan.steps) == len(explained.steps) > 0


def expected_calls(allowed, outcomes, most):
    """Each in its turn, and once more where the model wrote what nobody can use."""
    calls = []
    for place in allowed:
        for _ in range(2):
            if len(calls) == most:
                return calls
            given = outcomes[len(calls)] if len(calls) < len(outcomes) else None
            calls.append(place)
            then = CONSEQUENCES[given].then if given else Then.RETURN
            if then in (Then.RETURN, Then.NEXT_IF_POLICY_SAYS):
                return calls
            if then is not Then.AGAIN:
                break
    return calls


@some
@given(
    st.lists(st.sampled_from(IDS), max_size=8),
    policies,
    st.lists(
        st.sampled_from([o for o in Outcome if o is not Outcome.CANCELLED]), max_size=8
    ),
    st.integers(1, 6),
)
def test_no_execution_calls_what_its_policies_do_not_allow(ids, scopes, outcomes, most):
    """Even of a plan that contains it; and it ends no earlier than it must."""
    called = []

    async def call(record):
        called.append(record.step.deployment)
        outcome = outcomes[len(called) - 1] if len(called) <= len(outcomes) else None
        if outcome in (None, Outcome.SUCCEEDED):
            return "answer"
        return ProviderError(outcome, "failed")

    async def walk():
        plan = order(
            *(step(deployment(each)) for each in ids),
            policies=tuple(scopes),
            limits=Limits(max_attempts=most),
        )
        progress = Progress(plan, lambda *_: None, Clock().now_ms)
        with contextlib.suppress(GatewayError):
            return await Walk(progress, call).go()
        return None

    answer = asyncio.run(walk())

    allowed = [each for each in ids if objection(scopes, deployment(each)) is None]
    assert [each.id for each in called] == expected_calls(allowed, outcomes, most)
    last = outcomes[len(called) - 1] if 0 < len(called) <= len(outcomes) else None
    answered = bool(called) and last in (None, Outcome.SUCCEEDED)
    assert (answer is not None) == answered
