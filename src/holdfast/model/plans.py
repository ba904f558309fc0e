"""Which deployments a request goes to, in what order, within which limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import MappingProxyType

from holdfast.model.deployments import Capability, Deployment
from holdfast.model.guardrails import Guardrail
from holdfast.model.scopes import Caller, Reservation, ScopedPolicy


class StepReason(Enum):
    """Why a step stands where it does. Mirrors `StepReason` in plan.proto."""

    PINNED = 1
    STICKY = 2
    ROTATED = 3
    ALIAS_ORDER = 4
    LAST_RESORT = 5
    HASHED = 6
    PROBE = 7


class ExclusionReason(Enum):
    """Why a deployment was left out. Mirrors `ExclusionReason` in plan.proto."""

    POLICY = 1
    CAPABILITY = 2
    CONTEXT_WINDOW = 3
    NO_CREDENTIAL = 4
    DIALECT = 5
    VECTOR_SPACE = 6


class SessionAffinity(Enum):
    """How the session bore on a plan. Mirrors the enum in plan.proto."""

    NONE = 1
    NEW = 2
    KEPT = 3
    MOVED = 4
    UNKNOWN = 5


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a request needs of a deployment.

    Attributes:
        input_tokens: An estimate. Zero if not estimated.
        output_tokens: What was asked for. Zero if not given.
        prompt_cache_s: For how many seconds the prompt is to be kept in a cache,
            where the request says so. Zero if it does not.
        choice_count: How many answers were asked for.
    """

    capabilities: frozenset[Capability] = frozenset()
    input_tokens: int = 0
    output_tokens: int = 0
    prompt_cache_s: int = 0
    choice_count: int = 1


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One deployment to try, and why it stands where it does.

    Attributes:
        response_model: What the answer's `model` says if this step serves.
        cooldown: How much longer it is left aside; zero if it has rested and is
            due to be tried. None if it is healthy, or tried by this very step.
    """

    deployment: Deployment
    reason: StepReason
    response_model: str
    cooldown: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A deployment left out of a plan, and the rule that left it out."""

    deployment: Deployment
    reason: ExclusionReason
    rule: str


@dataclass(frozen=True, slots=True)
class Hedge:
    """When a second deployment is asked beside one that shows nothing.

    Attributes:
        after: How long the first has shown nothing by then.
        max_share: The most of a project's requests that are hedged, of 1.
    """

    after: timedelta = timedelta(seconds=2)
    max_share: float = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often a request is tried.

    Attributes:
        connect_timeout: For connecting, TLS included.
        first_token_timeout: From sending an attempt to its first content.
        idle_timeout: Between two pieces of an answer.
        request_timeout: For the whole request, if the caller names none.
        max_attempts: Of one request, the first one included.
        retries_per_deployment: Extra tries before the next deployment.
        retry_after_cap: The longest wish to be left alone that is believed.
        rescue_streams: Whether a stream that breaks off is taken up elsewhere.
        hedge: None: no attempt is made beside another.
        parse_retries: How often a deployment is told what is wrong with an answer
            that does not fit `response_format`, and asked again.
    """

    connect_timeout: timedelta = timedelta(seconds=5)
    first_token_timeout: timedelta = timedelta(seconds=30)
    idle_timeout: timedelta = timedelta(seconds=30)
    request_timeout: timedelta = timedelta(seconds=600)
    max_attempts: int = 6
    retries_per_deployment: int = 0
    retry_after_cap: timedelta = timedelta(seconds=60)
    fall_back_on_content_filter: bool = False
    rescue_streams: bool = True
    hedge: Hedge | None = None
    parse_retries: int = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of deployments to try for one request, and why.

    Attributes:
        session_key: What the session's binding is stored under. Empty: none.
        bound_deployment_id: What the session was bound to. Empty: nothing.
        incomparable_models: Further models that the name stands for, left out
            because their vectors do not compare with those of the first.
        tags: What the caller says the request is for, by name.
        content_retained: Whether the project keeps prompts and answers.
        parent_span_id: The span of the caller's own trace that the request belongs
            to. Empty: none.
        guardrails: What the request and its answer pass through.
        reservation: What is set aside for it. None: nothing needs to be.
    """

    plan_id: str
    requested_model: str
    caller: Caller
    trace_id: str
    steps: Sequence[PlanStep]
    exclusions: tuple[Exclusion, ...] = ()
    session_affinity: SessionAffinity = SessionAffinity.NONE
    session_key: str = ""
    bound_deployment_id: str = ""
    policies: tuple[ScopedPolicy, ...] = ()
    limits: Limits = Limits()
    revision: str = ""
    incomparable_models: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    content_retained: bool = False
    parent_span_id: str = ""
    guardrails: tuple[Guardrail, ...] = ()
    reservation: Reservation | None = None
