"""Whose failures count against a deployment: not those of who can reach nobody."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.clock import Clock
from fakes.health_fleet import Caller, Cut, Life, World
from fakes.plans import attempt, deployment
from holdfast.model import Outcome
from holdfast.standpoint import Standpoint
from holdfast_resolver.health.evidence import NEAR_MS, Miss, Word, counts
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.stores import MemoryHealthStore

MISS = Miss(100_000, 103_000)
IN_TOUCH = Standpoint("one", 120_000, since_ms=100_000, answered_ms=103_000)
CUT_OFF = Standpoint("one", 120_000, since_ms=92_000, answered_ms=99_999)
BACK = Standpoint("one", 120_000, since_ms=103_001, answered_ms=120_000)
NEVER_ANSWERED = Standpoint("one", 120_000)
PLACES = [deployment("a/m-eu"), deployment("b/m-us"), deployment("c/m-us")]
DOWN = {"a/m-eu": [Cut(5, 60)]}


@pytest.mark.parametrize("standpoint", [IN_TOUCH, CUT_OFF, BACK, NEVER_ANSWERED])
def test_the_only_executor_is_believed(standpoint):
    """There is nobody to ask, and a deployment may be down."""
    assert counts(MISS, standpoint, 0, [])


@pytest.mark.parametrize(
    ("standpoint", "believed"),
    [(IN_TOUCH, True), (CUT_OFF, False), (BACK, False), (NEVER_ANSWERED, False)],
)
def test_one_of_several_is_believed_that_others_answered_all_the_while(
    standpoint, believed
):
    """Neither one that had reached them before, nor one that does since."""
    assert counts(MISS, standpoint, 0, [Word()]) is believed


@pytest.mark.parametrize("ahead_ms", [-30_000, 0, 60_000])
def test_its_clock_may_be_wrong(ahead_ms):
    """What it says of itself is by the same clock as what it says of its calls."""
    moments = (moment + ahead_ms for moment in (120_000, 100_000, 103_000))
    told = Standpoint("one", *moments)

    assert counts(MISS, told, ahead_ms, [Word()])


@pytest.mark.parametrize(
    ("other", "believed"),
    [
        (Word(), False),
        (Word(served_ms=99_000), False),
        (Word(Miss(102_000, 102_001)), True),
        (Word(Miss(99_000, 99_001), served_ms=98_000), True),
        (Word(Miss(99_000, 99_001), served_ms=99_500), False),
        (Word(Miss(60_000, 103_000 - NEAR_MS)), True),
        (Word(Miss(60_000, 102_999 - NEAR_MS)), False),
    ],
)
def test_one_that_reaches_nobody_is_believed_where_another_agrees(other, believed):
    """If it failed there at about that time, and nothing better has come of it."""
    assert counts(MISS, CUT_OFF, 0, [Word(), other]) is believed


@pytest.mark.parametrize(("served_ms", "believed"), [(99_999, True), (100_000, False)])
def test_two_that_agree_are_not_believed_while_a_third_is_served(served_ms, believed):
    """A call that was sent later was answered: the two have lost their network."""
    others = [Word(MISS), Word(served_ms=served_ms)]

    assert counts(MISS, CUT_OFF, 0, others) is believed


cuts = st.builds(
    lambda began, lasted: Cut(began, began + lasted),
    st.floats(4, 6),
    st.floats(2.5, 15),
)
clocks = st.floats(-90, 90)
manners = {
    "clock_s": clocks,
    "every_s": st.sampled_from([0.05, 0.1, 0.3]),
    "gives_up_s": st.floats(0.0, 6.0),
}


@settings(max_examples=30, deadline=None)
@given(
    cut_off=st.builds(Caller, st.just("cut-off"), st.tuples(cuts), **manners),
    well=st.lists(clocks, min_size=1, max_size=3),
    places=st.integers(1, 3),
    latency_s=st.floats(0.05, 0.6),
    resolvers=st.integers(1, 3),
)
def test_an_executor_that_is_cut_off_leaves_nobody_aside(
    cut_off, well, places, latency_s, resolvers
):
    """Whatever it reports, and when: while it is away, or all at once when back."""
    others = [Caller(f"well-{n}", clock_s=clock) for n, clock in enumerate(well)]
    world = World([cut_off, *others], PLACES[:places], {}, latency_s, resolvers)

    assert Life(world).live(30).left_aside == []


@settings(max_examples=25, deadline=None)
@given(
    callers=st.lists(st.fixed_dictionaries(manners), min_size=1, max_size=4),
    places=st.integers(1, 3),
    latency_s=st.floats(0.05, 0.6),
)
def test_a_deployment_that_is_down_for_all_is_left_aside(callers, places, latency_s):
    """Within four calls of each executor there, whatever else is there."""
    everybody = [Caller(f"e{n}", **each) for n, each in enumerate(callers)]
    world = World(everybody, PLACES[:places], DOWN, latency_s, resolvers=1)
    promptly_s = 4 * places * max(each.every_s for each in everybody)

    aside = Life(world).live(5 + promptly_s + 0.5).left_aside

    assert {who for _, who in aside} == {"a/m-eu"}
    assert aside[0][0] >= 5


@pytest.mark.parametrize("places", [1, 2])
def test_the_only_executor_leaves_one_aside_at_the_third_failure(places):
    """As it does in one process: nothing is waited for."""
    world = World([Caller("alone", every_s=0.1)], PLACES[:places], DOWN, resolvers=1)

    aside = Life(world).live(7).left_aside

    assert aside[0] == (pytest.approx(5 + 0.25 * places, abs=0.15), "a/m-eu")


def test_the_only_executor_is_believed_when_all_are_down():
    """They fail every call: that they are left aside costs nobody anything."""
    down = {place.id: [Cut(5, 60)] for place in PLACES}

    aside = Life(World([Caller("alone")], PLACES, down)).live(10).left_aside

    assert {who for _, who in aside} == {place.id for place in PLACES}


def test_one_that_reaches_others_is_believed_though_another_is_idle():
    """The other one has not been there to tell."""
    callers = [Caller("busy"), Caller("idle", every_s=1_000)]

    aside = Life(World(callers, PLACES, DOWN)).live(8).left_aside

    assert {who for _, who in aside} == {"a/m-eu"}


def test_two_that_are_cut_off_together_leave_nobody_aside():
    """A third one is served all the while."""
    together = [Cut(5, 12)]
    callers = [Caller("one", together), Caller("two", together), Caller("three")]

    assert Life(World(callers, PLACES)).live(25).left_aside == []


def test_a_deployment_that_goes_down_while_an_executor_is_cut_off_is_left_aside():
    """The others say so."""
    callers = [Caller("one", [Cut(5, 12)]), Caller("two"), Caller("three")]

    aside = Life(World(callers, PLACES, {"b/m-us": [Cut(7, 60)]})).live(9).left_aside

    assert {who for _, who in aside} == {"b/m-us"}


class Desk:
    """One resolver's health, and what it is told by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.health = Health(MemoryHealthStore(), self.clock.now_ms, lambda: 0.0)

    def says(self, name: str, since_s: float, answered_s: float) -> Standpoint:
        """Hear an executor that has been answered between two moments ago."""
        now_ms = self.clock.now_ms()
        told = Standpoint(
            name,
            now_ms,
            now_ms - round(since_s * 1e3),
            now_ms - round(answered_s * 1e3),
        )
        self.health.hear(told)
        return told

    def hears(self, told: Standpoint, outcome: Outcome, *, began_s: float) -> None:
        """Learn of a call that was sent so long ago and has ended now."""
        place = PLACES[0]
        ended = attempt(
            place.id,
            outcome,
            start_time_ms=self.clock.now_ms() - round(began_s * 1e3),
            duration=timedelta(seconds=began_s),
        )
        self.health.learn(ended, place, PLACES, timedelta(seconds=60), told)

    @property
    def is_aside(self) -> bool:
        return self.health.standing(PLACES[0]).left is not None


@pytest.mark.parametrize(("gone_s", "believed"), [(290, False), (310, True)])
def test_a_resolver_that_is_cut_off_too_remembers_that_there_are_others(
    gone_s, believed
):
    """For five minutes: until then the one that it hears is not the only one."""
    desk = Desk()
    desk.says("elsewhere", since_s=60, answered_s=0)
    desk.clock.advance(gone_s)
    beside = desk.says("beside", since_s=400, answered_s=gone_s)

    for _ in range(3):
        desk.hears(beside, Outcome.CONNECTION_FAILED, began_s=3)

    assert desk.is_aside is believed


@pytest.mark.parametrize("is_served_since", [False, True])
def test_a_failure_that_is_believed_late_is_in_no_row_that_has_ended(is_served_since):
    """It counts for the share of calls that failed, and no more."""
    desk = Desk()
    other = desk.says("other", since_s=60, answered_s=0)
    one = desk.says("one", since_s=60, answered_s=0.1)
    for _ in range(3):
        desk.hears(one, Outcome.CONNECTION_FAILED, began_s=0.05)
    assert not desk.is_aside
    desk.clock.advance(0.2)
    if is_served_since:
        desk.hears(other, Outcome.SUCCEEDED, began_s=0.1)
    desk.says("one", since_s=60.2, answered_s=0)

    assert desk.is_aside is not is_served_since
