"""Random runs: what may happen together, what counts as a failure, and a short run."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest

from ha.books import Books
from ha.course import Past
from ha.happenings import Aim, Happening, drawn, may_begin
from ha.hosts import why_not
from ha.lab import PROVIDERS, SERVICES, Asked, Seen
from ha.load import Loss, Note, Way
from ha.misfortunes import DATABASE_KINDS, KINDS
from ha.random_runs import Plan, carry_out_at_random, told
from ha.reckoning import Reckoning, reckoned
from ha.stage import Stage

HOSTS = {"10.77.0.1": "one", "10.77.0.2": "two"}
NOTHING_WRITTEN = Books(traces=(), noted={}, counted={})
EVERY_KIND = (*KINDS, *DATABASE_KINDS)


def test_same_seed_has_the_same_things_happen() -> None:
    """And another seed others."""
    assert drawn(7, EVERY_KIND, 120) == drawn(7, EVERY_KIND, 120)
    assert drawn(7, EVERY_KIND, 120) != drawn(8, EVERY_KIND, 120)


@pytest.mark.parametrize("seed", range(20))
def test_something_is_left_of_each_service_and_of_the_providers(seed: int) -> None:
    """At any time, and nothing is harmed twice at once."""
    happenings = drawn(seed, EVERY_KIND, 300)

    assert len(happenings) > 30
    for moment in {happening.at_s for happening in happenings}:
        aims = [each.aim for each in happenings if _goes_on(each, moment)]
        taken = frozenset[str]().union(*(aim.takes for aim in aims))
        for name in SERVICES:
            assert not {f"{name}@one", f"{name}@two"} <= taken
        assert not {f"provider@{name}" for name in PROVIDERS} <= taken
        for one, other in combinations(aims, 2):
            assert not (one.takes | one.holds) & (other.takes | other.holds)


def test_both_edges_are_never_harmed_at_once() -> None:
    """Nor is a host cut off while the other one lacks a service."""
    edge = Aim("edge@one", takes=frozenset({"edge@one"}))
    other_edge = Aim("edge@two", takes=frozenset({"edge@two"}))
    other_executor = Aim("executor@two", takes=frozenset({"executor@two"}))

    assert not may_begin(other_edge, [edge])
    assert may_begin(other_executor, [edge])


def test_connection_lost_at_an_edge_that_was_well_is_a_failure() -> None:
    """It is none while that edge is being killed."""
    lost = _note(losses=(Loss("10.77.0.1:8080", "ReadError"),))
    killed = _past("killed", "edge@one", 99, 101)
    earlier = _past("killed", "edge@one", 50, 51)
    elsewhere = _past("killed", "edge@two", 99, 101)

    assert _reckoned([lost], [killed]).cost.failed == 0
    assert _reckoned([lost], [killed]).cost.held == 1
    assert _reckoned([lost], [earlier, elsewhere]).cost.failed == 1


def test_connection_lost_at_an_edge_that_drains_is_a_failure() -> None:
    """Who is asked to stop ends what it has begun."""
    lost = _note(losses=(Loss("10.77.0.1:8080", "ReadError"),))
    restarted = _past("restarted", "edge@one", 99, 101)

    assert _reckoned([lost], [restarted]).cost.failed == 1


def test_answer_paid_for_twice_is_needless_unless_its_executor_was_harmed() -> None:
    """Nor if a provider that asked was harmed at another time."""
    twice = [
        Asked(1, "10.77.0.1", "key-1", ended=True),
        Asked(1, "10.77.0.2", "key-1", ended=True),
    ]
    harmed = _past("killed", "executor@one", 99, 101)
    earlier = _past("killed", "executor@one", 50, 51)

    assert _reckoned([_note()], [harmed], twice).cost.needless == 0
    assert _reckoned([_note()], [earlier], twice).cost.needless == 1


def test_answer_asked_for_again_by_an_edge_that_was_stopped_is_not_needless() -> None:
    """It had been given up; nor is one of hosts that lost sight of each other."""
    twice = [Asked(1, "10.77.0.2", "key-1", ended=True)] * 2
    stopped = _past("stopped for a while", "edge@one", 99, 109)
    other = _past("stopped for a while", "edge@two", 99, 109)
    parted = _past("parted", "two from one", 99, 109)

    assert _reckoned([_note()], [stopped], twice).cost.needless == 0
    assert _reckoned([_note()], [parted], twice).cost.needless == 0
    assert _reckoned([_note()], [other], twice).cost.needless == 1


def test_call_missing_from_the_ledger_is_excused_by_a_killed_resolver() -> None:
    """And by nothing else."""
    killed = _past("killed", "resolver@two", 101, 102)

    assert _reckoned([_note()], [killed]).missing == ()
    assert _reckoned([_note()], [killed]).excused == 1
    assert _reckoned([_note()], []).missing == ("t",)


def test_resolver_killed_while_its_ledger_was_away_excuses_what_it_kept() -> None:
    """Though it be killed long after the call."""
    away = _past("ledger's disk full", "one", 90, 130, holds="ledger@one")
    killed = _past("killed", "resolver@one", 128, 129)

    assert _reckoned([_note()], [away, killed]).excused == 1
    assert _reckoned([_note()], [killed]).missing == ("t",)


def test_call_that_every_provider_failed_is_counted_apart() -> None:
    """It has failed if one of them was well all the while, or the edge gave it up."""
    over = _note(error="all_attempts_failed: Every attempt failed.")
    cut = _note(error="ReadError")
    some = [_past("fails", f"provider@{name}", 99, 101) for name in PROVIDERS[1:]]
    every = [*some, _past("fails", f"provider@{PROVIDERS[0]}", 101, 103)]
    earlier = [*some, _past("fails", f"provider@{PROVIDERS[0]}", 90, 95)]

    assert _reckoned([over], every).exhausted == 1
    assert _reckoned([over], every).cost.failed == 0
    assert _reckoned([over], earlier).cost.failed == 1
    assert _reckoned([cut], every).cost.failed == 1


def test_session_moves_for_a_reason_if_its_provider_had_trouble() -> None:
    """Needlessly if neither had."""
    turns = [
        _note(session="s", deployment="aws/sonnet"),
        _note(session="s", deployment="gcp/sonnet", at_s=105.0),
    ]
    trouble = _past("fails", "provider@aws", 90, 95)
    elsewhere = _past("fails", "provider@lab", 90, 95)

    assert _reckoned(turns, [trouble]).moved == 0
    assert _reckoned(turns, [elsewhere]).moved == 1


@pytest.mark.system
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "there can be hosts")
async def test_callers_lose_nothing_in_a_short_run_of_a_fixed_seed(
    tmp_path: Path,
) -> None:
    """Not a call, nor is anything paid for twice, or not written down, without need."""
    run = await carry_out_at_random(Plan(seed=243, minutes=0.25), tmp_path)

    assert run.past
    assert run.complaints == [], "\n".join(told(run, tmp_path))


def _goes_on(happening: Happening[Stage], moment: float) -> bool:
    return happening.at_s <= moment < happening.at_s + happening.lasts_s


def _past(
    name: str, unit: str, begin_s: float, end_s: float, *, holds: str = ""
) -> Past:
    kind = next(kind for kind in EVERY_KIND if kind.name == name)
    held = frozenset({holds} - {""})
    aim = Aim(unit, takes=frozenset() if holds else frozenset({unit}), holds=held)
    return Past(Happening(begin_s, end_s - begin_s, kind, aim), begin_s, end_s)


def _note(
    *,
    at_s: float = 100.0,
    session: str = "",
    deployment: str = "aws/sonnet",
    losses: tuple[Loss, ...] = (),
    error: str = "",
) -> Note:
    return Note(
        call=1,
        at_s=at_s,
        took_s=1.0,
        way=Way("chat", is_streamed=False),
        trace="t",
        session=session,
        deployment=deployment,
        edge="10.77.0.1:8080",
        losses=losses,
        error=error,
    )


def _reckoned(
    notes: list[Note],
    past: list[Past],
    asked: list[Asked] | None = None,
    hosts: Mapping[str, str] = HOSTS,
) -> Reckoning:
    seen = Seen(len(notes), tuple(notes), tuple(asked or ()))
    return reckoned(seen, past, hosts, NOTHING_WRITTEN, key="")
