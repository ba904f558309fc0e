"""Answers that are to have a form: how they are asked for, given and read."""

import json
from typing import Any

import msgspec
import pytest

from fakes.scene import Scene, messages, text
from fakes.scripted_provider import (
    Reply,
    completion,
    streamed,
)

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
BO = '{"name":"Bo","age":7}'
SECRET = '{"name":"Bo","age":"secret-word"}'
PROSE = "I would rather not say."
FENCED = f"Here you are:\n```json\n{BO}\n```\nAnything else?"
OBJECT = {"type": "json_object"}


def asked(wanted: Any = None, *, stream: bool = False, **fields: Any) -> bytes:
    """Write a request that asks for a form; for a person unless it says otherwise."""
    named = {"name": "person", "schema": PERSON, "strict": True}
    request = {
        "model": "m",
        "messages": [{"role": "user", "content": "Who?"}],
        "response_format": wanted or {"type": "json_schema", "json_schema": named},
        **fields,
    }
    return json.dumps(request | ({"stream": True} if stream else {})).encode()


def sent(s: Scene, provider: int = 0, attempt: int = 0) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(s.providers[provider].taken[attempt].body)
    return body


async def content(s: Scene, body: bytes, **plan: Any) -> str:
    response = await s.execute(body, **plan)
    choice = msgspec.json.decode(response.body)["choices"][0]
    assert choice["finish_reason"] == "stop"
    return str(choice["message"]["content"])


async def said(s: Scene, wanted: Any = None, *, streams: bool, **plan: Any) -> str:
    """Ask whole or streamed, and return what the caller reads."""
    if streams:
        return text(await messages(s.stream(asked(wanted, stream=True), **plan)))
    return await content(s, asked(wanted), **plan)


def answering(text_: str, *, streams: bool) -> Reply:
    if not streams:
        return completion(text_)
    return streamed(*(text_[at : at + 5] for at in range(0, len(text_), 5)))


BOTH = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
