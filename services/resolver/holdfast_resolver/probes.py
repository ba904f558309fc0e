"""Lets one request of the whole fleet try a deployment whose rest is over.

Each rest has a name, and whoever is first to write that name in the shared store
may try: so a rest is followed by one probe, however many replicas there are. If
whoever tries is never heard of again, the name runs out and another may. While
the store is away every replica tries for itself, each at a moment of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from holdfast_resolver.health.record import chance
from holdfast_resolver.stores import ProbeStore

LIFE = timedelta(seconds=15)
"""For how long nobody else tries after one did: half of what a first token may
take by default, which is what the executor gives a probe."""

_ALONE_MS = 2_000
"""Replicas that cannot ask one another try within so long of each other."""

_MOST_NAMES = 1_000
"""Rests remembered at a time; as many deployments would have to be away."""


@dataclass(slots=True)
class ProbeCounts:
    """What became of asking to probe, for metrics.

    Attributes:
        granted: Probes that the fleet left to this replica.
        left_to_others: Those that another replica was first to ask for.
        alone: Probes made while the store was away.
    """

    granted: int = 0
    left_to_others: int = 0
    alone: int = 0


class Probes:
    """Asks for probes on behalf of one replica."""

    def __init__(
        self,
        store: ProbeStore,
        now_ms: Callable[[], int],
        jitter: Callable[[], float] = chance,
        life: timedelta = LIFE,
    ) -> None:
        """Begin with nothing asked for.

        Args:
            store: Where the replicas write who tries.
            now_ms: The time, in Unix milliseconds.
            jitter: Gives a number from 0 to 1.
            life: For how long nobody else tries after one did.
        """
        self._store = store
        self._now_ms = now_ms
        self._jitter = jitter
        self._life = life
        self._asked: dict[str, int] = {}
        self._alone: dict[str, int] = {}
        self.counts = ProbeCounts()

    @property
    def remembered(self) -> int:
        """How many rests are remembered."""
        return len(self._asked)

    async def claim(self, rest: str) -> bool:
        """Tell whether the request at hand may try who has had this rest.

        It waits for nobody where this replica knows the answer, and else for the
        store, for some milliseconds at most and once a rest.
        """
        now_ms = self._now_ms()
        if now_ms < self._asked.get(rest, 0):
            return False
        self._forget(now_ms)
        self._asked[rest] = now_ms + self._life // timedelta(milliseconds=1)
        is_first = await self._store.claim(rest, self._life)
        if is_first is None:
            return self._claim_alone(rest, now_ms)
        if is_first:
            self.counts.granted += 1
        else:
            self.counts.left_to_others += 1
        return is_first

    def _claim_alone(self, rest: str, now_ms: int) -> bool:
        starts_ms = self._alone.get(rest)
        if starts_ms is None:
            starts_ms = now_ms + round(_ALONE_MS * self._jitter())
            self._alone[rest] = starts_ms
        if now_ms < starts_ms:
            self._asked[rest] = starts_ms
            return False
        del self._alone[rest]
        self.counts.alone += 1
        return True

    def _forget(self, now_ms: int) -> None:
        if len(self._asked) >= _MOST_NAMES:
            self._asked = {n: at for n, at in self._asked.items() if at > now_ms}
            self._alone = {n: at for n, at in self._alone.items() if n in self._asked}
