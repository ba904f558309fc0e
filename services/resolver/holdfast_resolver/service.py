"""The resolver itself: a `Resolver` for whoever lives in the same process."""

import dataclasses
import re
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.errors import (
    ApiKeyUnknownError,
    GatewayError,
    RequestMalformedError,
    RuntimeKeyRequiredError,
)
from holdfast.health import Rests
from holdfast.model import (
    Attempt,
    BudgetStatus,
    Caller,
    Deployment,
    Finished,
    Outcome,
    Plan,
    Reservation,
)
from holdfast.ports import (
    Answering,
    AttemptReport,
    Edit,
    ReportAttemptsRequest,
    ResolveModelRequest,
)
from holdfast.rpc.messages import principal_from_wire
from holdfast.settings import Defaults
from holdfast.signing import PlanKeys, SignedPlan
from holdfast.standpoint import Standpoint
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.directory import Directory, Membership
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.listing import list_models
from holdfast_resolver.plan_ids import new_plan_id
from holdfast_resolver.planner import Decision, Planner, Question
from holdfast_resolver.probes import Probes
from holdfast_resolver.probing import probing
from holdfast_resolver.quotas.admission import Admission
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

Preview = Callable[[bytes, str, bytes], Membership]
"""Says what the bearer of a key would be entitled to after an edit of a kind, whose
resource is in JSON."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


class ResolverService:
    """Answers for one replica from what it knows.

    It waits for others only near the limit of a budget or a rate.
    """

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
        *,
        admission: Admission | None = None,
        now_s: Callable[[], float] = time.time,
        preview: Preview | None = None,
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
            admission: Lets requests in by their quotas. None: plans are made to be
                looked at, and whoever asks is let in.
            now_s: Unix time in seconds, by which keys expire.
            preview: Says what an edit would come to. None: nobody edits.
        """
        self._preview = preview
        self._admission = admission
        self._recorder = recorder or Unrecorded()
        self._now_s = now_s
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
            RuntimeKeyRequiredError: The principal may only ask what would be planned.
            RequestMalformedError: The model is missing or the session too long.
            ModelNotFoundError: The name is none of the caller's.
            NoDeploymentAllowedError: Every deployment is excluded.
            BudgetExhaustedError: Nothing is left of a budget.
            BudgetUnknownError: Nobody knows how much is, and it says to wait then.
            RateLimitedError: The key has no more of this minute.
        """
        member = self.member(request.principal)
        if not _TRACE_ID.fullmatch(request.trace_id):
            request = dataclasses.replace(request, trace_id=secrets.token_hex(16))
        try:
            if request.edit is not None:
                member = self._previewed(request, request.edit)
            return await self._resolve(request, member)
        except GatewayError as error:
            if not request.validate_only:
                self._recorder.refused(
                    self._new_plan_id(),
                    request,
                    member.caller,
                    self._directory.revision,
                    error,
                )
            raise

    def _new_plan_id(self) -> str:
        return new_plan_id(int(self._now_s() * 1_000))

    def _previewed(self, request: ResolveModelRequest, edit: Edit) -> Membership:
        """Say what the principal would be entitled to after an edit."""
        if (
            self._preview is None
            or not request.validate_only
            or isinstance(request.principal, Caller)
        ):
            raise RequestMalformedError(
                "`edit` goes with `validate_only` and an API key.", field="edit"
            )
        return self._preview(request.principal, edit.kind, edit.resource)

    async def _resolve(
        self, request: ResolveModelRequest, member: Membership
    ) -> SignedPlan:
        if member.admin and not request.validate_only:
            raise RuntimeKeyRequiredError(
                "This key administrates, and such a key calls no models; send one "
                "that does not."
            )
        if not request.model:
            raise RequestMalformedError("`model` is missing: name one.", field="model")
        if len(request.session_id.encode()) > _MOST_SESSION_BYTES:
            raise RequestMalformedError(
                f"`session_id` may have {_MOST_SESSION_BYTES} bytes at most.",
                field="session_id",
            )
        defaults = member.defaults_for(request.model)
        derived_in_vain = request.session_derived and not defaults.derived_sessions
        question = Question(
            model=request.model,
            session_id="" if derived_in_vain else request.session_id,
            requirements=request.requirements,
            plan_id=self._new_plan_id(),
            trace_id=request.trace_id,
            session_derived=request.session_derived,
            explain=request.explain,
            commits=not request.validate_only,
            tags=request.tags,
            parent_span_id=request.parent_span_id,
        )
        decision = self._planner.plan(question, member, self._directory.revision)
        if question.commits:
            if member.is_metered:
                decision = await self._let_in(decision, member, question)
            self._remember(decision, defaults)
        plan = await self._probing(decision) if decision.due else decision.plan
        if question.commits:
            self._recorder.planned(plan, decision.exclusions)
        return self._plan_keys.sign(plan)

    async def report_attempts(
        self, request: ReportAttemptsRequest, *, deadline: float | None = None
    ) -> Rests | None:
        """Learn from how attempts ended, each of them once; say who is left aside."""
        self._health.hear(request.standpoint)
        for report in request.reports:
            if report.answering is not None:
                self._hear_answering(report.caller, report.answering)
            for attempt in report.attempts:
                if self._counted.is_new(report.plan_id, attempt.ordinal):
                    self._hear_attempt(report, attempt, request.standpoint)
                    self._charge(report, attempt)
            if report.finished is not None and self._counted.is_new(
                report.plan_id, _FINISHED
            ):
                self._hear_finished(report, report.finished)
                self._release(report.caller, report.reservation)
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
        member = self.member(principal_from_wire(request.principal))
        return list_models(
            request, member, self._health.standing, self._residency.strayed
        )

    async def list_budget_status(
        self, principal: bytes | Caller, *, deadline: float | None = None
    ) -> Sequence[BudgetStatus]:
        """List how the budgets stand that a principal may see.

        Raises:
            ApiKeyUnknownError: The principal is none.
        """
        if self._admission is None:
            return ()
        seen = self._directory.budgets_seen_by(self.member(principal))
        return self._admission.status(seen)

    def member(self, principal: bytes | Caller) -> Membership:
        """Say what a principal is entitled to.

        Raises:
            ApiKeyUnknownError: It is none.
        """
        if not isinstance(principal, Caller):
            return self._directory.admit(principal, self._now_s())
        member = self._directory.member(principal)
        if member is None:
            key = principal.api_key_id
            raise ApiKeyUnknownError(
                f"There is no {f'key {key!r} of ' if key else ''}"
                f"project {principal.project_id!r} "
                f"of organization {principal.organization_id!r}."
            )
        return member

    async def _let_in(
        self, decision: Decision, member: Membership, question: Question
    ) -> Decision:
        """Set aside what a plan may cost."""
        if self._admission is None:
            return decision
        plan = decision.plan
        reservation = await self._admission.reserve(member, plan, question.requirements)
        if reservation is None:
            return decision
        plan = dataclasses.replace(plan, reservation=reservation)
        return dataclasses.replace(decision, plan=plan)

    def _charge(self, report: AttemptReport, attempt: Attempt) -> None:
        if report.reservation is not None and self._admission is not None:
            self._admission.charge(report.caller, report.reservation, attempt)

    def _release(self, caller: Caller, reservation: Reservation | None) -> None:
        if reservation is not None and self._admission is not None:
            self._admission.finish(caller, reservation)

    async def _probing(self, decision: Decision) -> Plan:
        """Try one first that has rested, if nobody in the fleet does yet."""
        try:
            for step in decision.due:
                if await self._probes.claim(self._health.rest_name(step.deployment)):
                    return probing(decision.plan, step)
        except BaseException:
            # Whoever asked has gone: nobody will carry the plan out.
            self._release(decision.plan.caller, decision.plan.reservation)
            raise
        return decision.plan

    def _remember(self, decision: Decision, defaults: Defaults) -> None:
        if decision.binding is not None:
            self._sessions.bind(
                decision.binding.key,
                decision.binding.deployment_id,
                self._life(decision.binding.key, defaults),
                urgent=not decision.binding.is_home,
            )

    def _life(self, key: str, defaults: Defaults) -> timedelta:
        """Say how long a binding outlives its last turn: as its cache does at least."""
        return max(timedelta(seconds=defaults.session_ttl_s), self._warmth.life(key))

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
        member = self._directory.member(
            Caller(caller.organization_id, caller.project_id)
        )
        if member is None:
            return None
        called = member.names.deployment(deployment_id)
        return None if called is None else (member, called)

    def _hear_attempt(
        self, report: AttemptReport, attempt: Attempt, standpoint: Standpoint
    ) -> None:
        known = self._called(report.caller, attempt.deployment_id)
        if known is None:
            self._recorder.attempted(report, attempt, None)
            return
        member, served = known
        self._residency.learn(attempt, served)
        pool = member.names.pool(served)
        cap = report.retry_after_cap
        self._health.learn(attempt, served, pool, cap, standpoint)
        self._follow(report, attempt, member, served)
        self._recorder.attempted(report, attempt, served)

    def _hear_finished(self, report: AttemptReport, finished: Finished) -> None:
        caller = report.caller
        member = self._directory.member(
            Caller(caller.organization_id, caller.project_id)
        )
        if member is None:
            self._recorder.finished(report, None, 0)
            return
        served = member.names.deployment(finished.deployment_id)
        self._recorder.finished(report, served, member.content_days)

    def _follow(
        self,
        report: AttemptReport,
        attempt: Attempt,
        member: Membership,
        served: Deployment,
    ) -> None:
        """Have the session follow who served it."""
        if attempt.outcome is not Outcome.SUCCEEDED or not report.session_key:
            return
        key = binding_key(report.session_key, served.model_id)
        self._warmth.learn(key, attempt)
        life = self._life(key, member.defaults_for(report.requested_model))
        bound_id = self._sessions.get(key)
        if bound_id is None:
            self._sessions.bind(key, served.id, life)
        elif bound_id == served.id:
            self._sessions.touch(key, life)
        elif served.id != report.bound_deployment_id:
            # Else it stayed where its plan found it, and another turn of the
            # session has moved on since: that one is not undone.
            self._sessions.move(key, served.id, life)
