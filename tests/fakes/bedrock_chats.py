"""Chats as callers write them, and what the Bedrock dialects send for them."""

import json
from dataclasses import replace
from typing import Any

from fakes.anthropic_chats import call
from fakes.aws_model import faults_of
from holdfast.model import Deployment
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.bedrock_converse import BedrockConverse
from holdfast_executor.dialects.bedrock_invoke import BedrockInvoke

SONNET = Deployment(
    id="aws/claude-sonnet-4-5-eu",
    model_id="claude-sonnet-4-5",
    provider_id="aws",
    provider_model="eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    dialect="bedrock-converse",
    base_uri="https://bedrock-runtime.eu-central-1.amazonaws.com",
    max_output_tokens=64_000,
)
NOVA = replace(
    SONNET, model_id="nova-2-lite", provider_model="us.amazon.nova-2-lite-v1:0"
)
LLAMA = replace(
    SONNET,
    model_id="llama-3.3-70b-instruct",
    provider_model="us.meta.llama3-3-70b-instruct-v1:0",
)
MISTRAL = replace(
    SONNET,
    model_id="mistral-large",
    provider_model="mistral.mistral-large-2402-v1:0",
)
QWEN = replace(SONNET, model_id="qwen3-32b", provider_model="qwen.qwen3-32b-v1:0")
GPT_OSS = replace(
    SONNET, model_id="gpt-oss-120b", provider_model="openai.gpt-oss-120b-1:0"
)
HELLO = [{"role": "user", "content": "Hello"}]
USED = [
    *HELLO,
    {"role": "assistant", "tool_calls": [call("call_1", {"city": "Lund"})]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
]
MARK = {"type": "ephemeral"}
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQK"


def named(provider_model: str) -> Deployment:
    return replace(SONNET, model_id="", provider_model=provider_model)


def chat(**fields: Any) -> Chat:
    return Chat.parse(json.dumps({"model": "m", "messages": HELLO, **fields}).encode())


def converse(deployment: Deployment = SONNET, **fields: Any) -> Any:
    """Write a request for Converse, and make sure that AWS's model accepts it."""
    sent = json.loads(BedrockConverse().encode(chat(**fields), deployment).body)
    asked = {"modelId": deployment.provider_model, **sent}
    operation = "ConverseStream" if fields.get("stream") else "Converse"
    assert faults_of(operation, asked) == []
    return sent


def invoke(deployment: Deployment = SONNET, **fields: Any) -> Any:
    return json.loads(BedrockInvoke().encode(chat(**fields), deployment).body)


def said(*messages: dict[str, Any], deployment: Deployment = SONNET) -> Any:
    return converse(deployment, messages=list(messages))["messages"]


def user(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts), **fields}


def file(data: str, name: str = "") -> dict[str, Any]:
    named = {"filename": name} if name else {}
    return {"type": "file", "file": {"file_data": data, **named}}
