"""Which deployments this executor has seen work elsewhere than they promise.

The resolver hears of each and plans without them where policy goes by the promise.
A plan that was made before is good for a while: whoever strayed is not called by it
either.
"""

import time
from collections import Counter
from collections.abc import Callable

from holdfast.health import health_keys
from holdfast.model import Deployment
from holdfast.residency import STRAY_LIFE


class Strays:
    """What was seen of broken promises, and how often.

    Attributes:
        counts: Attempts that were worked on elsewhere, by deployment.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with everybody taken at their word.

        Args:
            now: The time, in seconds since whenever.
        """
        self.counts: Counter[str] = Counter()
        self._now = now
        self._seen: dict[str, tuple[str, float]] = {}

    def learn(self, deployment: Deployment, place: str) -> None:
        """Take note of where an attempt was worked on."""
        now = self._now()
        self.counts[deployment.id] += 1
        self._seen = {name: seen for name, seen in self._seen.items() if seen[1] > now}
        ends = now + STRAY_LIFE.total_seconds()
        self._seen[health_keys(deployment).deployment] = place, ends

    def place(self, deployment: Deployment) -> str:
        """Say where a deployment was seen, if not where it promises; else nothing."""
        if not self._seen:
            return ""
        place, ends = self._seen.get(health_keys(deployment).deployment, ("", 0.0))
        return place if self._now() < ends else ""
