"""What earlier requests taught this executor: who rests, and what may be retried.

A plan is as old as its request. Which deployments have been left aside since it
was made is known from the resolver, as last heard; which ones have just failed,
from this executor's own attempts.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.health import Rests, health_keys
from holdfast.model import Deployment
from holdfast_executor.batch_sizes import BatchSizes
from holdfast_executor.hedging import HedgeBudget
from holdfast_executor.retry_budget import RetryBudget
from holdfast_executor.strays import Strays
from holdfast_executor.structured.track_record import TrackRecord
from holdfast_executor.vantage import Vantage


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Resting:
    """Who is left aside. What was heard last stands until something else is heard."""

    def __init__(self, now_ms: Callable[[], int] = _now_ms) -> None:
        """Begin with nobody left aside.

        Args:
            now_ms: The time, in Unix milliseconds.
        """
        self._now_ms = now_ms
        self._rests = Rests()

    @property
    def version(self) -> bytes:
        """What names the rests that are known."""
        return self._rests.version

    @property
    def count(self) -> int:
        """How many are left aside."""
        return len(self._rests.until_ms)

    def hear(self, rests: Rests) -> None:
        """Take over what a resolver says."""
        self._rests = rests

    def left(self, deployment: Deployment) -> timedelta | None:
        """Say how much longer a deployment rests; None if it does not.

        Whose rest is over is as the plan says: one that was made since knows
        whether it is back.
        """
        until_ms = self._rests.until_ms
        if not until_ms:
            return None
        keys = health_keys(deployment)
        end_ms = max(
            until_ms.get(keys.deployment, 0), until_ms.get(keys.any_credential, 0)
        )
        left = end_ms - self._now_ms()
        return timedelta(milliseconds=left) if left > 0 else None


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a request is told of those before it."""

    resting: Resting = field(default_factory=Resting)
    budget: RetryBudget = field(default_factory=RetryBudget)
    strays: Strays = field(default_factory=Strays)
    hedges: HedgeBudget = field(default_factory=HedgeBudget)
    forms: TrackRecord = field(default_factory=TrackRecord)
    batches: BatchSizes = field(default_factory=BatchSizes)
    vantage: Vantage = field(default_factory=Vantage)
