"""Carrying out what was drawn, and remembering when it truly was."""

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ha.happenings import Happening, may_begin
from ha.stage import Stage


@dataclass(slots=True)
class Past:
    """What has happened.

    Attributes:
        began_s: When it was begun, in Unix seconds.
        ended_s: When it was undone. None: it has not been.
    """

    happening: Happening[Stage]
    began_s: float
    ended_s: float | None = None

    def touches(self, begin_s: float, end_s: float) -> bool:
        """Tell whether it went on at any time of a span."""
        return self.began_s <= end_s and (
            self.ended_s is None or self.ended_s >= begin_s
        )

    def harms(self, units: Collection[str]) -> bool:
        """Tell whether it was done to some process, which did not end in good order."""
        kind, aim = self.happening.kind, self.happening.aim
        return not kind.ends and not aim.takes.isdisjoint(units)

    def loses(self, unit: str) -> bool:
        """Tell whether a process may lose to it what it has under way."""
        return self.happening.kind.loses and unit in self.happening.aim.takes


class Course:
    """The course of a run.

    Attributes:
        past: What has happened, as it began.
    """

    def __init__(self, stage: Stage, happenings: Sequence[Happening[Stage]]) -> None:
        """Prepare; `run` runs it."""
        self._stage = stage
        self._happenings = happenings
        self._going_on: list[Happening[Stage]] = []
        self._changed = asyncio.Condition()
        self.past: list[Past] = []

    async def run(self) -> None:
        """Have everything happen, in its order; return when all is whole again.

        Doing and undoing take time, more of it on a machine that is busy: what the
        claim does not allow beside what still goes on is put off.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for happening in self._happenings:
                await asyncio.sleep(began + happening.at_s - loop.time())
                group.create_task(self._carry_out(happening))

    def _may(self, happening: Happening[Stage]) -> bool:
        return may_begin(happening.aim, [each.aim for each in self._going_on])

    async def _carry_out(self, happening: Happening[Stage]) -> None:
        async with self._changed:
            await self._changed.wait_for(partial(self._may, happening))
            self._going_on.append(happening)
        past = Past(happening, time.time())
        self.past.append(past)
        async with happening.kind.harm(self._stage, happening.aim):
            await asyncio.sleep(happening.lasts_s)
        past.ended_s = time.time()
        await asyncio.sleep(happening.kind.back_s)
        async with self._changed:
            self._going_on.remove(happening)
            self._changed.notify_all()


def during(past: Iterable[Past], begin_s: float, end_s: float) -> list[Past]:
    """Return what went on at any time of a span."""
    return [each for each in past if each.touches(begin_s, end_s)]
