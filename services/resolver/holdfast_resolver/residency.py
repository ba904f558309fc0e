"""Which deployments have said that they worked elsewhere than they promise.

One word of that is enough, and it outlasts the deployment's good health: whoever
may be served in one geography alone is not sent there again for a long time. The
replicas tell one another.
"""

from collections.abc import Callable
from datetime import timedelta

from holdfast.health import health_keys
from holdfast.model import Attempt, Deployment
from holdfast.residency import STRAY_LIFE
from holdfast_resolver.health.record import Record
from holdfast_resolver.stores import HealthStore

_MARK = "="
"""Stands between the name of a deployment's health and where it said it was."""


class Residency:
    """What is known of broken promises."""

    def __init__(self, store: HealthStore, now_ms: Callable[[], int]) -> None:
        """Begin with what the replicas know.

        Args:
            store: Shares it; its records stand for nothing but their end.
            now_ms: The time, in Unix milliseconds.
        """
        self._store = store
        self._now_ms = now_ms
        self._strayed: dict[str, tuple[str, int]] = {}
        store.watch(self._heard)

    def learn(self, attempt: Attempt, deployment: Deployment) -> None:
        """Learn from an attempt, which may say that its provider was elsewhere."""
        if not attempt.observed_geography:
            return
        now_ms = self._now_ms()
        end_ms = now_ms + STRAY_LIFE // timedelta(milliseconds=1)
        key = health_keys(deployment).deployment + _MARK + attempt.observed_geography
        self._store.publish(key, Record(end_ms, now_ms, now_ms, 1, told=True))

    def strayed(self, deployment: Deployment) -> str:
        """Say where a deployment has been, if not where it promises; else nothing."""
        if not self._strayed:
            return ""
        place, end_ms = self._strayed.get(health_keys(deployment).deployment, ("", 0))
        return place if self._now_ms() < end_ms else ""

    def _heard(self, key: str, record: Record | None) -> None:
        name, _, place = key.rpartition(_MARK)
        if record is not None:
            self._strayed[name] = place, record.until_ms
        elif self._strayed.get(name, ("", 0))[0] == place:
            del self._strayed[name]
