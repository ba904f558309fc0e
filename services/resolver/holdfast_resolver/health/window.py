"""How one deployment has answered lately, as one replica was told."""

from dataclasses import dataclass

from holdfast.model import Outcome

IN_A_ROW = 3
"""Failures without a success between them that leave a deployment aside. One is
an accident that a fallback hides; Envoy waits for five, and counts them for each
of its threads."""

SHARE = 0.5
"""Or so large a part of its calls. Below it falling back costs less than to send
the warm sessions of those that would have been answered elsewhere."""

FEWEST = 20
"""Calls of which a share says something: with ten that fail one time in four,
half of them failing is no surprise; with twenty it is, at 1 in 70."""

_HALF_MS = 15_000
"""The share is over the last 15 to 30 seconds: this half and the one before."""


@dataclass(slots=True)
class _Half:
    began_ms: int = 0
    calls: int = 0
    failures: int = 0


class Window:
    """Calls of one deployment, counted."""

    def __init__(self) -> None:
        self.in_a_row = 0
        self._answered_ms = 0
        self._failed_ms = 0
        self._now = _Half()
        self._before = _Half()

    def succeeded(self, now_ms: int, began_ms: int) -> None:
        """Count a success that was sent at `began_ms`."""
        self._turn(now_ms)
        self._now.calls += 1
        self._answered_ms = now_ms
        if began_ms >= self._failed_ms:
            self.in_a_row = 0

    def failed(
        self, now_ms: int, began_ms: int, outcome: Outcome, *, is_past: bool = False
    ) -> None:
        """Count a failure that was sent at `began_ms`.

        A silence during which nobody got an answer stands for as many failures
        as it takes: another one would cost another caller as long a wait.

        Args:
            now_ms: The time.
            began_ms: When the call was sent.
            outcome: How it ended.
            is_past: Whether one that was sent after it had ended was answered: it
                is part of no row then.
        """
        self._turn(now_ms)
        self._now.calls += 1
        self._now.failures += 1
        if is_past:
            return
        self._failed_ms = now_ms
        all_silent = outcome is Outcome.TIMED_OUT and self._answered_ms < began_ms
        self.in_a_row += IN_A_ROW if all_silent else 1

    def fails_too_often(self) -> bool:
        """Tell whether its share of failures is one to leave it aside for."""
        calls = self._now.calls + self._before.calls
        failures = self._now.failures + self._before.failures
        return calls >= FEWEST and failures >= calls * SHARE

    def begin_anew(self) -> None:
        """Forget what was counted, but when it last failed or answered."""
        self.in_a_row = 0
        self._now = _Half(self._now.began_ms)
        self._before = _Half()

    def _turn(self, now_ms: int) -> None:
        age = now_ms - self._now.began_ms
        if age >= _HALF_MS:
            self._before = self._now if age < 2 * _HALF_MS else _Half()
            self._now = _Half(now_ms)
