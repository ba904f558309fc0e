"""Which deployments are left aside for a while, and until when.

Learnt from the attempts that are reported, and told to the other replicas.
Health changes the order of a plan and never empties it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from holdfast.model import Attempt, Outcome
from holdfast.outcome import CONSEQUENCES, Rest
from holdfast_resolver.stores import CooldownStore

_BRIEF = timedelta(seconds=1)
"""The first rest of a deployment that did not say how long: a blip is over by
then, and a request that falls back meanwhile costs one attempt a second."""

_RATE_LIMITED = timedelta(seconds=5)
"""The same after a 429: providers count by the minute, so a second is too short."""

_LONG = timedelta(seconds=60)
_LONGEST = timedelta(minutes=10)
"""A credential is mended by people, who would see it used within ten minutes."""

_MOST_DOUBLINGS = 16
"""Keeps the arithmetic small; every cap is reached long before."""


@dataclass(slots=True)
class _State:
    until_ms: int = 0
    failures: int = 0


class Health:
    """What is known of each deployment, by its id."""

    def __init__(self, store: CooldownStore, now_ms: Callable[[], int]) -> None:
        """Begin with all deployments healthy.

        Args:
            store: Shares cooldowns with the other replicas.
            now_ms: The time, in Unix milliseconds.
        """
        self._store = store
        self._now_ms = now_ms
        self._states: dict[str, _State] = {}
        store.watch(self._heard)

    def cooldown(self, deployment_id: str) -> timedelta | None:
        """Say how much longer a deployment is left aside; None if it is not."""
        state = self._states.get(deployment_id)
        if state is None:
            return None
        left = state.until_ms - self._now_ms()
        return timedelta(milliseconds=left) if left > 0 else None

    def record(self, attempt: Attempt, retry_after_cap: timedelta) -> None:
        """Learn from how an attempt ended."""
        name = attempt.deployment_id
        rest = CONSEQUENCES[attempt.outcome].rest
        if attempt.outcome is Outcome.SUCCEEDED:
            state = self._states.pop(name, None)
            if state is not None and state.until_ms > self._now_ms():
                self._store.withdraw(name)
        elif rest is not Rest.NOT_AT_ALL:
            state = self._states.setdefault(name, _State())
            # What fails while it is left aside was mostly sent before: a burst
            # of failures at once is one failure.
            if state.failures == 0 or state.until_ms <= self._now_ms():
                state.failures += 1
            span = _span(attempt, rest, state.failures, retry_after_cap)
            until = self._now_ms() + round(span / timedelta(milliseconds=1))
            if until > state.until_ms:
                state.until_ms = until
                self._store.publish(name, until)

    def _heard(self, name: str, until_ms: int | None) -> None:
        if until_ms is None:
            if (state := self._states.get(name)) is not None:
                state.until_ms = 0
            return
        state = self._states.setdefault(name, _State())
        state.until_ms = max(state.until_ms, until_ms)


def _span(
    attempt: Attempt, rest: Rest, failures: int, retry_after_cap: timedelta
) -> timedelta:
    doublings = 1 << min(failures - 1, _MOST_DOUBLINGS)
    if rest is Rest.FOR_LONG:
        return min(_LONG * doublings, _LONGEST)
    if attempt.retry_after is not None:
        return max(timedelta(), min(attempt.retry_after, retry_after_cap))
    first = _RATE_LIMITED if attempt.outcome is Outcome.RATE_LIMITED else _BRIEF
    return min(first * doublings, retry_after_cap)
