"""What a scenario cost: read from what callers and providers noted down.

A call has failed if its caller got no whole answer, or lost its connection at an edge
that nothing had been done to. One that an edge was holding when that edge died is
counted apart: its caller asked another edge and has an answer.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from ha.lab import Seen
from ha.load import Note

_ANSWERED = frozenset({"", "slow", "no-done"})
"""What may be wrong with a provider that all the same answers whole."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What became of the calls of one scenario.

    Attributes:
        made: Calls begun.
        streamed: Of them, streams.
        failures: Why, and how often.
        cut: Of the failures, streams that had begun to come.
        held: Calls that an edge held when it died, answered by another.
        passed_over: Connections that an edge refused; another one was asked.
        slowest_s: The longest that a caller waited for an answer, in seconds.
        sessions: How many there were.
        moved: How many of them met another deployment than the turn before.
        twice: Calls that providers answered whole more than once.
        needless: Of these, those whose first answer nobody had lost.
    """

    made: int
    streamed: int
    failures: Counter[str]
    cut: int
    held: int
    passed_over: int
    slowest_s: float
    sessions: int
    moved: int
    twice: int
    needless: int

    @property
    def failed(self) -> int:
        """How many calls failed."""
        return self.failures.total()


def cost(
    seen: Seen, dead_edges: Collection[str], dead_executors: Collection[str]
) -> Cost:
    """Count.

    Args:
        seen: What was noted down.
        dead_edges: Addresses of the hosts whose edge was made to lose what it held.
        dead_executors: Likewise.
    """
    failures: Counter[str] = Counter()
    for note in seen.notes:
        if reason := _failure(note, dead_edges):
            failures[reason] += 1
    if unheard := seen.begun - len(seen.notes):
        failures["never ended"] += unheard
    twice, needless = _repeated(seen, {*dead_edges, *dead_executors})
    return Cost(
        made=seen.begun,
        streamed=sum(note.is_streamed for note in seen.notes),
        failures=failures,
        cut=sum(note.is_cut for note in seen.notes),
        held=sum(
            any(loss.what != "refused" for loss in note.losses) for note in seen.notes
        ),
        passed_over=sum(
            loss.what == "refused" for note in seen.notes for loss in note.losses
        ),
        slowest_s=max((note.took_s for note in seen.notes), default=0.0),
        sessions=len({note.session for note in seen.notes if note.session}),
        moved=_moved(seen),
        twice=twice,
        needless=needless,
    )


def _failure(note: Note, dead: Collection[str]) -> str:
    if note.error:
        return note.error
    for loss in note.losses:
        if loss.what != "refused" and _host(loss.edge) not in dead:
            return f"{loss.what} at an edge that was well"
    return ""


def _moved(seen: Seen) -> int:
    """Count the sessions that were served by more than one deployment."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for note in seen.notes:
        if note.session and note.deployment:
            places[note.session].add(note.deployment)
    return sum(len(met) > 1 for met in places.values())


def answered_by(seen: Seen) -> dict[int, list[str]]:
    """Return who got whole answers of providers, by call."""
    answered: defaultdict[int, list[str]] = defaultdict(list)
    for asked in seen.asked:
        if asked.ended and asked.fault in _ANSWERED:
            answered[asked.call].append(asked.address)
    return answered


def _repeated(seen: Seen, dead: Collection[str]) -> tuple[int, int]:
    """Count the calls that were answered whole more than once, and needlessly so."""
    lost = {
        note.call
        for note in seen.notes
        if any(loss.what != "refused" for loss in note.losses)
    }
    repeated = {
        call: addresses
        for call, addresses in answered_by(seen).items()
        if len(addresses) > 1
    }
    needless = [
        call
        for call, addresses in repeated.items()
        if call not in lost and not any(each in dead for each in addresses)
    ]
    return len(repeated), len(needless)


def _host(edge: str) -> str:
    return edge.rpartition(":")[0]
