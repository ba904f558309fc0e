"""A fleet that calls providers, in a world where cables and deployments fail.

Time is told, and so is who can reach whom. What the executors say of themselves, and
what the resolvers make of it, is the real thing.
"""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fakes.clock import Clock
from fakes.plans import attempt, deployment
from holdfast.model import Attempt, Deployment, Outcome
from holdfast_executor.vantage import Vantage
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.stores import MemoryHealthStore

STEP_S = 0.05
ASKS_EVERY_S = 0.2
CAP = timedelta(seconds=60)


@dataclass(frozen=True)
class Cut:
    """A while in which somebody is not there, in seconds from the beginning."""

    began_s: float
    ended_s: float

    def at(self, now_s: float) -> bool:
        return self.began_s <= now_s < self.ended_s


@dataclass(frozen=True)
class Caller:
    """An executor: what it does, and what befalls it.

    Attributes:
        clock_s: How far its clock is ahead.
        every_s: Between two of its calls.
        gives_up_s: How long a call takes that does not get through.
    """

    name: str
    cuts: Sequence[Cut] = ()
    clock_s: float = 0.0
    every_s: float = 0.1
    gives_up_s: float = 3.0

    def is_cut_off(self, now_s: float) -> bool:
        return any(cut.at(now_s) for cut in self.cuts)


@dataclass(frozen=True)
class World:
    """What there is.

    Attributes:
        down: When each deployment is.
        latency_s: How long an answer takes.
    """

    callers: Sequence[Caller]
    places: Sequence[Deployment] = (deployment("a/m-eu"), deployment("b/m-us"))
    down: dict[str, Sequence[Cut]] = field(default_factory=dict)
    latency_s: float = 0.3
    resolvers: int = 2

    def is_down(self, place: Deployment, now_s: float) -> bool:
        return any(cut.at(now_s) for cut in self.down.get(place.id, ()))


class NotingStore(MemoryHealthStore):
    """Notes when who was left aside."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.told: list[tuple[int, str]] = []
        self._clock = clock

    def publish(self, key, record) -> None:
        self.told.append((self._clock.now_ms(), key.partition("@")[0]))
        super().publish(key, record)


class Life:
    """One run of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = Clock()
        self._began_ms = self.clock.now_ms()
        self.store = NotingStore(self.clock)
        self.resolvers = [
            Health(self.store, self.clock.now_ms, lambda: 0.0)
            for _ in range(world.resolvers)
        ]
        self._turns = itertools.count()
        self._ends: list[tuple[float, int, Caller, Attempt]] = []
        self._numbers = itertools.count()
        self._vantages = {
            each.name: Vantage(
                each.name,
                lambda each=each: self.clock.now_ms() + round(each.clock_s * 1_000),
            )
            for each in world.callers
        }
        self._unsaid: dict[str, list[Attempt]] = {e.name: [] for e in world.callers}
        self._next_call = {e.name: 0.0 for e in world.callers}
        self._next_word = {e.name: 0.0 for e in world.callers}
        self._place = {e.name: itertools.cycle(world.places) for e in world.callers}

    @property
    def now_s(self) -> float:
        return (self.clock.now_ms() - self._began_ms) / 1_000

    @property
    def left_aside(self) -> list[tuple[float, str]]:
        """When who was, in seconds from the beginning."""
        return [((at - self._began_ms) / 1_000, who) for at, who in self.store.told]

    def live(self, seconds: float) -> "Life":
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            for caller in self.world.callers:
                self._act(caller)
            self.clock.advance(STEP_S)
        return self

    def _act(self, caller: Caller) -> None:
        if self.now_s >= self._next_call[caller.name]:
            self._next_call[caller.name] = self.now_s + caller.every_s
            self._call(caller, next(self._place[caller.name]))
        unsaid = self._unsaid[caller.name]
        while self._ends and self._ends[0][0] <= self.now_s:
            _, _, whose, ended = heapq.heappop(self._ends)
            self._vantages[whose.name].learn(ended)
            self._unsaid[whose.name].append(ended)
        if caller.is_cut_off(self.now_s):
            return
        if unsaid or self.now_s >= self._next_word[caller.name]:
            self._next_word[caller.name] = self.now_s + ASKS_EVERY_S
            self._say(caller, unsaid)
            unsaid.clear()

    def _call(self, caller: Caller, place: Deployment) -> None:
        """Begin a call, whose end is certain by now."""
        now_s = self.now_s
        ended_s, outcome, status = now_s + self.world.latency_s, Outcome.SUCCEEDED, 200
        if caller.is_cut_off(now_s):
            ended_s, outcome = now_s + caller.gives_up_s, Outcome.CONNECTION_FAILED
        elif self.world.is_down(place, now_s):
            ended_s, outcome = now_s + STEP_S, Outcome.CONNECTION_FAILED
        elif caller.is_cut_off(ended_s):
            ended_s, outcome = ended_s + caller.gives_up_s, Outcome.INTERRUPTED
        if outcome is Outcome.CONNECTION_FAILED:
            status = 0
        clock_ms = round(caller.clock_s * 1_000)
        ended = attempt(
            place.id,
            outcome,
            http_status=status,
            start_time_ms=self.clock.now_ms() + clock_ms,
            duration=timedelta(seconds=ended_s - now_s),
        )
        heapq.heappush(self._ends, (ended_s, next(self._numbers), caller, ended))

    def _say(self, caller: Caller, attempts: Sequence[Attempt]) -> None:
        """Report to the next resolver in turn, as executors do."""
        health = self.resolvers[next(self._turns) % len(self.resolvers)]
        standpoint = self._vantages[caller.name].tell()
        health.hear(standpoint)
        places = {place.id: place for place in self.world.places}
        for each in attempts:
            place = places[each.deployment_id]
            health.learn(each, place, self.world.places, CAP, standpoint)
