"""Telling one conversation from many that begin alike.

A session that nobody named is derived from how a conversation begins. Where a
thousand users send the same beginning, that would put all of them on one
deployment. One conversation has a turn now and then, and a burst at most; what has
more is a crowd, whose shared beginning is soon warm wherever it is served.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_WINDOW_MS = 10_000

_MOST_TURNS = 64
"""Turns of one conversation in a window: a burst of fifty, and then some."""

_MOST_SESSIONS = 10_000
"""Sessions whose turns are counted, at some 250 bytes each; the ones that had a turn
longest ago are forgotten."""


@dataclass(slots=True)
class _Count:
    """The turns of a session in the window that began then, and in the one before."""

    since_ms: int
    turns: int = 0
    before: int = 0


class Crowds:
    """Counts the turns of derived sessions."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """Begin with nothing counted.

        Args:
            now_ms: The time, in Unix milliseconds.
        """
        self._now_ms = now_ms
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def joins(self, session: str) -> bool:
        """Count a turn, and tell whether it is one of a crowd."""
        now_ms = self._now_ms()
        count = self._counts.setdefault(session, _Count(now_ms))
        self._counts.move_to_end(session)
        if len(self._counts) > _MOST_SESSIONS:
            self._counts.popitem(last=False)
        passed = now_ms - count.since_ms
        if passed >= _WINDOW_MS:
            count.before = count.turns if passed < 2 * _WINDOW_MS else 0
            count.turns = 0
            count.since_ms = now_ms
        count.turns += 1
        return max(count.turns, count.before) > _MOST_TURNS
