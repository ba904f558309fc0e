"""What is noted of every request, for those who look at it later.

A recorder is told on the request's path and does no more there than take note.
"""

from collections.abc import Sequence
from typing import Protocol

from holdfast.errors import GatewayError
from holdfast.model import Attempt, Caller, Deployment, Exclusion, Plan
from holdfast.ports import AttemptReport, ResolveModelRequest


class Recorder(Protocol):
    """Takes note of what becomes of requests."""

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Note a plan that was made to be carried out, and what it left out."""

    def refused(
        self,
        plan_id: str,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Note a request of a known caller that got no plan.

        Args:
            plan_id: What its plan would have been called.
            request: What was asked.
            caller: On whose behalf.
            revision: What the plan would have been made from.
            error: Why there is none.
        """

    def attempted(
        self, report: AttemptReport, attempt: Attempt, deployment: Deployment | None
    ) -> None:
        """Note how an attempt ended. Each is told once here, but by chance twice.

        Args:
            report: What told of it.
            attempt: How it ended.
            deployment: What it called. None if that is gone meanwhile.
        """

    def finished(
        self, report: AttemptReport, deployment: Deployment | None, content_days: int
    ) -> None:
        """Note how a request ended; `report.finished` says it. Likewise once.

        Args:
            report: What told of it.
            deployment: Who served it. None if nobody did, or it is gone meanwhile.
            content_days: For how many days its project keeps what was said.
        """


class Unrecorded:
    """Takes no note of anything."""

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Do nothing."""

    def refused(
        self,
        plan_id: str,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Do nothing."""

    def attempted(
        self, report: AttemptReport, attempt: Attempt, deployment: Deployment | None
    ) -> None:
        """Do nothing."""

    def finished(
        self, report: AttemptReport, deployment: Deployment | None, content_days: int
    ) -> None:
        """Do nothing."""


class Several:
    """Tells several recorders, in order."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        """Tell these."""
        self._recorders = tuple(recorders)

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Tell each."""
        for each in self._recorders:
            each.planned(plan, exclusions)

    def refused(
        self,
        plan_id: str,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Tell each."""
        for each in self._recorders:
            each.refused(plan_id, request, caller, revision, error)

    def attempted(
        self, report: AttemptReport, attempt: Attempt, deployment: Deployment | None
    ) -> None:
        """Tell each."""
        for each in self._recorders:
            each.attempted(report, attempt, deployment)

    def finished(
        self, report: AttemptReport, deployment: Deployment | None, content_days: int
    ) -> None:
        """Tell each."""
        for each in self._recorders:
            each.finished(report, deployment, content_days)
