"""Whether etcd is asked at all: not while it is known to be away.

Without it everybody who wants something of an etcd that hangs waits for it as
long as they may, one after the other, and who may not wait long gives up each
time anew. Pure: time is told by a clock.
"""

import time
from collections.abc import Callable

_FAILURES = 3
"""In a row. One may be a member that was ended, two an election, of which a
healthy cluster has one in a second and a half."""

_REST_S = 1.0
"""From one trial to the next, in seconds."""


class Breaker:
    """Counts calls that etcd did not answer, and holds the next ones back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Let calls through.

        Args:
            clock: The time, in seconds.
        """
        self._clock = clock
        self._failures = 0
        self._again_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are held back, but for a trial now and then."""
        return self._failures >= _FAILURES

    def admits(self) -> bool:
        """Tell whether a call may go out; where calls rest, it is the one trial."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._again_at:
            return False
        self._again_at = now + _REST_S
        return True

    def succeeded(self) -> None:
        """Take note that etcd has answered, whatever it said."""
        self._failures = 0

    def failed(self) -> None:
        """Take note that it has not."""
        self._failures += 1
        if self._failures == _FAILURES:
            self._again_at = self._clock() + _REST_S
