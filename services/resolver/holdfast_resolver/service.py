"""The resolver itself: a `Resolver` for whoever lives in the same process."""

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from holdfast import convert
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.resolver.v1 import resolver_service_pb2 as pb
from holdfast.api.routing.v1 import attempt_pb2
from holdfast.errors import ApiKeyUnknownError, RequestMalformedError
from holdfast.model import Deployment, Outcome
from holdfast.signing import PlanKeys
from holdfast_resolver.directory import Directory, Membership
from holdfast_resolver.health import Health
from holdfast_resolver.listing import list_models
from holdfast_resolver.planner import Decision, Planner, Question
from holdfast_resolver.sessions import binding_key
from holdfast_resolver.stores import CooldownStore, SessionStore

_MOST_SESSION_BYTES = 256

_MOST_REPORTS = 50_000
"""Attempts remembered so that a repeated report counts once: minutes' worth."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ResolverService:
    """Answers for one replica from what it knows; never waits for another."""

    def __init__(
        self,
        directory: Directory,
        plan_keys: PlanKeys,
        sessions: SessionStore,
        cooldowns: CooldownStore,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        """Put the parts together.

        Args:
            directory: Who may ask, and for what.
            plan_keys: What plans are signed with.
            sessions: Which deployment each session is bound to.
            cooldowns: Tells other replicas who is left aside.
            now_ms: The time, in Unix milliseconds.
        """
        self._directory = directory
        self._plan_keys = plan_keys
        self._sessions = sessions
        self._health = Health(cooldowns, now_ms)
        self._planner = Planner(sessions, self._cooldown)
        self._counted: OrderedDict[tuple[str, int], None] = OrderedDict()

    def replace_directory(self, directory: Directory) -> None:
        """Answer from another directory from the next request on."""
        self._directory = directory

    async def resolve_model(
        self, request: pb.ResolveModelRequest, *, deadline: float | None = None
    ) -> pb.ResolveModelResponse:
        """Resolve a model name to a signed plan.

        Raises:
            ApiKeyUnknownError: The principal is none.
            RequestMalformedError: The model is missing or the session too long.
            ModelNotFoundError: The name is none of the caller's.
            NoDeploymentAllowedError: Every deployment is excluded.
        """
        member = self._member(request.principal)
        if not request.model:
            raise RequestMalformedError("`model` is missing: name one.", field="model")
        if len(request.session_id.encode()) > _MOST_SESSION_BYTES:
            raise RequestMalformedError(
                f"`session_id` may have {_MOST_SESSION_BYTES} bytes at most.",
                field="session_id",
            )
        derived_in_vain = (
            request.session_derived and not member.defaults.derived_sessions
        )
        question = Question(
            model=request.model,
            session_id="" if derived_in_vain else request.session_id,
            requirements=convert.requirements_from_wire(request.requirements),
            plan_id=secrets.token_hex(16),
            trace_id=request.trace_id
            if _TRACE_ID.fullmatch(request.trace_id)
            else secrets.token_hex(16),
            explain=request.explain,
            commits=not request.validate_only,
        )
        decision = self._planner.plan(question, member, self._directory.revision)
        if question.commits:
            self._remember(decision, member)
        return pb.ResolveModelResponse(
            plan=self._plan_keys.sign(convert.plan_to_wire(decision.plan))
        )

    async def report_attempts(
        self, request: pb.ReportAttemptsRequest, *, deadline: float | None = None
    ) -> pb.ReportAttemptsResponse:
        """Learn from how attempts ended, each of them once."""
        for report in request.reports:
            for attempt in report.attempts:
                if self._first_time(report.plan_id, attempt.ordinal):
                    self._learn(report, attempt)
        return pb.ReportAttemptsResponse()

    async def list_models(
        self, request: catalog_pb.ListModelsRequest, *, deadline: float | None = None
    ) -> catalog_pb.ListModelsResponse:
        """List what a caller may call.

        Raises:
            ApiKeyUnknownError: The principal is none.
            RequestMalformedError: The page is none.
        """
        return list_models(request, self._member(request.principal), self._cooldown)

    def _member(self, principal: caller_pb2.Principal) -> Membership:
        if principal.WhichOneof("kind") == "caller":
            caller = principal.caller
            member = self._directory.by_project.get(
                (caller.organization_id, caller.project_id)
            )
            if member is None:
                raise ApiKeyUnknownError(
                    f"There is no project {caller.project_id!r} "
                    f"of organization {caller.organization_id!r}."
                )
            return member
        member = self._directory.by_key_digest.get(principal.api_key_digest)
        if member is None:
            raise ApiKeyUnknownError(
                "The API key is unknown or disabled; send a valid one in the "
                "`x-opper-api-key` or `Authorization: Bearer` header."
            )
        return member

    def _cooldown(self, deployment: Deployment) -> timedelta | None:
        return self._health.cooldown(deployment.id)

    def _remember(self, decision: Decision, member: Membership) -> None:
        if decision.binding is not None:
            self._sessions.bind(
                decision.binding.key,
                decision.binding.deployment_id,
                timedelta(seconds=member.defaults.session_ttl_s),
                urgent=not decision.binding.is_home,
            )

    def _first_time(self, plan_id: str, ordinal: int) -> bool:
        key = (plan_id, ordinal)
        if key in self._counted:
            return False
        self._counted[key] = None
        if len(self._counted) > _MOST_REPORTS:
            self._counted.popitem(last=False)
        return True

    def _learn(self, report: pb.AttemptReport, wire: attempt_pb2.Attempt) -> None:
        attempt = convert.attempt_from_wire(wire)
        self._health.record(attempt, timedelta(seconds=report.retry_after_cap_seconds))
        if attempt.outcome is not Outcome.SUCCEEDED or not report.session_key:
            return
        caller = report.caller
        member = self._directory.by_project.get(
            (caller.organization_id, caller.project_id)
        )
        if member is None:
            return
        served = member.names.deployment(attempt.deployment_id)
        if served is None:
            return
        key = binding_key(report.session_key, served.model_id)
        life = timedelta(seconds=member.defaults.session_ttl_s)
        bound_id = self._sessions.get(key)
        if bound_id is None:
            self._sessions.bind(key, served.id, life)
        elif bound_id == served.id:
            self._sessions.touch(key, life)
        elif served.id != report.bound_deployment_id:
            # Else it stayed where its plan found it, and another turn of the
            # session has moved on since: that one is not undone.
            self._sessions.move(key, served.id, life)
