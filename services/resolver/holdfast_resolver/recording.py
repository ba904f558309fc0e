"""What is noted of every request, for those who look at it later.

A recorder is told on the request's path and does no more there than take note.
"""

from collections.abc import Sequence
from typing import Protocol

from holdfast.errors import GatewayError
from holdfast.model import Attempt, Caller, Exclusion, Plan
from holdfast.ports import AttemptReport, ResolveModelRequest


class Recorder(Protocol):
    """Takes note of what becomes of requests."""

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Note a plan that was made to be carried out, and what it left out."""

    def refused(
        self,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Note a request of a known caller that got no plan."""

    def attempted(self, report: AttemptReport, attempt: Attempt) -> None:
        """Note how an attempt ended. Each is told once here, but by chance twice."""

    def finished(self, report: AttemptReport) -> None:
        """Note how a request ended; `report.finished` says it. Likewise once."""


class Unrecorded:
    """Takes no note of anything."""

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Do nothing."""

    def refused(
        self,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Do nothing."""

    def attempted(self, report: AttemptReport, attempt: Attempt) -> None:
        """Do nothing."""

    def finished(self, report: AttemptReport) -> None:
        """Do nothing."""
