"""What a random run cost: who lost what, and whether what happened excuses it."""

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from ha.books import Books
from ha.course import Past
from ha.lab import PROVIDERS, Seen
from ha.load import Note
from ha.verdict import Cost, answered_by, cost

_SLACK_S = 1.0
"""By how much what is noted here and there may differ in time."""

_WRITTEN_S = 2.0
"""When what a resolver was told is in its ledger, at the latest, if it has one."""

_REMEMBERED_S = 120.0
"""For how long a deployment's trouble is a reason to be elsewhere: what was wrong with
it for good rests for a minute, and for two once more."""

_BACK_S = 12.0
"""By then a resolver has tried again to write what it keeps: it does at least every ten
seconds."""

_ALL_TRIED = ("all_attempts_failed", "all_deployments_unavailable")
"""What an error says first that comes of what providers did."""

_WRITERS = ("resolver@", "executor@")
_LEDGERS = frozenset({"ledger@one", "ledger@two", "database"})


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a run came to.

    Attributes:
        cost: Where a call that lost its connection at an edge that was well then has
            failed.
        notes: Of the calls, likewise.
        needless: Calls that were answered whole twice, and nothing says why.
        moved: Sessions that met another deployment though nothing had been wrong with
            either.
        missing: Traces of calls answered whole that are in no ledger, though nobody
            was harmed who was to write them.
        excused: How many such calls there are where somebody was.
        exhausted: Calls whose attempts all failed while each provider failed for a
            time: they met one after the other as it did. They have not failed.
        uncertain: What metered calls may have cost that somebody was harmed under who
            was to count or to note it, in billionths of a dollar.
    """

    cost: Cost
    notes: tuple[Note, ...]
    needless: tuple[int, ...]
    moved: int
    missing: tuple[str, ...]
    excused: int
    exhausted: int
    uncertain: int


def reckoned(
    seen: Seen, past: Sequence[Past], hosts: Mapping[str, str], books: Books, key: str
) -> Reckoning:
    """Reckon.

    Args:
        seen: What was noted down.
        past: What happened.
        hosts: Names by address, of those with services.
        books: What is written down.
        key: Of the metered project.
    """
    exhausted = {note.call for note in seen.notes if _is_exhausted(note, past)}
    notes = tuple(
        msgspec.structs.replace(note, error="")
        if note.call in exhausted
        else _judged(note, past, hosts)
        for note in seen.notes
    )
    seen = Seen(seen.begun, notes, seen.asked)
    came = cost(seen, dead_edges=hosts, dead_executors=())
    needless = _needless(seen, past, hosts)
    absent = [n for n in notes if _is_due(n) and n.trace not in books.traces]
    missing = [note for note in absent if not _may_be_lost(note, past)]
    metered = [note for note in notes if note.way.key == key]
    each = books.noted.get("metered", 0) / max(1, len(metered))
    uncertain = sum(_may_be_lost(note, past) for note in metered)
    return Reckoning(
        cost=replace(came, needless=len(needless)),
        notes=notes,
        needless=tuple(needless),
        moved=_moved(notes, past),
        missing=tuple(note.trace for note in missing),
        excused=len(absent) - len(missing),
        exhausted=len(exhausted),
        uncertain=round(2 * each * uncertain),
    )


def _is_exhausted(note: Note, past: Iterable[Past]) -> bool:
    """Tell whether a call had nobody left who was well while it was made."""
    if not note.error.startswith(_ALL_TRIED):
        return False
    during = [each for each in past if each.touches(note.at_s, note.ended_s)]
    return all(
        any(each.harms({f"provider@{name}"}) for each in during) for name in PROVIDERS
    )


def _judged(note: Note, past: Iterable[Past], hosts: Mapping[str, str]) -> Note:
    if note.error:
        return note
    for loss in note.losses:
        host = hosts[loss.edge.rpartition(":")[0]]
        if loss.what != "refused" and not _lost(f"edge@{host}", note, past):
            error = f"{loss.what} at an edge that was well"
            return msgspec.structs.replace(note, error=error)
    return note


def _needless(seen: Seen, past: Sequence[Past], hosts: Mapping[str, str]) -> list[int]:
    """Return the calls that were answered whole twice, and nothing says why."""
    notes = {note.call: note for note in seen.notes}

    def is_excused(call: int, addresses: Collection[str]) -> bool:
        note = notes.get(call)
        if note is None or any(loss.what != "refused" for loss in note.losses):
            return True
        # Who asked is harmed too if it was stopped: it is given up after five seconds.
        units = {f"executor@{hosts[address]}" for address in addresses}
        units.add(f"edge@{hosts[note.edge.rpartition(':')[0]]}")
        return any(
            each.touches(note.at_s - _SLACK_S, note.ended_s)
            and (each.harms(units) or each.happening.kind.parts)
            for each in past
        )

    return [
        call
        for call, addresses in answered_by(seen).items()
        if len(addresses) > 1 and not is_excused(call, addresses)
    ]


def _moved(notes: Iterable[Note], past: Sequence[Past]) -> int:
    turns: defaultdict[str, list[Note]] = defaultdict(list)
    for note in sorted(notes, key=lambda note: note.at_s):
        if note.session and note.deployment:
            turns[note.session].append(note)
    return sum(
        any(_moved_needlessly(a, b, past) for a, b in itertools.pairwise(of))
        for of in turns.values()
    )


def _moved_needlessly(before: Note, after: Note, past: Iterable[Past]) -> bool:
    if before.deployment == after.deployment:
        return False
    troubled = {
        f"provider@{note.deployment.partition('/')[0]}" for note in (before, after)
    }
    begin_s = before.at_s - _REMEMBERED_S
    return not any(
        each.happening.aim.takes & troubled and each.touches(begin_s, after.ended_s)
        for each in past
    )


def _is_due(note: Note) -> bool:
    """Tell whether a call has to be in a ledger."""
    return bool(note.deployment) and not note.error and not note.has_left


def _may_be_lost(note: Note, past: Sequence[Past]) -> bool:
    """Tell whether somebody was harmed who was to write a call down."""
    begin_s, end_s = note.at_s - _SLACK_S, note.ended_s + _WRITTEN_S
    is_kept = False
    for each in past:
        if each.happening.aim.holds & _LEDGERS and each.touches(begin_s, end_s):
            # A resolver keeps it until then; one that is to end, for five seconds.
            is_kept = True
            end_s = max(end_s, (each.ended_s or end_s) + _BACK_S)
    return any(
        each.touches(begin_s, end_s)
        and (each.happening.kind.loses or (is_kept and each.happening.kind.ends))
        and any(unit.startswith(_WRITERS) for unit in each.happening.aim.takes)
        for each in past
    )


def _lost(unit: str, note: Note, past: Iterable[Past]) -> bool:
    """Tell whether a process may have lost a call that it had under way."""
    return any(
        each.loses(unit) and each.touches(note.at_s - _SLACK_S, note.ended_s)
        for each in past
    )
