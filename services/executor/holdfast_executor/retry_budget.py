"""Keeps requests that fail from doubling the load on providers that are down.

A project's further attempts are free as long as they go to deployments that
answer: that is what a fallback is for. One that goes where the last attempt
failed costs a token. So while one of two deployments is down every request is
served, and while both are hardly any is sent twice.

One that is left aside costs a token too, unless it answered here a moment ago, or
nobody here has found it down for some seconds: then a few requests look, whatever is
left of the tokens. So one that is well and still rests serves while others are down.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from holdfast.model import Caller, Outcome
from holdfast.outcome import CONSEQUENCES, Scope

_SHARE = 0.1
"""Tokens a request brings: gRPC's own throttle of retries suggests a tenth
(proposal A6, `tokenRatio`). With the attempts made until a deployment that fails
is left aside it stays below a fifth more load."""

_MOST = 10.0
"""Tokens a project can have of either kind, as in the same proposal (`maxTokens`):
a burst of so many, and then a share."""

_FLOOR_PER_S = 1.0
"""Tokens that time brings, so that a project of few requests may try again too."""

_NEWS_S = 5.0
"""For how long a failure says something of the next call: the rest of those that
have been away for up to a minute."""

_MOST_LOOKS = 10
"""Requests that may look in that time at who is left aside, until one of them knows:
those that come before the first is answered have nobody else either. With the first
that fails it is over."""

_MOST_PROJECTS = 10_000
"""Projects whose tokens are counted at a time. One that is forgotten begins anew."""


class Fare(Enum):
    """What a further attempt costs."""

    FREE = "free"
    PAID = "paid"
    TOO_DEAR = "too-dear"


@dataclass(slots=True)
class _Purse:
    """What one project has.

    Either kind pays for a retry and both are charged for it, so that retries
    are bounded by the larger of the two and not by their sum.
    """

    earned: float = _MOST
    given: float = _MOST
    given_at: float = 0.0


@dataclass(slots=True)
class BudgetCounts:
    """What became of further attempts, for metrics.

    Attributes:
        paid: Attempts that cost a token.
        refused: Attempts that were not made for want of one.
    """

    paid: int = 0
    refused: int = 0


class RetryBudget:
    """The tokens of all projects, and which deployments have just failed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with full purses.

        Args:
            clock: The time in seconds, from whenever.
        """
        self._clock = clock
        self._purses: dict[tuple[str, str], _Purse] = {}
        self._failed: dict[str, float] = {}
        self._looked: dict[str, tuple[float, int]] = {}
        self._answered: dict[str, float] = {}
        self.counts = BudgetCounts()

    @property
    def projects(self) -> int:
        """How many projects' tokens are counted."""
        return len(self._purses)

    def open(self, caller: Caller) -> None:
        """Note a request; its first attempt is free."""
        purse = self._purse(caller)
        if purse.earned < _MOST:
            purse.earned = min(_MOST, purse.earned + _SHARE)

    def fare(self, caller: Caller, deployment_id: str, *, is_aside: bool) -> Fare:
        """Say what a further attempt costs, and charge for it.

        Args:
            caller: Whose request it is.
            deployment_id: Where it would go.
            is_aside: Whether that is left aside.
        """
        now = self._clock()
        if not self.has_just_failed(deployment_id) and (
            not is_aside or self._is_worth_a_look(deployment_id, now)
        ):
            return Fare.FREE
        purse = self._purse(caller)
        purse.given = min(_MOST, purse.given + (now - purse.given_at) * _FLOOR_PER_S)
        purse.given_at = now
        if purse.earned < 1.0 and purse.given < 1.0:
            self.counts.refused += 1
            return Fare.TOO_DEAR
        purse.earned = max(0.0, purse.earned - 1.0)
        purse.given = max(0.0, purse.given - 1.0)
        self.counts.paid += 1
        return Fare.PAID

    def has_just_failed(self, deployment_id: str) -> bool:
        """Tell whether a deployment's last attempt here failed a moment ago."""
        failed_at = self._failed.get(deployment_id)
        return failed_at is not None and self._clock() - failed_at <= _NEWS_S

    def _is_worth_a_look(self, deployment_id: str, now: float) -> bool:
        """Tell whether one that is left aside and has not just failed may be tried."""
        answered_at = self._answered.get(deployment_id)
        if answered_at is not None and now - answered_at <= _NEWS_S:
            return True
        since, looks = self._looked.get(deployment_id, (now, 0))
        if now - since > _NEWS_S:
            since, looks = now, 0
        self._looked[deployment_id] = since, looks + 1
        return looks < _MOST_LOOKS

    def answered(self, caller: Caller, deployment_id: str, fare: Fare) -> None:
        """Note that an attempt was answered; what was paid for it is given back.

        Args:
            caller: Whose request it is.
            deployment_id: Who answered.
            fare: What the attempt cost.
        """
        if self._failed:
            self._failed.pop(deployment_id, None)
        if deployment_id in self._looked:
            self._answered[deployment_id] = self._clock()
        if fare is Fare.PAID:
            purse = self._purse(caller)
            purse.earned = min(_MOST, purse.earned + 1.0)
            purse.given = min(_MOST, purse.given + 1.0)

    def failed(self, deployment_id: str, outcome: Outcome) -> None:
        """Note how an attempt failed, where that says something of the next one."""
        if CONSEQUENCES[outcome].scope is not Scope.NOBODY:
            self._failed[deployment_id] = self._clock()
            self._answered.pop(deployment_id, None)

    def _purse(self, caller: Caller) -> _Purse:
        project = caller.organization_id, caller.project_id
        purse = self._purses.get(project)
        if purse is None:
            if len(self._purses) >= _MOST_PROJECTS:
                del self._purses[next(iter(self._purses))]
            purse = self._purses[project] = _Purse(given_at=self._clock())
        return purse
