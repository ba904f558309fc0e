"""How busy the machine was: what tells its load from a fault of ours."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

_EVERY_S = 1.0
_IDLE, _WAITING, _STOLEN = 3, 4, 7
"""Columns of the first line of /proc/stat."""


class Pressure:
    """Shares of the machine's time, second by second."""

    def __init__(self) -> None:
        """Measure nothing yet."""
        self._seconds: list[tuple[float, float, float]] = []

    @classmethod
    @contextlib.contextmanager
    def measured(cls) -> Iterator[Self]:
        """Measure while the context lasts."""
        pressure, over = cls(), threading.Event()
        thread = threading.Thread(target=pressure._measure, args=(over,))
        thread.start()
        try:
            yield pressure
        finally:
            over.set()
            thread.join()

    def _measure(self, over: threading.Event) -> None:
        before = _times()
        while not over.wait(_EVERY_S):
            now = _times()
            spent = [b - a for a, b in zip(before, now, strict=True)]
            whole = sum(spent) or 1
            idle = (spent[_IDLE] + spent[_WAITING]) / whole
            self._seconds.append((time.time(), 1 - idle, spent[_STOLEN] / whole))
            before = now

    @property
    def busy(self) -> float:
        """The share that was in use."""
        return sum(share for _, share, _ in self._seconds) / len(self._seconds)

    def words(self, begin_s: float = 0.0, end_s: float = float("inf")) -> str:
        """Say it of a span, or of all, in Unix seconds."""
        within = [each for each in self._seconds if begin_s <= each[0] <= end_s + 1]
        if not within:
            return "not measured"
        busy = sum(share for _, share, _ in within) / len(within)
        full = sum(share > 0.95 for _, share, _ in within)
        stolen = max(share for _, _, share in within)
        return (
            f"{busy:.0%} busy, without room in {full} of {len(within)} s, "
            f"{stolen:.0%} stolen at most"
        )


def _times() -> list[int]:
    line = Path("/proc/stat").read_text().splitlines()[0]
    return [int(each) for each in line.split()[1:]]
