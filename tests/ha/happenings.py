"""What happens in a random run, and when: drawn from a seed, before anything is done.

    happenings = drawn(seed, KINDS, length_s=120)

The same seed gives the same happenings. They overlap as far as the claim allows: what
one of them harms no other touches meanwhile, and of each service, and of the
providers, one is always left that nothing is wrong with.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from ha.lab import PROVIDERS, SERVICES

PLACES = ("one", "two")
"""Hosts with services."""

MEMBERS = (*PLACES, "three")
"""Hosts with a member of etcd."""

_ALL = (
    *(frozenset(f"{name}@{place}" for place in PLACES) for name in SERVICES),
    frozenset(f"provider@{name}" for name in PROVIDERS),
)
"""Of each of these, something must be left."""

_GAP_S = 2.5
"""From one beginning to the next, on average, in seconds: things last eight or so, so
that two or three go on at any time."""

_TRIES = 20
"""Draws before it is left at that: there is room again when something has ended."""

_Stage = TypeVar("_Stage")


@dataclass(frozen=True, slots=True)
class Aim:
    """Whom something happens to.

    Attributes:
        subject: In words.
        detail: How, in words that the kind knows.
        takes: What can answer nobody meanwhile, e.g. `edge@one`.
        holds: What nothing else may happen to meanwhile, besides.
    """

    subject: str
    detail: str = ""
    takes: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Kind(Generic[_Stage]):
    """One kind of thing that happens.

    Attributes:
        name: In a few words.
        what: What is done, for people.
        lasts_s: For how long, at least and at most.
        aim: Draws whom it happens to.
        harm: Does it, and undoes it when the context ends.
        share: How often, beside the others.
        loses: Whether what `takes` names loses what it has under way.
        ends: Whether what `takes` names ends, though in good order.
        parts: Whether what is said gets lost between processes that are all well.
        back_s: How long what is whole again is given, until the like of it may be
            harmed, in seconds.
        lacks: Says why it cannot be done here; nothing if it can.
    """

    name: str
    what: str
    lasts_s: tuple[float, float]
    aim: Callable[[Random], Aim]
    harm: Callable[[_Stage, Aim], AbstractAsyncContextManager[None]]
    share: int = 2
    loses: bool = False
    ends: bool = False
    parts: bool = False
    back_s: float = 2.0
    lacks: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True)
class Happening(Generic[_Stage]):
    """Something that is to happen.

    Attributes:
        at_s: When, in seconds from the beginning.
        lasts_s: How long, in seconds, besides what doing and undoing it takes.
    """

    at_s: float
    lasts_s: float
    kind: Kind[_Stage]
    aim: Aim

    def __str__(self) -> str:
        """Say it in a line."""
        words = " ".join(each for each in (self.kind.name, self.aim.detail) if each)
        return f"{self.at_s:6.1f} s  {self.lasts_s:4.1f} s  {self.aim.subject}: {words}"


def may_begin(aim: Aim, others: Iterable[Aim]) -> bool:
    """Tell whether the claim allows something beside what goes on."""
    others = tuple(others)
    mine = aim.takes | aim.holds
    if any(mine & (other.takes | other.holds) for other in others):
        return False
    taken = aim.takes.union(*(other.takes for other in others))
    return not any(all_there_are <= taken for all_there_are in _ALL)


def drawn(
    seed: int, kinds: Sequence[Kind[_Stage]], length_s: float
) -> tuple[Happening[_Stage], ...]:
    """Draw what happens.

    Args:
        seed: Whatever follows from it is the same each time.
        kinds: What there is to choose from.
        length_s: When all of it is to be over, in seconds.
    """
    chance = Random(seed)
    found: list[Happening[_Stage]] = []
    at_s = chance.uniform(1, 3)
    while at_s < length_s:
        going_on = [
            each for each in found if each.at_s + each.lasts_s + each.kind.back_s > at_s
        ]
        one = _one(chance, kinds, at_s, length_s, [each.aim for each in going_on])
        found += [one] if one is not None else []
        at_s += chance.expovariate(1 / _GAP_S)
    return tuple(found)


def _one(
    chance: Random,
    kinds: Sequence[Kind[_Stage]],
    at_s: float,
    length_s: float,
    beside: Collection[Aim],
) -> Happening[_Stage] | None:
    for _ in range(_TRIES):
        (kind,) = chance.choices(kinds, [kind.share for kind in kinds])
        lasts_s = chance.uniform(*kind.lasts_s)
        aim = kind.aim(chance)
        if at_s + lasts_s <= length_s and may_begin(aim, beside):
            return Happening(at_s, lasts_s, kind, aim)
    return None
