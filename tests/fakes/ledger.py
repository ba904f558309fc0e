"""Requests as a resolver is told of them, for a ledger to keep."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from fakes.clock import Clock
from fakes.plans import deployment
from holdfast.api.common.v1 import caller_pb2
from holdfast.convert import caller_to_wire
from holdfast.errors import ApiKeyUnknownError, GatewayError
from holdfast.model import (
    Attempt,
    Caller,
    Deployment,
    Exclusion,
    Finished,
    Outcome,
    Plan,
    PlanStep,
    SessionAffinity,
    StepReason,
    Usage,
)
from holdfast.ports import AttemptReport, ResolveModelRequest
from holdfast_resolver.directory import Membership, Names
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.service import LedgerService
from holdfast_resolver.ledger.store import Store
from holdfast_resolver.ledger.visibility import Visibility
from holdfast_resolver.plan_ids import new_plan_id
from holdfast_resolver.sessions import session_key

A, B, C = (deployment(f"{name}/m-eu", region="eu-1") for name in "abc")
WEB = Caller("acme", "web", "web-1")
SHOP = Caller("acme", "shop", "shop-1")
OTHER = Caller("umbrella", "lab", "lab-1")
ADMIN = Caller("acme", "web", "boss")

USAGE = Usage(1_000, 200, 600, 100, 50)


@dataclasses.dataclass(frozen=True)
class Call:
    """One attempt of a request, and what it cost in nanodollars."""

    deployment: Deployment = A
    outcome: Outcome = Outcome.SUCCEEDED
    cost: int = 1_000
    saving: int = 0
    usage: Usage | None = USAGE
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Told:
    """A request, as a resolver is told of it from beginning to end."""

    plan: Plan
    exclusions: Sequence[Exclusion]
    attempts: Sequence[tuple[AttemptReport, Attempt, Deployment]]
    finished: tuple[AttemptReport, Deployment | None, int]

    def tell(self, journal: Journal) -> None:
        """Tell all of it, in order."""
        journal.planned(self.plan, self.exclusions)
        for report, attempt, called in self.attempts:
            journal.attempted(report, attempt, called)
        journal.finished(*self.finished)


def told(
    clock: Clock,
    *calls: Call,
    caller: Caller = WEB,
    model: str = "m",
    session: str = "",
    affinity: SessionAffinity = SessionAffinity.NONE,
    tags: Mapping[str, str] = MappingProxyType({}),
    error: str = "",
    surface: str = "chat_completions",
    trace_id: str = "",
    exclusions: Sequence[Exclusion] = (),
    content: tuple[bytes, bytes] = (b"", b""),
    content_days: int = 0,
    **more: object,
) -> Told:
    """Make a request that took a second, and its attempts."""
    plan_id = new_plan_id(clock.now_ms())
    trace_id = trace_id or plan_id[::-1]
    key = session_key(caller.organization_id, caller.project_id, session)
    plan = Plan(
        plan_id,
        model,
        caller,
        trace_id,
        [PlanStep(each, StepReason.HASHED, "m") for each in (A, B, C)],
        session_affinity=affinity,
        session_key=key,
        tags=tags,
        revision="7",
    )
    report = AttemptReport(
        caller,
        plan_id,
        key,
        "",
        (),
        timedelta(seconds=60),
        requested_model=model,
        trace_id=trace_id,
    )
    attempts = [
        Attempt(
            ordinal,
            call.deployment.id,
            call.outcome,
            200 if call.outcome is Outcome.SUCCEEDED else 503,
            call.error,
            clock.now_ms() + ordinal,
            timedelta(milliseconds=300),
            timedelta(milliseconds=100),
            usage=call.usage,
            cost_usd_nanos=call.cost,
            credential="default",
            step_reason=StepReason.HASHED,
            cache_saving_usd_nanos=call.saving,
        )
        for ordinal, call in enumerate(calls or (Call(),), start=1)
    ]
    served = (calls or (Call(),))[-1].deployment if not error else None
    finished = Finished(
        trace_id,
        model,
        surface,
        streamed=True,
        start_time_ms=clock.now_ms(),
        duration=timedelta(seconds=1),
        revision="7",
        first_token=timedelta(milliseconds=150),
        deployment_id=served.id if served else "",
        response_model="m" if served else "",
        error_reason=error,
        session_affinity=affinity,
        attempt_count=len(attempts),
        fell_back=len({each.deployment_id for each in attempts}) > 1,
        cost_usd_nanos=sum(each.cost_usd_nanos for each in attempts),
        tags=tags,
        request_content=content[0],
        response_content=content[1],
        **more,
    )
    return Told(
        plan,
        exclusions,
        [
            (report, attempt, call.deployment)
            for attempt, call in zip(attempts, calls or (Call(),), strict=True)
        ],
        (dataclasses.replace(report, finished=finished), served, content_days),
    )


def refused(
    journal: Journal, error: GatewayError, *, caller: Caller = WEB, model: str = "m"
) -> None:
    """Tell of a request that got no plan."""
    request = ResolveModelRequest(b"", model, trace_id="f" * 32, tags={"team": "x"})
    journal.refused(new_plan_id(1_747_300_000_000), request, caller, "7", error)


def principal(caller: Caller) -> caller_pb2.Principal:
    """Name who asks."""
    return caller_pb2.Principal(caller=caller_to_wire(caller))


_NOTHING = Names({}, {}, {}, {}, {})
_PROJECTS = {"acme": ("web", "shop"), "acme-labs": ("lab",), "umbrella": ("lab",)}


def member(caller: bytes | Caller) -> Membership:
    """Say who asks: `boss` administers, and digests are nobody's."""
    if isinstance(caller, bytes):
        raise ApiKeyUnknownError("There is no such key.")
    return Membership(caller, caller.api_key_id == "boss", (), None, _NOTHING)


def administered(organization: str) -> Mapping[str, Sequence[str]]:
    """Say what administrators see: `acme` made `acme-labs`."""
    seen = ("acme", "acme-labs") if organization == "acme" else (organization,)
    return {each: _PROJECTS[each] for each in seen}


def ledger(journal: Journal, store: Store, clock: Clock) -> LedgerService:
    """Make a ledger that answers who `member` knows."""
    visibility = Visibility(member, administered)
    return LedgerService(journal, store, visibility, clock.now_ms)
