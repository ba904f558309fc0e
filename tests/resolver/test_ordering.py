"""In which order deployments are tried."""

import itertools
from collections import Counter

import pytest

from fakes.plans import deployment, stands
from holdfast.model import PlanStep, StepReason
from holdfast_resolver.expansion import Member
from holdfast_resolver.ordering import (
    Spread,
    Turns,
    by_hash,
    providers_apart,
    steps,
)

A, B, C, D = (deployment(f"{p}/m") for p in "abcd")
SESSIONS = [f"session-{n}" for n in range(2_000)]


def first_of(pool, sessions=SESSIONS) -> dict[str, str]:
    return {key: by_hash(key, pool)[0].id for key in sessions}


def test_two_replicas_order_a_session_alike():
    """The order depends on who there is, not on how they are listed."""
    there = [by_hash(key, [A, B, C]) for key in SESSIONS[:50]]

    assert there == [by_hash(key, [C, A, B]) for key in SESSIONS[:50]]


def test_a_deployment_that_comes_takes_only_its_share():
    """No session moves between those who were there before."""
    before, after = first_of([A, B, C]), first_of([A, B, C, D])

    moved = {key for key in SESSIONS if before[key] != after[key]}

    assert {after[key] for key in moved} == {D.id}
    assert len(moved) / len(SESSIONS) == pytest.approx(1 / 4, abs=0.04)


def test_a_deployment_that_goes_gives_up_only_its_own():
    """Everybody else's sessions stay where they are."""
    before, after = first_of([A, B, C]), first_of([A, C])

    assert {before[key] for key in SESSIONS if before[key] != after[key]} == {B.id}


def test_sessions_are_spread_by_weight():
    """A deployment of three times the weight wins three times the sessions."""
    heavy = deployment("a/m", weight=3.0)

    shares = Counter(first_of([heavy, B]).values())

    assert shares["a/m"] / len(SESSIONS) == pytest.approx(0.75, abs=0.03)


def test_cold_starts_take_exact_turns():
    """900 calls without a session make 300 for each of three."""
    turns = Turns()

    firsts = Counter(turns.order("m", [A, B, C])[0].id for _ in range(900))

    assert firsts == {"a/m": 300, "b/m": 300, "c/m": 300}


def test_turns_follow_weights_without_bursts():
    """Weights 4, 2 and 1 come out exactly, and nobody is first thrice in a row."""
    pool = [deployment("a/m", weight=4.0), deployment("b/m", weight=2.0), C]
    turns = Turns()

    firsts = [turns.order("m", pool)[0].id for _ in range(700)]

    assert Counter(firsts) == {"a/m": 400, "b/m": 200, "c/m": 100}
    assert max(len(list(run)) for _, run in itertools.groupby(firsts)) == 2


def test_looking_ahead_takes_no_turn():
    """To explain a plan leaves the next one as it was."""
    turns = Turns()
    turns.order("m", [A, B])

    seen = [turns.order("m", [A, B], advance=False)[0] for _ in range(3)]

    assert seen == [B, B, B]
    assert turns.order("m", [A, B])[0] == B


def test_pools_take_turns_apart():
    """What one project does moves no turn of another."""
    turns = Turns()
    turns.order("one", [A, B])

    assert turns.order("two", [A, B])[0] == A


def test_who_was_away_gets_no_more_than_its_turn():
    """A deployment that comes back is not made to catch up."""
    turns = Turns()
    for _ in range(100):
        turns.order("m", [A, B])

    firsts = Counter(turns.order("m", [A, B, C])[0].id for _ in range(30))

    assert firsts == {"a/m": 10, "b/m": 10, "c/m": 10}


def spread_over(pool, sessions, spread=None) -> Counter[str]:
    spread = spread or Spread()
    return Counter(spread.choose("m", by_hash(key, pool)).id for key in sessions)


@pytest.mark.parametrize("prefix", ["a", "user-", "conversation/"])
def test_new_sessions_are_spread_evenly(prefix):
    """900 new sessions over three differ from 300 each by at most 5 %."""
    counts = spread_over([A, B, C], [f"{prefix}{n}" for n in range(900)])

    assert all(285 <= count <= 315 for count in counts.values()), counts


def test_new_sessions_are_spread_by_weight():
    """Shares follow weights within 5 %."""
    pool = [deployment("a/m", weight=2.0), B]

    counts = spread_over(pool, SESSIONS[:900])

    assert counts["a/m"] == pytest.approx(600, rel=0.05)


def test_the_first_hundred_sessions_go_where_the_hash_says():
    """While there are few, replicas that cannot talk agree by hash alone."""
    few = SESSIONS[:100]
    spread = Spread()

    chosen = {key: spread.choose("m", by_hash(key, [A, B, C])).id for key in few}

    assert chosen == first_of([A, B, C], few)


def test_a_diverted_session_goes_to_the_next_in_its_own_order():
    """Where the first has more than its share, the second of the hash is next."""
    spread = Spread()
    for _ in range(Spread.FEWEST):
        spread.choose("m", [A, B, C])

    assert spread.choose("m", [A, C, B]) == C


def test_who_comes_back_is_not_sent_every_new_session():
    """A deployment that was away is not made to catch up with the others."""
    spread = Spread()
    spread_over([A, B], SESSIONS[:500], spread)

    counts = spread_over([A, B, C], SESSIONS[500:800], spread)

    assert counts["c/m"] == pytest.approx(100, rel=0.2)


def arranged(bound=None, chosen=None, cooling=None, pool=(A, B, C)):
    aside = cooling or {}
    made = steps(
        Member("m", tuple(pool)),
        pool,
        StepReason.HASHED,
        bound=bound,
        chosen=chosen,
        stand=lambda d: stands(aside.get(d.id)),
    )
    return [(step.deployment.id, step.reason) for step in made]


def test_the_sessions_deployment_stands_first():
    """The others keep their order behind it."""
    assert arranged(bound=C) == [
        ("c/m", StepReason.STICKY),
        ("a/m", StepReason.HASHED),
        ("b/m", StepReason.HASHED),
    ]


def test_where_a_new_session_goes_stands_first():
    """It was chosen, but nothing is warm there yet."""
    assert arranged(chosen=B)[0] == ("b/m", StepReason.HASHED)


def test_who_cools_down_stands_last_and_the_soonest_back_before_the_later():
    """Health reorders and never leaves out, not even all of them."""
    cooling = {"a/m": 9, "b/m": 2}

    assert arranged(bound=A, cooling=cooling) == [
        ("c/m", StepReason.HASHED),
        ("b/m", StepReason.LAST_RESORT),
        ("a/m", StepReason.LAST_RESORT),
    ]
    assert len(arranged(cooling={**cooling, "c/m": 5})) == 3


def test_fallbacks_go_to_another_provider_first() -> None:
    """A provider that is down costs one attempt before another one is asked."""
    places = ["aws/eu", "aws/us", "aws/jp", "gcp/eu", "gcp/us", "lab/eu"]
    ordered = [PlanStep(deployment(place), StepReason.ROTATED, "m") for place in places]

    arranged = [step.deployment.id for step in providers_apart(ordered)]

    assert arranged == ["aws/eu", "gcp/eu", "lab/eu", "aws/us", "gcp/us", "aws/jp"]
