"""Asking a second deployment beside one that shows nothing, whichever answers first.

Two parts that know nothing of deployments: how many requests may be hedged, and
the race of two calls, which leaves nothing behind however it ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from holdfast.model import Caller

_MOST = 10.0
"""Hedges a project can have saved up, as many as its retry budget holds: a
provider that slows down is noticed, and only a share of what follows is hedged."""

_MOST_PROJECTS = 10_000
"""Projects whose requests are counted at a time. One that is forgotten begins
anew, with nothing."""


@dataclass(slots=True)
class HedgeCounts:
    """What became of hedges, for metrics.

    Attributes:
        made: Second attempts that were made.
        won: Those of them that served the request.
        refused: Those not made since the project's share was used up.
    """

    made: int = 0
    won: int = 0
    refused: int = 0


class HedgeBudget:
    """How many requests of each project may still be hedged.

    A request brings its share of a hedge and a hedge takes a whole one. Nothing
    is given in advance, so that a project's share is never exceeded.
    """

    def __init__(self) -> None:
        self._saved: dict[tuple[str, str], float] = {}
        self.counts = HedgeCounts()

    def open(self, caller: Caller, share: float) -> None:
        """Note a request that may be hedged.

        Args:
            caller: Whose it is.
            share: Of a hedge, from 0 to 1.
        """
        project = caller.organization_id, caller.project_id
        saved = self._saved.get(project)
        if saved is None:
            saved = 0.0
            if len(self._saved) >= _MOST_PROJECTS:
                del self._saved[next(iter(self._saved))]
        self._saved[project] = min(_MOST, saved + share)

    def take(self, caller: Caller) -> bool:
        """Take one hedge of a project's, if it has one."""
        project = caller.organization_id, caller.project_id
        if self._saved.get(project, 0.0) < 1.0:
            self.counts.refused += 1
            return False
        self._saved[project] -= 1.0
        self.counts.made += 1
        return True


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Finish(Generic[_T]):
    """How a race ended.

    Attributes:
        first: None if the first was called off.
        second: None if the second was called off, or never began.
    """

    first: _T | None
    second: _T | None


class Race(Generic[_T]):
    """A call, and after a while another one beside it.

    The first is made by the task that waits for both, so that a race which
    nobody joins costs a timer and no task.
    """

    def __init__(
        self,
        join: Callable[[], Coroutine[Any, Any, _T] | None],
        *,
        decides: Callable[[_T], bool],
        wins: Callable[[_T], bool],
        drop: Callable[[_T], Awaitable[None]],
    ) -> None:
        """Begin with nobody running.

        Args:
            join: Begins the second call; None if there is to be none.
            decides: Whether what the first came to ends the race.
            wins: Whether what the second came to ends it. Otherwise the one that
                is left goes on alone.
            drop: Lets go of what a call came to that nobody will have.
        """
        self._join = join
        self._decides = decides
        self._wins = wins
        self._drop = drop
        self._runner: asyncio.Task[Any] | None = None
        self._second: asyncio.Task[_T] | None = None
        self._has_won = False

    async def run(self, first: Awaitable[_T], after_s: float) -> Finish[_T]:
        """Run it to its end.

        Args:
            first: The first call.
            after_s: How long it runs alone, in seconds.

        Returns:
            What each of them came to. Whoever was called off has ended.
        """
        runner = self._runner = asyncio.current_task()
        if runner is None:
            raise RuntimeError("there is no task to cancel")
        cancelling = runner.cancelling()
        timer = asyncio.get_running_loop().call_later(after_s, self._begin)
        try:
            came_to = await first
        except asyncio.CancelledError:
            self._leave(runner, timer)
            if self._has_won and runner.cancelling() <= cancelling:
                return Finish(None, _outcome(self._second))
            await self._call_off()
            raise
        except BaseException:
            self._leave(runner, timer)
            await self._call_off()
            raise
        self._leave(runner, timer)
        second = self._second
        if second is None:
            return Finish(came_to, None)
        try:
            if self._decides(came_to):
                second.cancel()
            await asyncio.wait([second])
            return Finish(came_to, _outcome(second))
        except BaseException:
            await self._drop(came_to)
            await self._call_off()
            raise

    def _begin(self) -> None:
        call = self._join()
        if call is not None:
            self._second = asyncio.get_running_loop().create_task(call)
            self._second.add_done_callback(self._ended)

    def _ended(self, second: asyncio.Task[_T]) -> None:
        """See the second end, and call the first off if that decides it."""
        if self._runner is None or second.cancelled() or second.exception():
            return
        if self._wins(second.result()):
            self._has_won = True
            self._runner.cancel()
            self._runner = None

    def _leave(self, runner: asyncio.Task[Any], timer: asyncio.TimerHandle) -> None:
        """Let the runner not be cancelled by this race any more."""
        timer.cancel()
        self._runner = None
        if self._has_won:
            runner.uncancel()

    async def _call_off(self) -> None:
        second = self._second
        if second is None:
            return
        second.cancel()
        await asyncio.wait([second])
        if (came_to := _outcome(second)) is not None:
            await self._drop(came_to)


def _outcome(call: "asyncio.Task[_T] | None") -> _T | None:
    return None if call is None or call.cancelled() else call.result()
