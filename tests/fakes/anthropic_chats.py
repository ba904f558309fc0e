"""Chats as callers write them, and what the Anthropic dialect sends for them."""

import json
from dataclasses import replace
from typing import Any

from holdfast.model import Deployment
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages

SONNET = Deployment(
    id="anthropic/claude-sonnet-4-5",
    model_id="claude-sonnet-4-5",
    provider_id="anthropic",
    provider_model="claude-sonnet-4-5-20250929",
    dialect="anthropic-messages",
    base_uri="https://api.anthropic.com",
    max_output_tokens=64_000,
)
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}},
}
PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}},
    "required": ["age"],
    "additionalProperties": False,
}


def named(provider_model: str) -> Deployment:
    return replace(SONNET, model_id="", provider_model=provider_model)


def encoded(deployment: Deployment = SONNET, **fields: Any) -> Any:
    body = json.dumps({"model": "m", "messages": HELLO, **fields}).encode()
    return json.loads(AnthropicMessages().encode(Chat.parse(body), deployment).body)


def turns(*messages: dict[str, Any]) -> Any:
    return encoded(messages=list(messages))["messages"]


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def call(call_id: str, arguments: object = "{}", name: str = "weather") -> Any:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "json_schema",
        "json_schema": {"name": "person", "schema": schema, "strict": True},
    }
