"""A simulated deployment of each dialect, and calls of it without a gateway.

with SimulatedProviders() as sim:
    answer = ask(sim, "gemini", messages=[...], tools=[...])
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from fakes.provider import SimulatedProviders
from holdfast.events import data_of
from holdfast.model import Deployment
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import Decoded, ProviderError
from holdfast_executor.dialects.registry import DIALECTS

MODELS = {
    "anthropic-messages": ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    "anthropic-vertex": ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929"),
    "bedrock-converse": (
        "claude-sonnet-4-5",
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    "bedrock-invoke": (
        "claude-sonnet-4-5",
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    "gemini": ("gemini-3-pro", "gemini-3-pro-preview"),
    "openai-chat": ("gpt-5", "gpt-5-2025-08-07"),
    "openai-responses": ("gpt-5-codex", "gpt-5-codex"),
}
"""By dialect: a model's plain name, and its provider's name of it."""

SHOWN = {
    "anthropic-messages": {"x-api-key": "k"},
    "anthropic-vertex": {"authorization": "Bearer t"},
    "bedrock-converse": {"authorization": "Bearer t"},
    "bedrock-invoke": {"authorization": "Bearer t"},
    "gemini": {"x-goog-api-key": "k"},
    "openai-chat": {"authorization": "Bearer t"},
    "openai-responses": {"authorization": "Bearer t"},
}
"""What proves who sends."""


def provider_of(dialect: str) -> str:
    """Name the one provider that speaks a dialect."""
    return f"p-{dialect}"


def deployment_of(dialect: str, base_uri: str = "http://127.0.0.1") -> Deployment:
    """Make a deployment of a dialect."""
    model_id, provider_model = MODELS[dialect]
    return Deployment(
        id=f"{provider_of(dialect)}/{model_id}",
        model_id=model_id,
        provider_id=provider_of(dialect),
        provider_model=provider_model,
        dialect=dialect,
        base_uri=base_uri,
        max_output_tokens=64_000,
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller is told.

    Attributes:
        message: The assistant's, as a client puts it together.
        failure: None if there is an answer.
    """

    message: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str = ""
    failure: ProviderError | None = None
    usage: Any = None


def ask(sim: SimulatedProviders, dialect: str, **request: Any) -> Told:
    """Ask the provider of a dialect, streamed if the request says so."""
    chat = Chat.parse(json.dumps({"model": "m", **request}).encode())
    provider = provider_of(dialect)
    place = deployment_of(dialect, sim.base_uri(provider, dialect))
    encoded = DIALECTS[dialect].encode(chat, place)
    response = httpx.post(
        place.base_uri + encoded.path,
        content=encoded.body,
        headers=[*encoded.headers, *SHOWN[dialect].items()],
        timeout=30,
    )
    context = AnswerContext(place.model_id, "chatcmpl-1", 1, deployment=place)
    if response.status_code != 200:
        headers = {k.lower(): v for k, v in response.headers.items()}
        return Told(
            failure=DIALECTS[dialect].decode_error(
                response.status_code, headers, response.content
            )
        )
    if not chat.stream:
        decoded = DIALECTS[dialect].decode(response.content, context)
        if not isinstance(decoded, Decoded):
            return Told(failure=decoded)
        choice = json.loads(decoded.body)["choices"][0]
        return Told(choice["message"], choice["finish_reason"], usage=decoded.usage)
    decoder = DIALECTS[dialect].decode_stream(context)
    events = decoder.feed(response.content) + decoder.finish()
    message, reason = joined([json.loads(data) for data in data_of(events)])
    return Told(message, reason, decoder.failure, decoder.usage)


def joined(chunks: list[Mapping[str, Any]]) -> tuple[dict[str, Any], str]:
    """Put a stream's message together, as clients do; and say why it ended."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    reason = ""
    for chunk in chunks:
        for choice in chunk["choices"]:
            reason = choice.get("finish_reason") or reason
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    _add_calls(message.setdefault("tool_calls", []), value)
                elif name == "thinking_blocks":
                    blocks = message.setdefault("thinking_blocks", [])
                    blocks += [
                        {k: v for k, v in block.items() if k != "index"}
                        for block in value
                    ]
                elif name != "role" and isinstance(value, str):
                    message[name] = (message.get(name) or "") + value
                elif name != "role" and value is not None:
                    message[name] = value
    return message, reason


def _add_calls(calls: list[dict[str, Any]], deltas: list[Mapping[str, Any]]) -> None:
    for delta in deltas:
        if delta["index"] == len(calls):
            begun = {k: v for k, v in delta.items() if k != "index"}
            calls.append({**begun, "function": dict(delta["function"])})
        else:
            more = delta["function"].get("arguments", "")
            calls[delta["index"]]["function"]["arguments"] += more
