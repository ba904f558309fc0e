"""From a name to a plan: expand, filter, order. Read this first.

Decides over values alone. What outlives a request (turns, bindings, health) is
handed in, and what should be remembered is handed back.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol

from holdfast.model import (
    Capability,
    Deployment,
    Exclusion,
    Plan,
    PlanStep,
    Requirements,
    SessionAffinity,
    StepReason,
)
from holdfast.policy import Strayed
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.directory import Membership
from holdfast_resolver.eligibility import split
from holdfast_resolver.expansion import Expansion, Member, expand
from holdfast_resolver.ordering import (
    Ramps,
    Spread,
    Stand,
    Turns,
    by_hash,
    steps,
    welcomes,
)
from holdfast_resolver.probing import candidates
from holdfast_resolver.refusal import emptied
from holdfast_resolver.sessions import binding_key, session_key
from holdfast_resolver.vector_spaces import Eligible, comparable, models_of
from holdfast_resolver.warmth import Warmth

_MOST_STEPS = 32
"""Steps of a plan that is executed: five times the default of attempts. Every
step costs bytes on each hop; `explain` shows them all."""


class Bindings(Protocol):
    """Reads which deployment a session is bound to."""

    @property
    def synced(self) -> bool:
        """Whether that is what all replicas see."""

    def get(self, key: str) -> str | None:
        """Return the deployment, None if the session is unbound."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one request asks of the planner.

    Attributes:
        session_derived: Whether the session is one that nobody named.
        commits: Whether turns are counted; not, to explain.
        tags: What the request is for, by name.
        parent_span_id: The span of the caller's own trace. Empty: none.
    """

    model: str
    session_id: str
    requirements: Requirements
    plan_id: str
    trace_id: str
    session_derived: bool = False
    explain: bool = False
    commits: bool = True
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parent_span_id: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A session to be bound: under which key, and to what.

    Attributes:
        is_home: Whether it is where the hash alone puts the session, so that
            every replica would find it without being told.
    """

    key: str
    deployment_id: str
    is_home: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan, and what is to be done along with it.

    Attributes:
        binding: What is to be remembered.
        due: Steps of the plan that have rested, of which it may try one first.
        exclusions: What was left out; the plan says it only where it explains.
    """

    plan: Plan
    binding: Binding | None = None
    due: tuple[PlanStep, ...] = ()
    exclusions: Sequence[Exclusion] = ()


def _nobody_strays(_deployment: Deployment) -> str:
    """Take every deployment at its word."""
    return ""


class Planner:
    """Makes plans from what one replica knows."""

    def __init__(
        self,
        bindings: Bindings,
        stand: Stand,
        warmth: Warmth,
        crowds: Crowds,
        strayed: Strayed,
    ) -> None:
        """Begin with nothing counted.

        Args:
            bindings: Which deployment each session is bound to.
            stand: How each deployment stands.
            warmth: What sessions have in providers' caches.
            crowds: Which derived sessions are many conversations.
            strayed: Which deployments have worked elsewhere than they promise.
        """
        self._strayed = strayed
        self._bindings = bindings
        self._stand = stand
        self._warmth = warmth
        self._crowds = crowds
        self._turns = Turns()
        self._ramps = Ramps()
        self._spread = Spread()

    def plan(self, question: Question, member: Membership, revision: str) -> Decision:
        """Make a plan.

        Raises:
            ModelNotFoundError: The name is none of the caller's.
            NoDeploymentAllowedError: Everything is excluded (not if explaining).
        """
        expansion = expand(question.model, member.names)
        caller = member.caller
        session = ""
        if question.session_id and not _is_pinned(expansion):
            session = session_key(
                caller.organization_id, caller.project_id, question.session_id
            )
        if session and question.session_derived and question.commits:
            session = "" if self._crowds.joins(session) else session
        eligible: list[Eligible] = []
        exclusions: list[Exclusion] = []
        for place in expansion.members:
            allowed, excluded = self._split(place, member, question, self._strayed)
            exclusions += excluded
            if allowed or self._is_held(place, member, question):
                eligible.append((place, allowed))
        kept, apart = comparable(eligible, question.requirements)
        exclusions += apart
        pools = [
            self._order(place, allowed, session, member, question)
            for place, allowed in kept
            if allowed
        ]
        arranged = [step for pool in pools for step in pool.steps]
        if expansion.is_alias:
            arranged = _alias_order(arranged)
        if not arranged and not question.explain:
            raise emptied(question.model, exclusions, revision)
        leading = _leading(pools, arranged)
        plan = Plan(
            plan_id=question.plan_id,
            requested_model=question.model,
            caller=caller,
            trace_id=question.trace_id,
            steps=tuple(arranged if question.explain else arranged[:_MOST_STEPS]),
            exclusions=tuple(exclusions) if question.explain else (),
            session_affinity=leading.affinity,
            session_key=session,
            bound_deployment_id=leading.bound_id,
            policies=member.policies,
            limits=member.defaults_for(question.model).limits,
            revision=revision,
            incomparable_models=models_of(apart),
            tags=question.tags,
            content_retained=member.content_days > 0,
            parent_span_id=question.parent_span_id,
            guardrails=member.guardrails,
        )
        due: tuple[PlanStep, ...] = ()
        if question.commits and arranged and arranged[-1].cooldown is not None:
            due = candidates([pool.steps for pool in pools], arranged[0])
        return Decision(plan, leading.binding, due, exclusions)

    def _split(
        self, place: Member, member: Membership, question: Question, strayed: Strayed
    ) -> tuple[list[Deployment], list[Exclusion]]:
        return split(
            place.deployments,
            member.policies,
            member.names.objections.get,
            question.requirements,
            strayed,
        )

    def _is_held(self, place: Member, member: Membership, question: Question) -> bool:
        """Say whether a member nothing is left of keeps its place all the same.

        It does where vectors are asked for and it is only for the time being that
        none of its deployments may be used: then no other model's may either.
        """
        if Capability.EMBEDDINGS not in question.requirements.capabilities:
            return False
        return bool(self._split(place, member, question, _nobody_strays)[0])

    def _order(
        self,
        place: Member,
        allowed: list[Deployment],
        session: str,
        member: Membership,
        question: Question,
    ) -> "_Pool":
        if place.pinned:
            arranged = steps(
                place,
                allowed,
                StepReason.PINNED,
                bound=None,
                chosen=None,
                stand=self._stand,
            )
            return _Pool(arranged)
        caller = member.caller
        name = f"{caller.organization_id}/{caller.project_id}/{place.response_model}"
        if not session:
            return _Pool(self._by_turn(name, place, allowed, advance=question.commits))
        key = binding_key(session, allowed[0].model_id)
        ordered = by_hash(key, allowed)
        if question.requirements.prompt_cache_s and question.commits:
            life = timedelta(seconds=question.requirements.prompt_cache_s)
            self._warmth.expect(key, life)
        bound_id = self._bindings.get(key)
        bound = next((d for d in allowed if d.id == bound_id), None)
        if bound is not None:
            bound = self._warmest(key, bound, allowed, decides=question.commits)
        chosen = None
        if bound_id is None and self._bindings.synced and question.commits:
            chosen = self._spread.choose(name, self._welcoming(ordered, key))
        arranged = steps(
            place,
            ordered,
            StepReason.HASHED,
            bound=bound,
            chosen=chosen,
            stand=self._stand,
        )
        first = arranged[0].deployment.id
        return _Pool(
            arranged,
            _affinity(bound_id, first, synced=self._bindings.synced),
            bound_id or "",
            Binding(key, first, is_home=first == ordered[0].id)
            if bound_id is None
            else None,
        )

    def _warmest(
        self, key: str, bound: Deployment, allowed: list[Deployment], *, decides: bool
    ) -> Deployment | None:
        """Say where a bound session belongs now; None if it is worth nothing anywhere.

        Who is left aside is neither left for good nor returned to.
        """
        if not self._warmth.knows(key) or self._stand(bound).left is not None:
            return bound
        if self._warmth.is_worthless(key, bound.id):
            return None
        others = [d for d in allowed if d != bound and self._stand(d).left is None]
        return self._warmth.cheaper(key, bound, others, decides=decides)

    def _welcoming(self, ordered: list[Deployment], key: str) -> list[Deployment]:
        """Return where a new session may go, in its own order."""
        standings = [(d, self._stand(d)) for d in ordered]
        healthy = [(d, standing) for d, standing in standings if standing.left is None]
        open_to = [d for d, standing in healthy if welcomes(d, standing, key)]
        return open_to or [d for d, _ in healthy] or ordered

    def _by_turn(
        self, name: str, place: Member, allowed: list[Deployment], *, advance: bool
    ) -> list[PlanStep]:
        """Let the healthy ones take turns; who is left aside takes none."""
        standings = [(d, self._stand(d)) for d in allowed]
        healthy = [(d, standing) for d, standing in standings if standing.left is None]
        turning = [
            d
            for d, standing in healthy
            if standing.share >= 1.0 or (advance and self._ramps.admits(d, standing))
        ] or [d for d, _ in healthy]
        turns = self._turns.order(name, turning, advance=advance)
        return steps(
            place,
            [*turns, *(d for d in allowed if d not in turning)],
            StepReason.ROTATED,
            bound=None,
            chosen=turns[0] if turns else None,
            stand=self._stand,
        )


@dataclass(frozen=True, slots=True)
class _Pool:
    """One member's part of a plan, and what the session had to do with it."""

    steps: list[PlanStep]
    affinity: SessionAffinity = SessionAffinity.NONE
    bound_id: str = ""
    binding: Binding | None = None


def _leading(pools: list[_Pool], arranged: list[PlanStep]) -> _Pool:
    """Return the pool whose step stands first: it says what becomes of the session.

    Where an earlier member of the alias had the session and is left aside, a
    session that is new to this one has moved.
    """
    bound_before = ""
    for pool in pools:
        if pool.steps[0] is arranged[0]:
            if bound_before and pool.affinity is SessionAffinity.NEW:
                return dataclasses.replace(
                    pool, affinity=SessionAffinity.MOVED, bound_id=bound_before
                )
            return pool
        bound_before = bound_before or pool.bound_id
    return _Pool([])


def _is_pinned(expansion: Expansion) -> bool:
    return not expansion.is_alias and expansion.members[0].pinned


def _affinity(bound_id: str | None, first: str, *, synced: bool) -> SessionAffinity:
    if not synced:
        return SessionAffinity.UNKNOWN
    if bound_id is None:
        return SessionAffinity.NEW
    return SessionAffinity.KEPT if bound_id == first else SessionAffinity.MOVED


def _alias_order(arranged: list[PlanStep]) -> list[PlanStep]:
    """Put what is left aside behind every member, whichever it belongs to.

    A member that names one deployment stands where the alias lists it: it is
    not pinned, since others may follow.
    """
    arranged = [
        dataclasses.replace(step, reason=StepReason.ALIAS_ORDER)
        if step.reason is StepReason.PINNED
        else step
        for step in arranged
    ]
    healthy = [step for step in arranged if step.cooldown is None]
    return healthy + [step for step in arranged if step.cooldown is not None]
