"""The nouns of the gateway, as values: frozen, comparable, free of I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, StrEnum
from types import MappingProxyType

GEOGRAPHIES = frozenset({"eu", "us", "apac", "global"})
"""What a deployment may promise about where data stays. Empty: nothing known."""

DIALECTS = frozenset(
    {
        "anthropic-messages",
        "anthropic-vertex",
        "bedrock-converse",
        "bedrock-invoke",
        "gemini",
        "openai-chat",
        "openai-responses",
    }
)
"""The wire formats this version speaks. The executor has a module for each."""

RESPONSES_DIALECT = "openai-responses"
"""The one in which what is asked over Responses is asked as it is, where a deployment
speaks it beside `openai-chat`."""

AUTHS = frozenset(
    {"bearer", "x-api-key", "api-key", "x-goog-api-key", "sigv4", "google", "none"}
)
"""How this version can authenticate to a provider."""

AUTH_OF_DIALECT = {
    "anthropic-messages": "x-api-key",
    "anthropic-vertex": "google",
    "bedrock-converse": "sigv4",
    "bedrock-invoke": "sigv4",
    "gemini": "x-goog-api-key",
}
"""How a dialect's own makers authenticate; everybody else takes a bearer token."""


class Capability(StrEnum):
    """Something a deployment can do that not every deployment can."""

    TOOLS = "tools"
    IMAGE_INPUT = "image_input"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"
    PROMPT_CACHING = "prompt_caching"
    ASSISTANT_PREFIX = "assistant_prefix"
    PDF_INPUT = "pdf_input"
    AUDIO_INPUT = "audio_input"
    VIDEO_INPUT = "video_input"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"


@dataclass(frozen=True, slots=True)
class Pricing:
    """Prices in millionths of a US dollar per million tokens: 3 USD is 3000000.

    Attributes:
        input: Input tokens not read from the provider's prompt cache.
        output: Output tokens, reasoning included.
        cache_read: Input tokens read from the prompt cache.
        cache_creation: Input tokens written to the prompt cache.
    """

    input: int
    output: int
    cache_read: int
    cache_creation: int


@dataclass(frozen=True, slots=True)
class Deployment:
    """One place a model runs, with all that is needed to call it but the secret.

    Attributes:
        id: What a caller writes to pin it, e.g. `aws/claude-sonnet-4-5-eu`.
        model_id: The plain name of the model it runs.
        provider_id: Who serves it.
        provider_model: The name to send to the provider.
        dialect: The provider's wire format.
        base_uri: The endpoint, absolute, without a trailing slash.
        auth: How a request is authenticated, one of `AUTHS`.
        credential_id: Which secret to call it with.
        sealed_credential: The secret itself, readable for executors alone. Empty
            where they hold it.
        geography: One of `GEOGRAPHIES`, or empty: nothing is known.
        region: The provider's name for the place. Empty if it has none.
        pricing: None if unknown; cost is then not computed.
        context_window_tokens: Input and output together. Zero if unknown.
        max_output_tokens: Of one answer. Zero if unknown.
        weight: Its share of cold starts, relative to the rest of its pool.
        allow_private_network: Whether `base_uri` may be a private address.
        trains_on_data: Whether models are trained on what is sent. None if unknown.
        retention_days: How long what is sent or answered is kept, in days at most;
            zero for not at all. None if unknown.
    """

    id: str
    model_id: str
    provider_id: str
    provider_model: str
    dialect: str
    base_uri: str
    auth: str = "bearer"
    credential_id: str = ""
    geography: str = ""
    region: str = ""
    pricing: Pricing | None = None
    capabilities: frozenset[Capability] = frozenset()
    context_window_tokens: int = 0
    max_output_tokens: int = 0
    weight: float = 1.0
    allow_private_network: bool = False
    provider_display_name: str = ""
    sealed_credential: bytes = field(default=b"", repr=False)
    trains_on_data: bool | None = None
    retention_days: int | None = None

    @property
    def speaks_responses(self) -> bool:
        """Whether it can be asked over OpenAI's Responses."""
        return self.dialect == RESPONSES_DIALECT or (
            self.dialect == "openai-chat" and Capability.RESPONSES in self.capabilities
        )

    def __hash__(self) -> int:
        # Its id is as good as all its fields, and looked up many times a request.
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Model:
    """What a caller names, and every deployment that runs it, in catalog order."""

    id: str
    display_name: str = ""
    lab_id: str = ""
    deployments: tuple[Deployment, ...] = ()
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """Who serves deployments, and how to reach them.

    Attributes:
        id: The first part of a pinned id, e.g. `aws`.
        credential_env: The environment variables that usually hold its
            credential, the first one found wins.
        base_uri: May hold `{region}` and `{NAME}` for an environment variable.
        trains_on_data: As of a deployment; so is `retention_days`. What it promises
            everybody at the endpoints of the catalog.
    """

    id: str
    display_name: str
    dialect: str
    auth: str
    base_uri: str
    credential_env: tuple[str, ...] = ()
    trains_on_data: bool | None = None
    retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every model and provider that is known, by id."""

    models: Mapping[str, Model] = field(default_factory=lambda: MappingProxyType({}))
    providers: Mapping[str, Provider] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a call is made."""

    organization_id: str
    project_id: str
    api_key_id: str = ""


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
class ScopedPolicy:
    """What one scope allows. An empty set sets no limit; scopes intersect.

    Attributes:
        scope: Whose policy it is, in words, e.g. `project web`.
        allowed_models: Plain names or deployment ids; so is `denied_models`.
        geographies: Where data may go. Unknown is in none of them.
        denies_training: Whether nobody may train on what is sent. Unknown may not.
        max_retention_days: For how long it may be kept; zero for not at all. Unknown
            is too long. None sets no limit.
    """

    scope: str
    allowed_providers: frozenset[str] = frozenset()
    denied_providers: frozenset[str] = frozenset()
    allowed_models: frozenset[str] = frozenset()
    denied_models: frozenset[str] = frozenset()
    geographies: frozenset[str] = frozenset()
    denies_training: bool = False
    max_retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What one scope may spend in a calendar month, in UTC.

    Attributes:
        project_id: Empty for the organization's.
        api_key_id: Empty for the project's.
        limit_usd_micros: In millionths of a US dollar.
        warn_at: From which part of it on warnings are given, of 1.
        denies_when_unreachable: Whether calls are refused while the spend cannot be
            known.
        id: What it is called: `acme`, `acme/web` or `acme/web/web-1`.
    """

    organization_id: str
    project_id: str
    api_key_id: str
    limit_usd_micros: int
    warn_at: float = 0.8
    denies_when_unreachable: bool = False
    id: str = field(init=False)

    def __post_init__(self) -> None:
        scope = (self.organization_id, self.project_id, self.api_key_id)
        # Once: each request asks for it.
        object.__setattr__(self, "id", "/".join(filter(None, scope)))


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """How a budget stands in the present month.

    Attributes:
        reserved_usd_nanos: What calls under way may yet cost.
        reset_s: When the next month begins, in Unix seconds.
        warns: Whether as much is spent as warnings are given at.
        is_current: Whether that is what all replicas know; else it may be old.
    """

    budget: Budget
    spent_usd_nanos: int
    reserved_usd_nanos: int
    reset_s: int
    warns: bool = False
    is_current: bool = True

    @property
    def left_usd_nanos(self) -> int:
        """What may still be reserved. Never negative."""
        limit = self.budget.limit_usd_micros * 1_000
        return max(0, limit - self.spent_usd_nanos - self.reserved_usd_nanos)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one request was let in with, told with its attempts and its end.

    Attributes:
        replica: Which resolver let it in.
        start_s: When, in Unix seconds.
        end_s: When the request is over at the latest, likewise.
        budgets: Those that its attempts are charged to, by id.
        usd_nanos: What is set aside of each of them.
        tokens: What is set aside of its key's tokens of a minute. None: its key may
            use as many as it likes.
        warning: The id of a budget that is nearly used up. Empty: none is.
    """

    replica: str
    start_s: int
    end_s: int
    budgets: tuple[str, ...] = ()
    usd_nanos: int = 0
    tokens: int | None = None
    warning: str = ""


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


GUARDRAIL_STAGES = ("input", "output")
"""What a guardrail may look into: what goes to a provider, and what comes back."""

GUARDRAIL_ACTIONS = ("flag", "block", "redact")
"""What a guardrail may do with what it finds."""

JUDGE_FAILURES = ("block", "allow")
"""What may happen to a text whose judge gives no verdict."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in RE2's syntax, and what it is called.

    Attributes:
        flags: Letters: `i` for either case, `m` for `^` and `$` at each line, `s`
            for a dot that takes line ends, `x` for space and comments in it.
    """

    name: str
    regex: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """A model that is asked whether a text is to be stopped.

    Attributes:
        model: Any name that the caller's project may call.
        prompt: What it is to look for, in words.
        on_error: One of `JUDGE_FAILURES`. None: `block` where the guardrail blocks,
            else `allow`.
    """

    model: str
    prompt: str
    on_error: str | None = None


@dataclass(frozen=True, slots=True)
class Guardrail:
    """What to look for in requests and answers, and what to do with it.

    Attributes:
        applies_to: Of `GUARDRAIL_STAGES`.
        action: One of `GUARDRAIL_ACTIONS`.
        presets: Names of ready-made patterns, of `holdfast.guardrails.presets`.
        replacement: What stands in place of what is redacted.
        projects: Where it holds. Empty: in all of the organization.
    """

    name: str
    applies_to: frozenset[str]
    action: str
    presets: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    replacement: str = "***"
    judge: Judge | None = None
    projects: frozenset[str] = frozenset()


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


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider reported them, named as in `gen_ai.usage.*`.

    Attributes:
        input_tokens: All of them, those read from or written to the cache too.
        output_tokens: All of them, reasoning included.
        inference_geo: Where the provider says it worked, in its own word. Empty
            if it says nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    reasoning_output_tokens: int = 0
    inference_geo: str = ""


class Outcome(Enum):
    """How an attempt ended. Mirrors `AttemptOutcome` in attempt.proto."""

    SUCCEEDED = 1
    RATE_LIMITED = 2
    SERVER_ERROR = 3
    CONNECTION_FAILED = 4
    TIMED_OUT = 5
    INTERRUPTED = 6
    PARSE_FAILED = 7
    REJECTED = 8
    UNUSABLE = 9
    BLOCKED = 10
    CANCELLED = 11
    CAPABILITY_MISSING = 12
    TOO_LONG = 13
    FILTERED = 14
    EXECUTOR_LOST = 15


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the rate limit that is nearest to its end.

    Attributes:
        remaining_share: From 0 to 1.
        resets_in: When it is full again. None if the provider did not say.
    """

    remaining_share: float
    resets_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of one deployment, and how it ended. Holds no prompt or output.

    Attributes:
        ordinal: Its place in its request, from 1.
        http_status: The provider's. Zero if there was no response.
        error_message: What went wrong, at most 200 characters.
        start_time_ms: When the call was sent, in Unix milliseconds.
        first_token: From sending to the first content. None if none came.
        retry_after: How long the provider asked to be left alone.
        cost_usd_nanos: Zero if usage or pricing is unknown.
        credential: The name of the provider's credential that it was made with.
            Empty if none was shown.
        allowance: None unless the provider said that little is left.
        observed_geography: Where the work was done, where that contradicts the
            deployment's geography. Empty if nothing does.
        left_out: Names of the caller's fields that the provider's format has no
            counterpart for, so that they were not sent.
        step_reason: Why its step stood where it did. None if that is not known.
        cache_saving_usd_nanos: What the provider's prompt cache saved; negative
            where writing it cost more.
    """

    ordinal: int
    deployment_id: str
    outcome: Outcome
    http_status: int = 0
    error_message: str = ""
    start_time_ms: int = 0
    duration: timedelta = timedelta()
    first_token: timedelta | None = None
    retry_after: timedelta | None = None
    usage: Usage | None = None
    cost_usd_nanos: int = 0
    credential: str = ""
    allowance: Allowance | None = None
    observed_geography: str = ""
    left_out: tuple[str, ...] = ()
    step_reason: StepReason | None = None
    cache_saving_usd_nanos: int = 0


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """What one guardrail found in a request or its answer. Never the text.

    Attributes:
        stage: `input` or `output`.
        action: What was done: `flag`, `block` or `redact`.
        match_count: How often it matched.
        matched: The presets and patterns that matched, by name.
    """

    guardrail: str
    stage: str
    action: str
    match_count: int = 1
    matched: tuple[str, ...] = ()


CANCELLED = "CANCELLED"
"""The reason of a request whose caller went away before it had its answer."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a request ended, told once; see `Finished` in resolver_service.proto.

    Attributes:
        surface: Which API it was written in, e.g. `chat_completions`.
        start_time_ms: When the executor took it, in Unix milliseconds.
        duration: From then to its end.
        first_token: From then to the first content of a streamed answer.
        deployment_id: Who served it. Empty: nobody.
        error_reason: Why there was no answer. Empty: there was one.
        cost_usd_nanos: Of all its attempts.
        request_content: Its body, where the project keeps content.
        response_content: What the caller got, likewise.
        content_bytes_left_out: How much of both was too much to keep.
        fell_back: Whether attempts were made at more than one deployment.
    """

    trace_id: str
    requested_model: str
    surface: str
    streamed: bool
    start_time_ms: int
    duration: timedelta
    parent_span_id: str = ""
    revision: str = ""
    first_token: timedelta | None = None
    deployment_id: str = ""
    response_model: str = ""
    error_reason: str = ""
    session_affinity: SessionAffinity = SessionAffinity.NONE
    attempt_count: int = 0
    cost_usd_nanos: int = 0
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    guardrail_results: tuple[GuardrailResult, ...] = ()
    request_content: bytes = field(default=b"", repr=False)
    response_content: bytes = field(default=b"", repr=False)
    content_bytes_left_out: int = 0
    fell_back: bool = False
