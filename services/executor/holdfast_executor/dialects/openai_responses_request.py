"""A caller's chat request as the body of OpenAI's `POST /responses`.

Read this first of the modules that write one: it says field by field what is
translated, what is left out and why, and what cannot be said here.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.model import Capability, Deployment
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_reasoning import effort_of
from holdfast_executor.dialects.openai_responses_input import input_of
from holdfast_executor.dialects.openai_responses_tools import tool_fields

_AS_IT_IS = (
    "max_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "temperature",
    "top_p",
    "truncation",
    "user",
)
"""Fields of the same name and meaning."""

SPOKEN = frozenset(
    {
        *_AS_IT_IS,
        "function_call",
        "functions",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "modalities",
        "model",
        "n",
        "parallel_tool_calls",
        "reasoning_effort",
        "response_format",
        "service_tier",
        "stop",
        "stream",
        "tool_choice",
        "tools",
        "top_logprobs",
        "verbosity",
        "web_search_options",
        # Responses' own, which a chat may bear.
        "include",
        "reasoning",
        # Anthropic's, for a fallback may change the model.
        "output_config",
        "thinking",
    }
)
"""The fields that bear on what is sent, or are refused. Any other one is left out."""

LEFT_OUT = {
    "audio": "It says how audio is to sound; `modalities` asks for some.",
    "frequency_penalty": "A nuance of sampling that Responses has no field for.",
    "logit_bias": "A nuance of sampling that Responses has no field for.",
    "metadata": "It labels what is stored, and nothing is.",
    "moderation": "It configures what runs beside chats.",
    "prediction": "It makes an answer faster and leaves it the same.",
    "presence_penalty": "A nuance of sampling that Responses has no field for.",
    "prompt_cache_options": "Responses' prompt cache has no such settings.",
    "seed": "Best effort where it is known, and Responses does not know it.",
    "store": "Nothing is stored with a provider.",
    "stream_options": "Responses always reports usage; the caller's wish is kept.",
}
"""OpenAI's fields that have no counterpart, and why an answer without them will do."""

_TIERS = frozenset({"auto", "default", "fast", "flex", "priority", "scale"})
"""What OpenAI calls a tier. Anthropic's are others."""

_LEAST_TOKENS = 16
"""The least that `max_output_tokens` may be: OpenAI answers `integer_below_min_value`
to less. A chat may ask for one token, and is answered in at most these."""

_ENCRYPTED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"


def responses_request(
    fields: Mapping[str, Any], deployment: Deployment, issuer: str, *, stream: bool
) -> dict[str, Any]:
    """Write a request. Nothing of `fields` is changed.

    Args:
        fields: The caller's request.
        deployment: Who is to answer it.
        issuer: Whose encrypted items it can read.
        stream: Whether the answer is to be streamed.

    Raises:
        RequestMalformedError: A field is none that can be understood.
        CapabilityMissingError: Responses has no word for what a field asks for.
    """
    _refuse_unsayable(fields)
    request: dict[str, Any] = {
        "model": deployment.provider_model,
        "input": input_of(fields.get("messages"), issuer),
        "store": False,
    }
    if stream:
        request["stream"] = True
    reasoning = _reasoning(fields)
    if reasoning:
        request["reasoning"] = reasoning
    request |= tool_fields(fields)
    if text := _text(fields):
        request["text"] = text
    if most := _max_tokens(fields, deployment):
        request["max_output_tokens"] = most
    request |= {
        name: fields[name] for name in _AS_IT_IS if fields.get(name) is not None
    }
    if fields.get("service_tier") in _TIERS:
        request["service_tier"] = fields["service_tier"]
    if fields.get("logprobs") is True and fields.get("top_logprobs") is not None:
        request["top_logprobs"] = fields["top_logprobs"]
    if include := _include(fields, deployment, reasoning):
        request["include"] = include
    return request


def _refuse_unsayable(fields: Mapping[str, Any]) -> None:
    count = fields.get("n")
    if count is not None and read.count(count, "n") > 1:
        raise CapabilityMissingError("Responses gives one answer at a time.", "n")
    if fields.get("stop"):
        raise CapabilityMissingError("Responses takes no stop sequences.", "stop")
    modalities = fields.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise CapabilityMissingError("Responses answers in text alone.", "modalities")
    if fields.get("web_search_options") is not None:
        raise CapabilityMissingError(
            "Over Responses, the web is searched by a tool, `web_search`.",
            "web_search_options",
        )


def _reasoning(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Write how hard to think, and what is to be shown of it."""
    own = fields.get("reasoning")
    reasoning = {} if own is None else dict(read.mapping(own, "reasoning"))
    effort = effort_of(fields)
    return {**reasoning, "effort": effort} if effort is not None else reasoning


def _text(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Write what the answer is to look like."""
    written: dict[str, Any] = {}
    if fields.get("verbosity") is not None:
        written["verbosity"] = fields["verbosity"]
    wanted = fields.get("response_format")
    if wanted is None:
        return written
    wanted = read.mapping(wanted, "response_format")
    match wanted.get("type"):
        case "text":
            pass
        case "json_object":
            written["format"] = {"type": "json_object"}
        case "json_schema":
            at = "response_format.json_schema"
            named = read.mapping(wanted.get("json_schema"), at)
            known = {name: value for name, value in named.items() if value is not None}
            known.setdefault("name", "answer")
            known.setdefault("schema", {"type": "object"})
            written["format"] = {"type": "json_schema", **known}
        case _:
            raise read.malformed(
                "response_format.type", "one of text, json_object, json_schema"
            )
    return written


def _max_tokens(fields: Mapping[str, Any], deployment: Deployment) -> int:
    for field in ("max_completion_tokens", "max_tokens"):
        if fields.get(field) is not None:
            asked = read.count(fields[field], field)
            most = min(asked, deployment.max_output_tokens or asked)
            return max(_LEAST_TOKENS, most)
    return 0


def _include(
    fields: Mapping[str, Any], deployment: Deployment, reasoning: Mapping[str, Any]
) -> list[str]:
    """Say what is to be in the answer beside the usual.

    Encrypted reasoning is asked for where the model reasons, as far as that is known:
    one that does not would refuse.
    """
    own = fields.get("include")
    include = [] if own is None else list(read.items(own, "include"))
    reasons = Capability.REASONING in deployment.capabilities
    is_told_to = reasoning.get("effort") not in (None, "none")
    if (reasons or is_told_to) and _ENCRYPTED not in include:
        include.append(_ENCRYPTED)
    if fields.get("logprobs") is True and _LOGPROBS not in include:
        include.append(_LOGPROBS)
    return include
