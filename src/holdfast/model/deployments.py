"""What can be called: models, their deployments and providers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
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
