"""A caller's chat request as the body of Bedrock's `Converse`.

It is written for Anthropic first, whose format Converse follows, and then
worded anew: what Bedrock has no field for is left out or refused there, by the
same rules. This says what differs.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from holdfast.model import Deployment
from holdfast_executor.dialects import anthropic_request
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.dialects.anthropic_parts import Takes
from holdfast_executor.dialects.anthropic_reasoning import effort_of
from holdfast_executor.dialects.anthropic_request import betas_of, messages_request
from holdfast_executor.dialects.bedrock_conversation import DOCUMENTS, Wording
from holdfast_executor.dialects.bedrock_models import Family, family_of
from holdfast_executor.dialects.bedrock_tools import Tools, tools_for
from holdfast_executor.dialects.links import Links

LEFT_OUT = {
    "metadata": "Who asks is named in Anthropic's own format alone.",
    "safety_identifier": "Bedrock has no field for who asks.",
    "user": "Bedrock has no field for who asks.",
}
"""What Anthropic's dialect translates and this one leaves out, and why."""

OWN = frozenset({"guardrailConfig", "performanceConfig"})
"""Bedrock's own fields, which a caller may add to OpenAI's."""

SPOKEN = anthropic_request.SPOKEN.difference(LEFT_OUT) | OWN
"""All that is not left out: what cannot be served is refused instead."""

_GUARDRAIL = (
    "guardrailIdentifier",
    "guardrailVersion",
    "trace",
    "streamProcessingMode",
)
_TIERS = frozenset({"flex", "priority"})
"""Of OpenAI's. `default` is what is had without a word."""

_NO_SCHEMA_NAME = re.compile(r"[^a-zA-Z0-9_-]")


def converse_request(
    fields: Mapping[str, Any], deployment: Deployment, links: Links, *, stream: bool
) -> dict[str, Any]:
    """Write a request. Nothing of `fields` is changed.

    Args:
        fields: The caller's request.
        deployment: Who is to answer it.
        links: Where to find what is given by its address.
        stream: Whether the answer is streamed.

    Raises:
        RequestMalformedError: A field is none that can be understood.
        CapabilityMissingError: The model cannot do what a field asks for.
    """
    family = family_of(deployment)
    said = messages_request(
        fields,
        deployment,
        stream=False,
        traits=family.traits,
        takes=Takes(links, DOCUMENTS),
    )
    wording = Wording(family.cached, hour=family.traits.takes_schema)
    tools = tools_for(said, family, wording)
    system = list(said.get("system", ()))
    if tools.instruction:
        system.append({"type": "text", "text": tools.instruction})
    effort = effort_of(fields) if family.effort else None
    parts = {
        "messages": wording.messages(said["messages"], said.get("cache_control")),
        "system": wording.system(system),
        "inferenceConfig": _inference(fields, said, family, effort),
        "toolConfig": tools.config,
        "additionalModelRequestFields": _additional(
            fields, said, family, tools, effort
        ),
        "outputConfig": _output(fields, said),
        "serviceTier": _tier(fields, family),
        **_own(fields, stream=stream),
    }
    return {field: part for field, part in parts.items() if part}


def _inference(
    fields: Mapping[str, Any],
    said: Mapping[str, Any],
    family: Family,
    effort: str | None,
) -> dict[str, Any]:
    """Write how to sample and how long to write.

    A limit is named where the caller names one or a budget must fit into it:
    Bedrock takes each model's own as the default.
    """
    config = {"stopSequences": said.get("stop_sequences")}
    if not (family.fixes_sampling and _level(family, effort) == family.fixes_sampling):
        config["temperature"] = said.get("temperature")
        config["topP"] = said.get("top_p")
        asked = any(fields.get(f) for f in ("max_completion_tokens", "max_tokens"))
        if asked or "budget_tokens" in said.get("thinking", {}):
            config["maxTokens"] = said["max_tokens"]
    return {field: value for field, value in config.items() if value is not None}


def _level(family: Family, effort: str | None) -> str:
    if effort is None or effort == "none" or family.effort is None:
        return ""
    config = family.effort(effort).get("reasoningConfig", {})
    return str(config.get("maxReasoningEffort", ""))


def _additional(
    fields: Mapping[str, Any],
    said: Mapping[str, Any],
    family: Family,
    tools: Tools,
    effort: str | None,
) -> dict[str, Any]:
    """Write what the family takes in its own words."""
    additional = dict(tools.additional)
    if family.is_claude:
        if "thinking" in said:
            additional["thinking"] = said["thinking"]
        if betas := betas_of(fields):
            additional["anthropic_beta"] = betas
    if family.effort and effort is not None and effort != "none":
        additional |= family.effort(effort)
    if "top_k" in said and family.top_k:
        *places, name = family.top_k
        inner = additional
        for place in places:
            inner = inner.setdefault(place, {})
        inner[name] = said["top_k"]
    return additional


def _output(fields: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    config = said.get("output_config", {})
    output: dict[str, Any] = {}
    if "format" in config:
        output["textFormat"] = _text_format(fields, config["format"])
    if "effort" in config:
        output["effort"] = config["effort"]
    return output


def _text_format(
    fields: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """Word a schema. Bedrock takes it as text, with the name it had."""
    named = (fields.get("response_format") or {}).get("json_schema") or {}
    parts = {
        "schema": msgspec.json.encode(wanted.get("schema")).decode(),
        "name": _NO_SCHEMA_NAME.sub("_", str(named.get("name") or ""))[:64],
        "description": named.get("description"),
    }
    schema = {
        field: part for field, part in parts.items() if part and isinstance(part, str)
    }
    return {"type": "json_schema", "structure": {"jsonSchema": schema}}


def _tier(fields: Mapping[str, Any], family: Family) -> dict[str, Any]:
    tier = fields.get("service_tier")
    if family.has_tiers and isinstance(tier, str) and tier in _TIERS:
        return {"type": tier}
    return {}


def _own(fields: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
    """Take Bedrock's own fields, as far as they can do no harm.

    Raises:
        RequestMalformedError: One is none that can be understood.
    """
    own: dict[str, Any] = {}
    if fields.get("guardrailConfig") is not None:
        given = read.mapping(fields["guardrailConfig"], "guardrailConfig")
        own["guardrailConfig"] = {
            key: read.text(given[key], f"guardrailConfig.{key}")
            for key in _GUARDRAIL
            if key in given and (stream or key != "streamProcessingMode")
        }
    if fields.get("performanceConfig") is not None:
        given = read.mapping(fields["performanceConfig"], "performanceConfig")
        latency = read.name(given.get("latency"), "performanceConfig.latency")
        own["performanceConfig"] = {"latency": latency}
    return own
