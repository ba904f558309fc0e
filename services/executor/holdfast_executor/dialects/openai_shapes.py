"""What OpenAI's SDK accepts as an answer: the oracle of what needs mending.

Answers that fit are passed on as they came. The types follow the SDK's own,
leave out nothing that it checks, and ignore what it ignores.
"""

from typing import Any, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "function_call"
]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]
Role = Literal["developer", "system", "user", "assistant", "tool"]


class _Shape(Struct, gc=False):
    """Fields beyond those named are let through."""


class _TopLogprob(_Shape):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _TokenLogprob(_TopLogprob, kw_only=True):
    top_logprobs: list[_TopLogprob]


class Logprobs(_Shape):
    """The log probabilities of a choice's tokens."""

    content: list[_TokenLogprob] | None = None
    refusal: list[_TokenLogprob] | None = None


class FunctionCall(_Shape):
    """A call as models wrote it before there were tools."""

    arguments: str
    name: str


class _Custom(_Shape):
    input: str
    name: str


class FunctionToolCall(_Shape, tag_field="type", tag="function"):
    """A call of a function."""

    id: str
    function: FunctionCall


class CustomToolCall(_Shape, tag_field="type", tag="custom"):
    """A call of a tool that takes plain text."""

    id: str
    custom: _Custom


class _UrlCitation(_Shape):
    end_index: int
    start_index: int
    title: str
    url: str


class Annotation(_Shape, tag_field="type", tag="url_citation"):
    """Where a passage of a message comes from."""

    url_citation: _UrlCitation


class Audio(_Shape):
    """A spoken answer."""

    id: str
    data: str
    expires_at: int
    transcript: str


class _ModerationResult(_Shape, tag_field="type", tag="moderation_result"):
    categories: dict[str, bool]
    category_applied_input_types: dict[str, list[Literal["text", "image"]]]
    category_scores: dict[str, float]
    flagged: bool
    model: str


class _ModerationResults(_Shape, tag_field="type", tag="moderation_results"):
    model: str
    results: list[_ModerationResult]


class _ModerationError(_Shape, tag_field="type", tag="error"):
    code: str
    message: str


class Moderation(_Shape):
    """What a moderation model made of input and output."""

    input: _ModerationResults | _ModerationError
    output: _ModerationResults | _ModerationError


class Message(_Shape):
    """A choice's message."""

    role: Literal["assistant"]
    content: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None
    audio: Audio | None = None
    function_call: FunctionCall | None = None
    tool_calls: list[FunctionToolCall | CustomToolCall] | None = None


class Choice(_Shape):
    """One answer of the `n` asked for."""

    finish_reason: FinishReason
    index: int
    message: Message
    logprobs: Logprobs | None = None


class UsageDetails(_Shape):
    """How many of the tokens were of which kind."""

    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    cached_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None
    accepted_prediction_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class TokenUsage(_Shape):
    """The tokens of a request."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    completion_tokens_details: UsageDetails | None = None
    prompt_tokens_details: UsageDetails | None = None


class Completion(_Shape):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    choices: list[Choice]
    service_tier: ServiceTier | None = None
    system_fingerprint: str | None = None
    metadata: dict[str, str] | None = None
    moderation: Moderation | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _FunctionDelta(_Shape):
    arguments: str | None = None
    name: str | None = None


class ToolDelta(_Shape):
    """A piece of a call of a tool."""

    index: int
    id: str | None = None
    function: _FunctionDelta | None = None
    type: Literal["function"] | None = None


class AudioDelta(_Shape):
    """A piece of a spoken answer."""

    id: str | None = None
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None


class FunctionDelta(_FunctionDelta):
    """A piece of a call as models wrote it before there were tools."""


class Delta(_Shape):
    """A piece of a choice's message."""

    content: str | None = None
    role: Role | None = None
    refusal: str | None = None
    tool_calls: list[ToolDelta] | None = None
    function_call: FunctionDelta | None = None
    audio: AudioDelta | None = None
    # The SDK knows none of these two: most providers write one or the other.
    reasoning: Any = None
    reasoning_content: Any = None


class ChunkChoice(_Shape):
    """A piece of one answer of the `n` asked for."""

    delta: Delta
    index: int
    finish_reason: FinishReason | None = None
    logprobs: Logprobs | None = None


class Chunk(_Shape):
    """An event of a stream, but for what is written over anyway."""

    choices: list[ChunkChoice]
    id: str = ""
    created: int = 0
    obfuscation: str | None = None
    service_tier: ServiceTier | None = None
    system_fingerprint: str | None = None
    moderation: Moderation | None = None
    usage: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
