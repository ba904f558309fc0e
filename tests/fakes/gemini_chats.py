"""Chats as callers write them, and what the Gemini dialect sends for them."""

import json
from typing import Any

from fakes.google_types import assert_google_accepts
from holdfast.model import Deployment
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.gemini_generate import Gemini

API = "https://generativelanguage.googleapis.com/v1beta"
VERTEX = (
    "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/"
    "europe-west4/publishers/google"
)
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object"}},
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def named(model: str, base_uri: str = API) -> Deployment:
    return Deployment(
        f"google/{model}", model, "google", model, "gemini", base_uri, "none"
    )


FLASH = named("gemini-2.5-flash")
FLASH_ON_VERTEX = named("gemini-2.5-flash", VERTEX)
PRO_3 = named("gemini-3-pro-preview")


def encoded(deployment: Deployment = FLASH, **fields: Any) -> Any:
    """Return the body that is sent, once Google's own types have taken it."""
    body = json.dumps({"model": "m", "messages": HELLO, **fields}).encode()
    sent = json.loads(Gemini().encode(Chat.parse(body), deployment).body)
    assert_google_accepts(sent)
    return sent


def config(deployment: Deployment = FLASH, **fields: Any) -> Any:
    return encoded(deployment, **fields).get("generationConfig", {})


def turns(*messages: dict[str, Any], to: Deployment = FLASH) -> Any:
    return encoded(to, messages=list(messages))["contents"]


def user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(call_id: str, arguments: object = "{}", name: str = "weather") -> Any:
    function = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def calling(*calls: dict[str, Any], content: object = None) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def result(call_id: str, content: object = "14 C") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def kept(signature: str, issuer: str) -> dict[str, Any]:
    """What an answer holds beside a call, so that its signature comes back."""
    google = {"thought_signature": signature, "issuer": issuer}
    return {"extra_content": {"google": google}}
