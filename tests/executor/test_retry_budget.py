"""How much load requests that fail may add, and what it never costs."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.clock import Clock
from fakes.plans import CALLER
from holdfast.model import Caller, Outcome
from holdfast_executor.retry_budget import Fare, RetryBudget

OTHER = Caller("acme", "other")
POOL = ["a", "b", "c"]
MOST = 3


class World:
    """Requests of a project over a pool of which some are down."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.clock = Clock()
        self.budget = RetryBudget(self.clock.now)
        self.upstream = 0
        self.errors = 0

    def request(self, order=POOL, caller=CALLER, aside=frozenset()) -> None:
        """Walk the pool as the executor does."""
        self.budget.open(caller)
        fare = Fare.FREE
        for place, name in enumerate(order):
            if place:
                fare = self.budget.fare(caller, name, is_aside=name in aside)
                if fare is Fare.TOO_DEAR:
                    continue
            self.upstream += 1
            if name not in self.down:
                self.budget.answered(caller, name, fare)
                return
            self.budget.failed(name, Outcome.SERVER_ERROR)
        self.errors += 1

    def load(self, many: int, per_s: float = 100.0, **how) -> float:
        """Return how many calls a request makes, over many."""
        before = self.upstream
        for n in range(many):
            self.request([*POOL[n % 3 :], *POOL[: n % 3]], **how)
            self.clock.advance(1 / per_s)
        return (self.upstream - before) / many


def test_a_full_outage_adds_a_fifth_at_most():
    """Even where nobody leaves the deployments aside."""
    world = World(*POOL)

    assert world.load(1_000) <= 1.2


def test_a_partial_outage_costs_no_request():
    """Two of three down, for as long as it takes: the third serves."""
    world = World("a", "b")
    world.load(5_000)

    assert world.errors == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sets(st.sampled_from(POOL), max_size=2), min_size=1, max_size=30))
def test_while_one_deployment_answers_every_request_is_answered(outages):
    """Whichever are down when: who is untried and well is never refused.

    Whoever comes back is known to be well once it was tried, or has been left
    alone for some seconds.
    """
    world = World()
    for down in outages:
        world.down = down
        world.clock.advance(6)
        world.load(60)

    assert world.errors == 0


def test_one_that_is_well_and_rests_serves_while_the_others_are_down():
    """Though all tokens are used up: somebody looks, and the others follow."""
    world = World(*POOL)
    world.load(1_000)
    world.errors = 0
    world.down = {"a", "b"}
    world.clock.advance(6)

    world.load(1_000, aside={"c"})

    assert world.errors == 0


def test_looking_at_those_that_rest_and_are_down_adds_next_to_nothing():
    """The first that fails says so for some seconds."""
    world = World(*POOL)

    assert world.load(1_000, aside=set(POOL)) <= 1.2


def test_few_requests_look_at_a_time():
    """Until one is answered the others pay; afterwards they follow for nothing."""
    budget = RetryBudget(Clock().now)
    budget.open(CALLER)

    first, *others = (budget.fare(CALLER, "a", is_aside=True) for _ in range(12))
    budget.answered(CALLER, "a", first)
    afterwards = [budget.fare(CALLER, "a", is_aside=True) for _ in range(20)]
    budget.failed("a", Outcome.SERVER_ERROR)
    later = budget.fare(CALLER, "a", is_aside=True)

    assert [first, *others] == [Fare.FREE] * 10 + [Fare.PAID] * 2
    assert afterwards == [Fare.FREE] * 20
    assert later is Fare.PAID


def test_who_has_been_quiet_for_a_while_is_not_held_to_what_was():
    """A failure says something of the next seconds and no more."""
    world = World(*POOL)
    world.load(1_000)
    world.clock.advance(6)

    assert world.budget.fare(CALLER, "a", is_aside=False) is Fare.FREE


def test_a_project_that_fails_takes_nothing_from_another():
    """Each has a purse of its own."""
    world = World(*POOL)
    world.load(1_000)

    assert world.budget.fare(CALLER, "a", is_aside=True) is Fare.TOO_DEAR
    assert world.budget.fare(OTHER, "a", is_aside=True) is Fare.PAID


def test_a_project_of_few_requests_may_try_again_too():
    """Time brings one token a second."""
    world = World(*POOL)
    world.load(1_000)

    world.clock.advance(1)

    fares = [world.budget.fare(CALLER, "a", is_aside=True) for _ in range(2)]
    assert fares == [Fare.PAID, Fare.TOO_DEAR]


def test_what_is_answered_after_all_costs_nothing():
    """A last resort that serves takes nothing from the next request."""
    world = World("a")

    for _ in range(100):
        world.request(["a", "b"], aside={"b"})

    assert world.errors == 0


def test_what_becomes_of_attempts_is_counted():
    """Those that were paid for and those that were not made."""
    world = World(*POOL)
    world.load(500)

    counts = world.budget.counts
    assert counts.refused > counts.paid > 10


def test_memory_is_bounded():
    """Ten thousand projects are remembered and not one more."""
    budget = RetryBudget(itertools.count().__next__)
    for n in range(10_500):
        budget.open(Caller("acme", f"p{n}"))

    assert budget.projects == 10_000
