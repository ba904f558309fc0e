"""A conversation's history for an OpenAI-compatible provider: without others' marks.

Providers that sign the thoughts of their models want the signatures back, and the
gateway hands them to callers in fields of messages that OpenAI's format does not
have. Nobody else can verify one, and a strict provider refuses a field that it
does not know, so they are left out where they are not the model's own.
"""

from typing import Any

import msgspec

from holdfast_executor.chat import ISSUERS_MARKS, Chat
from holdfast_executor.dialects.gemini_models import issuer_of
from holdfast_executor.dialects.openai_responses_items import OWNER

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def own_history(chat: Chat, model: str) -> bytes | None:
    """Write `messages` with no more than the model's own; None if they are that.

    A message in which nothing is left out keeps its bytes.

    Args:
        chat: The request.
        model: The plain name of the model.
    """
    if not chat.is_marked or "messages" not in chat.fields:
        return None
    try:
        messages = [bytes(raw) for raw in _decode_items(chat.fields["messages"])]
    except msgspec.DecodeError:
        return None
    written = [_message(message, model.lower()) for message in messages]
    return None if written == messages else b"[" + b",".join(written) + b"]"


def _message(raw: bytes, model: str) -> bytes:
    if not any(mark in raw for mark in ISSUERS_MARKS):
        return raw
    message = _decode(raw)
    if not isinstance(message, dict):
        return raw
    kept = own_message(message, model)
    return raw if kept == message else _encode(kept)


def own_message(message: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a message with no more than the model's own.

    Args:
        message: As the caller has it. Not changed.
        model: The plain name of the model, in lower case.
    """
    kept = _without_thinking(_without_signature(message, model), model)
    calls = kept.get("tool_calls")
    if isinstance(calls, list):
        calls = [
            _without_signature(call, model) if isinstance(call, dict) else call
            for call in calls
        ]
        kept = {**kept, "tool_calls": calls}
    return kept


def _without_thinking(message: dict[str, Any], model: str) -> dict[str, Any]:
    """Leave out signed thinking, and the thinking itself, which says the same.

    What bears an issuer's mark came from its own API by way of the gateway. Without
    a mark it came from a provider like this one, and goes back to Claude as it came.
    """
    listed = message.get("thinking_blocks")
    if not isinstance(listed, list):
        return message
    is_own = "claude" in model and not any(
        isinstance(block, dict) and "issuer" in block for block in listed
    )
    if is_own:
        return message
    left_out = {"thinking_blocks", "reasoning_content"}
    return {name: value for name, value in message.items() if name not in left_out}


def _without_signature(holder: dict[str, Any], model: str) -> dict[str, Any]:
    """Leave out Google's signature, or only the gateway's mark where it is wanted.

    And whatever items of Responses: they are read there alone.
    """
    content = holder.get("extra_content")
    if not isinstance(content, dict):
        return holder
    if OWNER in content:
        rest = {name: each for name, each in content.items() if name != OWNER}
        kept = {name: each for name, each in holder.items() if name != "extra_content"}
        holder = {**kept, "extra_content": rest} if rest else kept
        content = rest
    if not isinstance(content.get("google"), dict):
        return holder
    google = content["google"]
    if "gemini" in model and google.get("issuer", issuer_of(model)) == issuer_of(model):
        unmarked = {name: each for name, each in google.items() if name != "issuer"}
        return {**holder, "extra_content": {**content, "google": unmarked}}
    rest = {name: each for name, each in content.items() if name != "google"}
    without = {k: v for k, v in holder.items() if k != "extra_content"}
    return {**without, "extra_content": rest} if rest else without
