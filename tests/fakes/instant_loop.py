"""An event loop on which waiting takes no time: whoever waits finds that it has passed.

answer = on_instant_loop(walk())
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


class _Selector(selectors.DefaultSelector):
    """Waits for nothing, and keeps how long it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everybody waits for something that never happens")
        self.waited += max(0.0, timeout)
        return super().select(0)


class InstantLoop(asyncio.SelectorEventLoop):
    """Goes from one timer to the next. Of no use to sockets or other threads."""

    def __init__(self) -> None:
        self._waits = _Selector()
        super().__init__(self._waits)

    def time(self) -> float:
        """Return seconds since it began, none of which was spent on anything."""
        return self._waits.waited

    def stand_still(self, seconds: float) -> None:
        """Have time pass in which nothing runs, as while a process is stopped."""
        self._waits.waited += seconds


def on_instant_loop(work: Coroutine[Any, Any, _T]) -> _T:
    """Run something to its end, however long that would have taken."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(work)
