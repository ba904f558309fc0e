"""No plan leads outside its policy and no call is made there: random worlds by the lot.

What is allowed is decided in `fakes.policy_worlds`, by nothing that the gateway has.
"""

import asyncio
import contextlib
import random
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from fakes.clock import Clock
from fakes.instant_loop import on_instant_loop
from fakes.plans import plan, stands, step
from fakes.policy_worlds import World, allows, worlds
from holdfast import convert
from holdfast.errors import GatewayError, NoDeploymentAllowedError, PlanRefusedError
from holdfast.model import (
    Hedge,
    Limits,
    Outcome,
    Plan,
    Requirements,
    StepReason,
)
from holdfast_executor.attempts import Order, Progress, Record
from holdfast_executor.dialects import ProviderError
from holdfast_executor.execution import Walk
from holdfast_executor.lessons import Lessons
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.planner import Planner, Question
from holdfast_resolver.probing import probing
from holdfast_resolver.sessions import binding_key, session_key
from holdfast_resolver.stores import MemorySessionStore
from holdfast_resolver.warmth import Warmth

PLANS = 100_000
CALLS = 10_000
SEED = 20_260_229


class Desk:
    """A planner that sees whichever world it is shown."""

    def __init__(self) -> None:
        self._world: World | None = None
        self._sessions = MemorySessionStore()
        self._planner = Planner(
            self._sessions,
            lambda place: stands(self._world.resting.get(place.id)),
            Warmth(lambda: 0),
            Crowds(lambda: 0),
            lambda place: self._world.strayed.get(place.id, ""),
        )

    def plan(self, world: World, *, explain: bool = False) -> Plan:
        """Make a plan, and let it probe if it may."""
        self._world = world
        self._sessions.bindings.clear()
        if world.bound:
            for name in {each.model_id for each in world.candidates}:
                key = binding_key(session_key("acme", "web", "s1"), name)
                self._sessions.bindings[key] = world.bound
        asked = Question(
            world.asked, world.session, Requirements(), "p1", "t1", explain=explain
        )
        decision = self._planner.plan(asked, world.member, "r1")
        if decision.due:
            return probing(decision.plan, decision.due[0])
        return decision.plan


def test_a_hundred_thousand_plans_are_inside_their_policies():
    """By alias, pin, session, rest, probe or custom model; nor is anybody lost."""
    desk = Desk()
    thinned = emptied = 0

    for world in worlds(SEED, PLANS):
        if not world.allowed:
            emptied += 1
            with pytest.raises(NoDeploymentAllowedError) as raised:
                desk.plan(world)
            scopes = [rule["scope"] for rule in world.rules]
            assert any(scope in raised.value.message for scope in scopes)
            continue
        planned = [each.deployment.id for each in desk.plan(world).steps]
        assert len(set(planned)) == len(planned)
        assert set(planned) == world.allowed
        thinned += len(planned) < len(world.candidates)

    # Often enough for the test to mean something.
    assert thinned > PLANS / 10
    assert PLANS / 10 < emptied < PLANS * 2 / 3


def test_each_deployment_that_is_left_out_is_left_out_by_a_scope_that_objects():
    """And each that is left in is one that none does."""
    desk = Desk()

    for world in worlds(SEED + 1, PLANS // 20):
        explained = desk.plan(world, explain=True)
        placed = {each.deployment.id for each in explained.steps}
        rules = {each.deployment.id: each.rule for each in explained.exclusions}

        assert placed == world.allowed
        assert placed | rules.keys() == {each.id for each in world.candidates}
        for excluded, words in rules.items():
            scope = words.partition(" policy: ")[0]
            (rule,) = (each for each in world.rules if each["scope"] == scope)
            strayed = world.strayed.get(excluded, "")
            assert not allows([rule], world.facts[excluded], strayed)


class Reached:
    """Deployments that end as they please, and who was called."""

    def __init__(self, chance: random.Random) -> None:
        self.called: list[str] = []
        self._chance = chance

    async def call(self, record: Record) -> str | ProviderError:
        """End somehow, at once or after a while."""
        self.called.append(record.step.deployment.id)
        await asyncio.sleep(self._chance.choice((0.0, 0.0, 3.0)))
        outcome = self._chance.choice((None, *_FAILURES))
        return "an answer" if outcome is None else ProviderError(outcome, "it failed")


_FAILURES = [
    Outcome.SERVER_ERROR,
    Outcome.SERVER_ERROR,
    Outcome.RATE_LIMITED,
    Outcome.TIMED_OUT,
    Outcome.PARSE_FAILED,
    Outcome.TOO_LONG,
    Outcome.UNUSABLE,
]
_REASONS = (StepReason.HASHED, StepReason.PROBE, StepReason.PINNED)
_LIMITS = [
    Limits(max_attempts=8, retries_per_deployment=retries, hedge=hedge)
    for retries in (0, 2)
    for hedge in (None, Hedge(max_share=1.0))
]


async def _executed(world: World, chance: random.Random, *, written: bool) -> list[str]:
    """Carry out a plan of all that was asked for, whatever policy says of it."""
    steps = [
        step(
            place,
            reason=chance.choice(_REASONS),
            cooldown=timedelta(seconds=5) if place.id in world.resting else None,
        )
        for place in world.candidates
    ]
    disobedient = plan(
        *steps, policies=world.member.policies, limits=chance.choice(_LIMITS)
    )
    if written:
        disobedient = convert.plan_from_wire(convert.plan_to_wire(disobedient))
    lessons = Lessons()
    for place in world.candidates:
        if place.id in world.strayed:
            lessons.strays.learn(place, world.strayed[place.id])
    reached = Reached(chance)
    order = Order(disobedient, asyncio.get_running_loop().time() + 600)
    progress = Progress(order, lambda *_: None, Clock().now_ms)
    raised = None if world.allowed else PlanRefusedError
    with pytest.raises(raised) if raised else contextlib.suppress(GatewayError):
        await Walk(progress, reached.call, lessons).go()
    return reached.called


@pytest.mark.parametrize("written", [False, True], ids=["as it was made", "as sent"])
def test_no_call_is_made_outside_the_policies_that_a_plan_bears(written):
    """Not in turn, again, beside another or as a probe, though the plan says so."""
    chance = random.Random(SEED)

    async def all_of_them() -> int:
        fell_back = 0
        for world in worlds(SEED + 2, CALLS):
            called = await _executed(world, chance, written=written)
            assert set(called) <= world.allowed
            assert bool(called) == bool(world.allowed)
            fell_back += len(set(called)) > 1
        return fell_back

    with capture_logs():
        assert on_instant_loop(all_of_them()) > CALLS / 10
