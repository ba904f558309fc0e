"""A caller's chat request as the body of Anthropic's `POST /v1/messages`.

Read this first of the modules that write a request: it says field by field
what is translated, what is left out and why, and what cannot be done here.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.model import Deployment
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_conversation import (
    Conversation,
    conversation_of,
)
from holdfast_executor.dialects.anthropic_models import (
    Traits,
    issuer_of,
    traits_of,
)
from holdfast_executor.dialects.anthropic_parts import ANTHROPIC, Takes
from holdfast_executor.dialects.anthropic_reasoning import (
    OutputLimit,
    Reasoning,
    reasoning_for,
)
from holdfast_executor.dialects.anthropic_schema import Grammar
from holdfast_executor.dialects.anthropic_structure import Structure, structure_for
from holdfast_executor.dialects.anthropic_tools import (
    settle_strictness,
    tool_fields,
    tools_of,
)
from holdfast_executor.dialects.tool_choice import choice_of

TRANSLATED = frozenset(
    {
        "function_call",
        "functions",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "service_tier",
        "stop",
        "stream",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
        "user",
        # Anthropic's own, which a caller may add to OpenAI's.
        "betas",
        "cache_control",
        "metadata",
        "output_config",
        "thinking",
        "top_k",
    }
)
"""The fields that bear on what is sent. Any other one is left out."""

LEFT_OUT = {
    "audio": "It says how audio is to sound; `modalities` asks for some.",
    "frequency_penalty": "Anthropic has no penalties.",
    "presence_penalty": "Anthropic has no penalties.",
    "logit_bias": "It speaks of tokens of another model's vocabulary.",
    "logprobs": "Anthropic reports no probabilities; the answer says null.",
    "top_logprobs": "Anthropic reports no probabilities.",
    "seed": "Anthropic's sampling cannot be seeded; OpenAI's is best effort too.",
    "moderation": "It configures OpenAI's own moderation.",
    "prediction": "It makes an answer faster and leaves it the same.",
    "prompt_cache_key": "Anthropic finds what is cached by its content alone.",
    "prompt_cache_options": "Anthropic's cache is set by `cache_control`.",
    "prompt_cache_retention": "Anthropic's cache is set by `cache_control`.",
    "store": "Anthropic stores no completions to be read back.",
    "stream_options": "Anthropic always reports usage; the caller's wish is kept.",
    "verbosity": "No field of Anthropic's speaks of length alone.",
    # Where an answer is computed is the plan's to decide, never the caller's.
    "inference_geo": "The deployment's geography is what policy has allowed.",
}
"""OpenAI's fields that have no counterpart, and why an answer without them will do."""


@dataclass(frozen=True, slots=True)
class _Demand:
    """A field that an answer from Claude could not do justice to.

    Attributes:
        demands: Whether a value, which is not null, asks for what cannot be done.
    """

    field: str
    demands: Callable[[Any], bool]
    why: str


_UNSERVED = (
    _Demand("n", lambda n: n != 1, "The model gives one answer at a time."),
    _Demand(
        "modalities",
        lambda kinds: not isinstance(kinds, list) or set(map(str, kinds)) != {"text"},
        "The model answers in text alone.",
    ),
    _Demand(
        "web_search_options",
        lambda _: True,
        "OpenAI's search of the web has no counterpart.",
    ),
)

UNSERVED = frozenset(demand.field for demand in _UNSERVED)
"""The fields for whose sake another deployment is tried."""

SPOKEN = TRANSLATED | UNSERVED
"""All that is not left out: what cannot be served is refused instead."""

_DEFAULT_MAX_TOKENS = 4096
"""For a deployment whose limit is unknown: what every Claude since version 3 takes."""

_SERVICE_TIERS = frozenset({"auto", "standard_only"})
"""Anthropic's own. OpenAI's others (`flex`, `priority`) are left out."""

_OPAQUE_ID = re.compile(r"(?=.*[a-zA-Z])[a-zA-Z0-9_.:|-]{1,256}")
"""A user id that is sent as it is. Anthropic refuses email addresses and telephone
numbers, and takes at most 256 characters."""

_BETA = re.compile(r"[a-z0-9-]+")


def messages_request(
    fields: Mapping[str, Any],
    deployment: Deployment,
    *,
    stream: bool,
    traits: Traits | None = None,
    takes: Takes = ANTHROPIC,
) -> dict[str, Any]:
    """Write a request. Nothing of `fields` is changed.

    Args:
        fields: The caller's request.
        deployment: Who is to answer it.
        stream: Whether the answer is streamed.
        traits: What the model takes. None: what its name says.
        takes: What content the wire format takes.

    Raises:
        RequestMalformedError: A field is none that can be understood.
        CapabilityMissingError: The model cannot do what a field asks for.
    """
    _refuse_unserved(fields)
    traits = traits or traits_of(deployment)
    conversation = conversation_of(
        fields.get("messages"), issuer_of(deployment.model_id), takes
    )
    if conversation.prefixed and not traits.takes_prefix:
        raise CapabilityMissingError(
            "This model does not continue an answer that the caller has begun.",
            "messages",
        )
    choice, tools = choice_of(fields), tools_of(fields)
    grammar = Grammar() if traits.takes_schema else None
    structure = structure_for(
        fields,
        grammar,
        prefixed=conversation.prefixed,
        tool_is_free=traits.forces_tools and (choice.is_free or not tools),
    )
    settle_strictness(tools, grammar)
    tool_part = tool_fields(
        tools,
        choice,
        structure.tool,
        conversation.called,
        parallel=fields.get("parallel_tool_calls") is not False,
    )
    forced = tool_part.get("tool_choice", {}).get("type") in {"any", "tool"}
    reasoning = reasoning_for(
        fields,
        traits,
        _output_limit(fields, deployment),
        may_think=not forced,
        may_be_budgeted=not (
            conversation.prefixed or conversation.resumes_unthought_calls
        ),
    )
    return {
        "model": deployment.provider_model,
        "max_tokens": reasoning.max_tokens,
        **_spoken(conversation, structure),
        **tool_part,
        **_output(reasoning, structure),
        **_sampling(fields, traits, thinks=reasoning.thinking is not None),
        **_stops(fields),
        **_rest(fields),
        **({"stream": True} if stream else {}),
    }


def betas_of(fields: Mapping[str, Any]) -> list[str]:
    """Read which of Anthropic's betas the caller asks for.

    Raises:
        RequestMalformedError: `betas` is no array of their names.
    """
    betas = fields.get("betas")
    listed = [] if betas is None else read.items(betas, "betas")
    for place, beta in enumerate(listed):
        if not _BETA.fullmatch(read.text(beta, f"betas[{place}]")):
            raise read.malformed(f"betas[{place}]", "the name of a beta")
    return listed


def _refuse_unserved(fields: Mapping[str, Any]) -> None:
    for demand in _UNSERVED:
        value = fields.get(demand.field)
        if value is not None and demand.demands(value):
            raise CapabilityMissingError(demand.why, demand.field)


def _output_limit(fields: Mapping[str, Any], deployment: Deployment) -> OutputLimit:
    most = deployment.max_output_tokens
    for field in ("max_completion_tokens", "max_tokens"):
        if fields.get(field) is not None:
            asked = read.count(fields[field], field)
            return OutputLimit(min(asked, most) if most else asked, fixed=True)
    return OutputLimit(most or _DEFAULT_MAX_TOKENS, fixed=bool(most))


def _spoken(conversation: Conversation, structure: Structure) -> dict[str, Any]:
    system = conversation.system
    if structure.instruction:
        system = [*system, {"type": "text", "text": structure.instruction}]
    spoken: dict[str, Any] = {"system": system} if system else {}
    spoken["messages"] = conversation.turns
    return spoken


def _output(reasoning: Reasoning, structure: Structure) -> dict[str, Any]:
    output: dict[str, Any] = {}
    if reasoning.thinking is not None:
        output["thinking"] = reasoning.thinking
    config = {"effort": reasoning.effort, "format": structure.output_format}
    config = {field: value for field, value in config.items() if value is not None}
    if config:
        output["output_config"] = config
    return output


def _sampling(
    fields: Mapping[str, Any], traits: Traits, *, thinks: bool
) -> dict[str, Any]:
    """Write the samplers the model takes, temperature before top_p.

    All of them are left out where the model thinks, which excludes them.
    """
    if thinks or not traits.samplers:
        return {}
    given: dict[str, Any] = {}
    for field in ("temperature", "top_p"):
        if fields.get(field) is not None:
            # OpenAI's temperature goes to 2, Anthropic's to 1.
            given[field] = min(max(read.number(fields[field], field), 0), 1)
    if len(given) > traits.samplers:
        del given["top_p"]
    if fields.get("top_k") is not None:
        given["top_k"] = read.count(fields["top_k"], "top_k")
    return given


def _stops(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Write the sequences to stop at. Blank ones, which are refused, are left out."""
    stop = fields.get("stop")
    if stop is None:
        return {}
    listed = [stop] if isinstance(stop, str) else read.items(stop, "stop")
    sequences = [
        sequence
        for place, sequence in enumerate(listed)
        if read.text(sequence, f"stop[{place}]").strip()
    ]
    return {"stop_sequences": sequences} if sequences else {}


def _rest(fields: Mapping[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {}
    user_id = _user_id(fields)
    if user_id:
        rest["metadata"] = {"user_id": user_id}
    tier = fields.get("service_tier")
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        rest["service_tier"] = tier
    if isinstance(fields.get("cache_control"), dict):
        rest["cache_control"] = fields["cache_control"]
    return rest


def _user_id(fields: Mapping[str, Any]) -> str:
    """Return who the caller says is asking; a digest, if it may name a person."""
    metadata = fields.get("metadata")
    own = metadata.get("user_id") if isinstance(metadata, dict) else None
    for value in (own, fields.get("safety_identifier"), fields.get("user")):
        if isinstance(value, str) and value:
            if _OPAQUE_ID.fullmatch(value):
                return value
            return hashlib.sha256(value.encode()).hexdigest()
    return ""
