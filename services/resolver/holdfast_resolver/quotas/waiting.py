"""Calls that wait to be let in, and what becomes of them. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What becomes of a call that asks to be let in."""

    LET_IN = 1
    USED_UP = 2
    AWAY = 3


@dataclass(slots=True, eq=False)
class Waiter:
    """A call that waits to be let in.

    Attributes:
        amount: What it may cost.
        ends_s: When it is over at the latest, in Unix seconds.
        tell: Hears what becomes of it. Not told if it is withdrawn first.
        is_gone: Whether it waits no more.
        is_let_in: Whether its reservation has been made.
        is_heard: Whether it has had its turn, though it was not let in.
    """

    amount: int
    ends_s: int
    tell: Callable[[Verdict], None]
    is_gone: bool = False
    is_let_in: bool = False
    is_heard: bool = False
