"""A caller's chat request as the body of Google's `generateContent`.

Read this first of the modules that write a request: it says field by field
what is translated, what is left out and why, and what cannot be done here.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.model import Deployment
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.gemini_conversation import conversation_of
from holdfast_executor.dialects.gemini_models import (
    Traits,
    is_vertex,
    issuer_of,
    traits_of,
)
from holdfast_executor.dialects.gemini_parts import Parts
from holdfast_executor.dialects.gemini_reasoning import thinking_config
from holdfast_executor.dialects.gemini_schema import schema_of
from holdfast_executor.dialects.gemini_tools import tool_fields
from holdfast_executor.dialects.links import Links
from holdfast_executor.dialects.tool_choice import choice_of
from holdfast_executor.structured import instructions

TRANSLATED = frozenset(
    {
        "frequency_penalty",
        "function_call",
        "functions",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "stream",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        # Google's own, which a caller may add to OpenAI's: as such, or where
        # Google's OpenAI-compatible endpoint has them, in `extra_body.google`.
        "extra_body",
        "google",
        "safety_settings",
        "thinking_config",
        "top_k",
        # Anthropic's, for a fallback may change the model.
        "output_config",
        "thinking",
    }
)
"""The fields that bear on what is sent. Any other one is left out."""

SPOKEN = TRANSLATED | {"modalities"}
"""And what is refused where it asks for more than text."""

LEFT_OUT = {
    "audio": "It says how audio is to sound; `modalities` asks for some.",
    "logit_bias": "It speaks of tokens of another model's vocabulary.",
    "metadata": "It labels what OpenAI stores, and Google stores nothing.",
    "moderation": "It configures OpenAI's own moderation.",
    "parallel_tool_calls": "Gemini cannot be kept to one call at a time.",
    "prediction": "It makes an answer faster and leaves it the same.",
    "prompt_cache_key": "Gemini finds what is cached by its content alone.",
    "prompt_cache_options": "Gemini's implicit cache has no settings.",
    "prompt_cache_retention": "Gemini's implicit cache has no settings.",
    "safety_identifier": "Google takes no word on who is asking.",
    "service_tier": "OpenAI's tiers are other than Google's.",
    "store": "Gemini stores no completions to be read back.",
    "stream_options": "Gemini always reports usage; the caller's wish is kept.",
    "user": "Google takes no word on who is asking.",
    "verbosity": "No field of Gemini's speaks of length alone.",
}
"""OpenAI's fields that have no counterpart, and why an answer without them will do.

So are `frequency_penalty`, `presence_penalty`, `logprobs` and `top_logprobs` for
the models that refuse them: penalties are a nuance, and of the probabilities the
answer says null."""

_CANDIDATES_MAX = 8
_STOPS_MAX = 5
_LOGPROBS_MAX = 20
"""ai.google.dev/api/generate-content#v1beta.GenerationConfig."""

_INT32 = 2**31


def generate_request(
    fields: Mapping[str, Any], deployment: Deployment, links: Links
) -> dict[str, Any]:
    """Write a request. Nothing of `fields` is changed.

    Args:
        fields: The caller's request.
        deployment: Who is to answer it.
        links: Where to find what Google does not fetch.

    Raises:
        RequestMalformedError: A field is none that can be understood.
        CapabilityMissingError: Gemini cannot do what a field asks for.
    """
    own = _google(fields)
    _refuse_unserved(fields, own)
    traits = traits_of(deployment)
    conversation = conversation_of(
        fields.get("messages"),
        Parts(links, vertex=is_vertex(deployment)),
        traits,
        issuer_of(deployment.model_id),
    )
    tool_part = tool_fields(fields, choice_of(fields))
    form, instruction = _form(fields, bound=_may_be_bound(tool_part, traits))
    max_tokens = _max_tokens(fields, deployment)
    config = {
        "maxOutputTokens": max_tokens or None,
        **_sampling(fields, traits),
        **_choices(fields, traits),
        **form,
        "thinkingConfig": thinking_config(
            fields, own.get("thinking_config"), traits, max_tokens
        ),
    }
    config = {name: value for name, value in config.items() if value is not None}
    system = conversation.system
    if instruction:
        system = [*system, {"text": instruction}]
    return {
        **({"systemInstruction": {"parts": system}} if system else {}),
        "contents": conversation.turns,
        **tool_part,
        **({"generationConfig": config} if config else {}),
        **_safety(own),
    }


def _google(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Gather Google's own fields, in snake case, from wherever they may stand."""
    extra = fields.get("extra_body")
    holders = (extra if isinstance(extra, dict) else {}, fields)
    places = [fields] + [
        read.mapping(holder["google"], "google")
        for holder in holders
        if holder.get("google") is not None
    ]
    return {
        name: place[spelling]
        for place in places
        for name, spellings in _OWN.items()
        for spelling in spellings
        if place.get(spelling) is not None
    }


_OWN = {
    "cached_content": ("cached_content", "cachedContent"),
    "safety_settings": ("safety_settings", "safetySettings"),
    "thinking_config": ("thinking_config", "thinkingConfig"),
}


def _refuse_unserved(fields: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    modalities = fields.get("modalities")
    if modalities is not None and (
        not isinstance(modalities, list) or set(map(str, modalities)) != {"text"}
    ):
        raise CapabilityMissingError("Gemini answers in text alone.", "modalities")
    if fields.get("web_search_options") is not None:
        raise CapabilityMissingError(
            "OpenAI's search of the web has no counterpart.", "web_search_options"
        )
    if own.get("cached_content") is not None:
        # Leaving it out would have Gemini answer without what is cached.
        raise CapabilityMissingError(
            "Cached content belongs to one project of Google's, and nothing says "
            "that this is that.",
            "cached_content",
        )


def _may_be_bound(tool_part: Mapping[str, Any], traits: Traits) -> bool:
    """Whether the answer may be bound to JSON: beside tools not by every model."""
    return traits.answers_json_with_tools or not tool_part


def _form(fields: Mapping[str, Any], *, bound: bool) -> tuple[dict[str, Any], str]:
    """Write what a caller's `response_format` asks for.

    Args:
        fields: The caller's request.
        bound: Whether Gemini may be bound to it. Else it is asked in words.

    Returns:
        What stands in `generationConfig`, and what the system is told.

    Raises:
        RequestMalformedError: `response_format` is none that can be understood.
    """
    wanted = fields.get("response_format")
    if wanted is None:
        return {}, ""
    wanted = read.mapping(wanted, "response_format")
    schema = None
    match wanted.get("type"):
        case "text":
            return {}, ""
        case "json_object":
            pass
        case "json_schema":
            at = "response_format.json_schema"
            named = read.mapping(wanted.get("json_schema"), at)
            if named.get("schema") is not None:
                schema = read.mapping(named["schema"], f"{at}.schema")
        case _:
            raise read.malformed(
                "response_format.type", "one of text, json_object, json_schema"
            )
    if bound:
        form: dict[str, Any] = {"responseMimeType": "application/json"}
        if schema is not None:
            form["responseJsonSchema"] = schema_of(schema)
        return form, ""
    if schema is None:
        return {}, instructions.JSON_OBJECT
    return {}, instructions.json_schema(schema)


def _max_tokens(fields: Mapping[str, Any], deployment: Deployment) -> int:
    for field in ("max_completion_tokens", "max_tokens"):
        if fields.get(field) is not None:
            asked = read.count(fields[field], field)
            return min(asked, deployment.max_output_tokens or asked)
    return 0


def _sampling(fields: Mapping[str, Any], traits: Traits) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for field, name, most in (("temperature", "temperature", 2), ("top_p", "topP", 1)):
        if fields.get(field) is not None:
            given[name] = min(max(read.number(fields[field], field), 0), most)
    if fields.get("top_k") is not None:
        given["topK"] = read.count(fields["top_k"], "top_k")
    if fields.get("seed") is not None:
        # Google's seed has 32 bits, OpenAI's 64.
        given["seed"] = int(read.number(fields["seed"], "seed")) % _INT32
    for field, name in (
        ("presence_penalty", "presencePenalty"),
        ("frequency_penalty", "frequencyPenalty"),
    ):
        if fields.get(field) and traits.takes_penalties:
            given[name] = read.number(fields[field], field)
    return given


def _choices(fields: Mapping[str, Any], traits: Traits) -> dict[str, Any]:
    """Write how many answers there are, where each stops and what is told of it."""
    written: dict[str, Any] = {}
    if fields.get("n") is not None and (count := read.count(fields["n"], "n")) > 1:
        if count > _CANDIDATES_MAX:
            raise CapabilityMissingError(
                f"Gemini gives {_CANDIDATES_MAX} answers at most.", "n"
            )
        written["candidateCount"] = count
    stop = fields.get("stop")
    listed = [stop] if isinstance(stop, str) else read.items(stop or [], "stop")
    sequences = [
        sequence
        for place, sequence in enumerate(listed)
        if read.text(sequence, f"stop[{place}]")
    ]
    if len(sequences) > _STOPS_MAX:
        raise CapabilityMissingError(
            f"Gemini stops at {_STOPS_MAX} sequences at most.", "stop"
        )
    if sequences:
        written["stopSequences"] = sequences
    if fields.get("logprobs") is True and traits.takes_logprobs:
        written["responseLogprobs"] = True
        if fields.get("top_logprobs"):
            count = read.count(fields["top_logprobs"], "top_logprobs")
            written["logprobs"] = min(count, _LOGPROBS_MAX)
    return written


def _safety(own: Mapping[str, Any]) -> dict[str, Any]:
    settings = own.get("safety_settings")
    if settings is None:
        return {}
    listed = read.items(settings, "safety_settings")
    return {
        "safetySettings": [
            read.mapping(each, f"safety_settings[{place}]")
            for place, each in enumerate(listed)
        ]
    }
