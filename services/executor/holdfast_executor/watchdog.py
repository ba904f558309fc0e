"""Ending a wait that takes too long, where one wait follows another all the time.

A timer for each wait would cost more than most of the waits. Here one timer serves
them all: it looks, when it rings, whether the wait under way began too long ago,
and is set anew if it did not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

_T = TypeVar("_T")

_EARLY_S = 0.001
"""What a timer may ring early: uvloop counts in whole milliseconds."""

_HELD_UP_S = 1.0
"""How late a timer rings where the whole process was held up, and for how long a wait
then goes on: what came meanwhile is there and was not read. A loop that is merely busy
is not as late."""


class Watchdog:
    """Watches one wait at a time, each by whichever task waits."""

    __slots__ = (
        "_due",
        "_has_bitten",
        "_loop",
        "_rings_at",
        "_task",
        "_timer",
    )

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._due = 0.0
        self._task: asyncio.Task[Any] | None = None
        self._has_bitten = False

    async def wait(
        self, act: Callable[[], Awaitable[_T]], seconds: float, deadline: float
    ) -> _T:
        """Wait for something, but not too long.

        Args:
            act: What is waited for.
            seconds: How long at most.
            deadline: Until when at most, on the event loop's clock.

        Raises:
            TimeoutError: It took too long, and was cancelled.
        """
        now = self._loop.time()
        due = self._due = max(min(now + seconds, deadline), now + _EARLY_S)
        if self._timer is None or due < self._rings_at:
            self._set(due)
        task = self._task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("there is no task to cancel")
        cancelling = task.cancelling()
        try:
            return await act()
        except asyncio.CancelledError:
            if self._has_bitten and task.cancelling() <= cancelling + 1:
                raise TimeoutError from None
            raise
        finally:
            self._task = None
            if self._has_bitten:
                self._has_bitten = False
                task.uncancel()

    def close(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, due: float) -> None:
        self.close()
        self._rings_at = due
        self._timer = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            # Nobody waits. The next wait sets the timer.
            return
        now = self._loop.time()
        if self._due > now + _EARLY_S:
            self._set(self._due)
            return
        if now > self._rings_at + _HELD_UP_S:
            self._set(now + _HELD_UP_S)
            return
        self._has_bitten = True
        self._task.cancel()
