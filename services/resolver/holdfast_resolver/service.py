"""The resolver itself: a `Resolver` for whoever lives in the same process."""

import re
import secrets
from datetime import timedelta

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.errors import ApiKeyUnknownError, GatewayError, RequestMalformedError
from holdfast.health import Rests
from holdfast.model import Attempt, Caller, Deployment, Outcome, Plan
from holdfast.ports import (
    Answering,
    AttemptReport,
    ReportAttemptsRequest,
    ResolveModelRequest,
)
from holdfast.rpc.messages import principal_from_wire
from holdfast.signing import PlanKeys, SignedPlan
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.directory import Directory, Membership
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.listing import list_models
from holdfast_resolver.planner import Decision, Planner, Question
from holdfast_resolver.probes import Probes
from holdfast_resolver.probing import probing
from holdfast_resolver.recent import Recent
from holdfast_resolver.recording import Recorder, Unrecorded
from holdfast_resolver.residency import Residency
from holdfast_resolver.sessions import binding_key
from holdfast_resolver.stores import SessionStore
from holdfast_resolver.warmth import Warmth

_MOST_SESSION_BYTES = 256

_ATTEMPTS_REMEMBERED = 16_384
"""So that a report counts once which is sent again, 5 s later at most, for want of
an answer: at 2,000 requests a second that is 11,000 attempts. 2 MB at most."""

_FINISHED = 0
"""Stands for the request itself, where its attempts are counted from 1."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class ResolverService:
    """Answers for one replica from what it knows; never waits for another."""

    def __init__(  # noqa: PLR0913, PLR0917 - each is one thing that it knows
        self,
        directory: Directory,
        plan_keys: PlanKeys,
        sessions: SessionStore,
        health: Health,
        probes: Probes,
        warmth: Warmth,
        crowds: Crowds,
        residency: Residency,
        recorder: Recorder | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            directory: Who may ask, and for what.
            plan_keys: What plans are signed with.
            sessions: Which deployment each session is bound to.
            health: How deployments stand.
            probes: Asks whether a request may try who has rested.
            warmth: What sessions have in providers' caches.
            crowds: Which derived sessions are many conversations.
            residency: Which deployments have worked elsewhere than they promise.
            recorder: Takes note of what becomes of requests. None: nobody does.
        """
        self._recorder = recorder or Unrecorded()
        self._directory = directory
        self._plan_keys = plan_keys
        self._sessions = sessions
        health.know_credentials(directory.credential_names)
        self._health = health
        self._probes = probes
        self._warmth = warmth
        self._residency = residency
        self._planner = Planner(
            sessions, health.standing, warmth, crowds, residency.strayed
        )
        self._counted = Recent(_ATTEMPTS_REMEMBERED)

    def replace_directory(self, directory: Directory) -> None:
        """Answer from another directory from the next request on."""
        self._directory = directory
        self._health.know_credentials(directory.credential_names)

    async def resolve_model(
        self, request: ResolveModelRequest, *, deadline: float | None = None
    ) -> SignedPlan:
        """Resolve a model name to a signed plan.

        Raises:
            ApiKeyUnknownError: The principal is none.
            RequestMalformedError: The model is missing or the session too long.
            ModelNotFoundError: The name is none of the caller's.
            NoDeploymentAllowedError: Every deployment is excluded.
        """
        member = self._member(request.principal)
        try:
            return await self._resolve(request, member)
        except GatewayError as error:
            if not request.validate_only:
                self._recorder.refused(
                    request, member.caller, self._directory.revision, error
                )
            raise

    async def _resolve(
        self, request: ResolveModelRequest, member: Membership
    ) -> SignedPlan:
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
            requirements=request.requirements,
            plan_id=secrets.token_hex(16),
            trace_id=request.trace_id
            if _TRACE_ID.fullmatch(request.trace_id)
            else secrets.token_hex(16),
            session_derived=request.session_derived,
            explain=request.explain,
            commits=not request.validate_only,
            tags=request.tags,
            parent_span_id=request.parent_span_id,
        )
        decision = self._planner.plan(question, member, self._directory.revision)
        if question.commits:
            self._remember(decision, member)
        plan = await self._probing(decision) if decision.due else decision.plan
        if question.commits:
            self._recorder.planned(plan, decision.exclusions)
        return self._plan_keys.sign(plan)

    async def report_attempts(
        self, request: ReportAttemptsRequest, *, deadline: float | None = None
    ) -> Rests | None:
        """Learn from how attempts ended, each of them once; say who is left aside."""
        for report in request.reports:
            if report.answering is not None:
                self._hear_answering(report.caller, report.answering)
            for attempt in report.attempts:
                if self._counted.is_new(report.plan_id, attempt.ordinal):
                    self._learn(report, attempt)
                    self._recorder.attempted(report, attempt)
            if report.finished is not None and self._counted.is_new(
                report.plan_id, _FINISHED
            ):
                self._recorder.finished(report)
        rests = self._health.rests()
        return None if rests.version == request.known_rests else rests

    async def list_models(
        self, request: catalog_pb.ListModelsRequest, *, deadline: float | None = None
    ) -> catalog_pb.ListModelsResponse:
        """List what a caller may call.

        Raises:
            ApiKeyUnknownError: The principal is none.
            RequestMalformedError: The page is none.
        """
        member = self._member(principal_from_wire(request.principal))
        return list_models(
            request, member, self._health.standing, self._residency.strayed
        )

    def _member(self, principal: bytes | Caller) -> Membership:
        if isinstance(principal, Caller):
            member = self._directory.by_project.get(
                (principal.organization_id, principal.project_id)
            )
            if member is None:
                raise ApiKeyUnknownError(
                    f"There is no project {principal.project_id!r} "
                    f"of organization {principal.organization_id!r}."
                )
            return member
        member = self._directory.by_key_digest.get(principal)
        if member is None:
            raise ApiKeyUnknownError(
                "The API key is unknown or disabled; send a valid one in the "
                "`x-opper-api-key` or `Authorization: Bearer` header."
            )
        return member

    async def _probing(self, decision: Decision) -> Plan:
        """Try one first that has rested, if nobody in the fleet does yet."""
        for step in decision.due:
            if await self._probes.claim(self._health.rest_name(step.deployment)):
                return probing(decision.plan, step)
        return decision.plan

    def _remember(self, decision: Decision, member: Membership) -> None:
        if decision.binding is not None:
            self._sessions.bind(
                decision.binding.key,
                decision.binding.deployment_id,
                self._life(decision.binding.key, member),
                urgent=not decision.binding.is_home,
            )

    def _life(self, key: str, member: Membership) -> timedelta:
        """Say how long a binding outlives its last turn: as its cache does at least."""
        return max(
            timedelta(seconds=member.defaults.session_ttl_s), self._warmth.life(key)
        )

    def _hear_answering(self, caller: Caller, answering: Answering) -> None:
        known = self._called(caller, answering.deployment_id)
        if known is not None:
            self._health.answered(
                known[1], answering.start_time_ms, answering.credential
            )

    def _called(
        self, caller: Caller, deployment_id: str
    ) -> tuple[Membership, Deployment] | None:
        """Find what a project called; None if it or the project is gone."""
        member = self._directory.by_project.get(
            (caller.organization_id, caller.project_id)
        )
        if member is None:
            return None
        called = member.names.deployment(deployment_id)
        return None if called is None else (member, called)

    def _learn(self, report: AttemptReport, attempt: Attempt) -> None:
        known = self._called(report.caller, attempt.deployment_id)
        if known is None:
            return
        member, served = known
        self._residency.learn(attempt, served)
        pool = member.names.pool(served)
        self._health.learn(attempt, served, pool, report.retry_after_cap)
        if attempt.outcome is not Outcome.SUCCEEDED or not report.session_key:
            return
        key = binding_key(report.session_key, served.model_id)
        self._warmth.learn(key, attempt)
        life = self._life(key, member)
        bound_id = self._sessions.get(key)
        if bound_id is None:
            self._sessions.bind(key, served.id, life)
        elif bound_id == served.id:
            self._sessions.touch(key, life)
        elif served.id != report.bound_deployment_id:
            # Else it stayed where its plan found it, and another turn of the
            # session has moved on since: that one is not undone.
            self._sessions.move(key, served.id, life)
