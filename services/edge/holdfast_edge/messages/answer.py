"""From a chat's whole answer to a Message."""

from collections.abc import Iterator
from typing import Any

import msgspec

from holdfast_edge.messages.carried import wrapped

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}

_CHAT_MARK = "chatcmpl-"
_MARK = "msg_"

_NO_SIGNATURE = ""
"""Of thinking that nobody signed: a client hands it back, and it goes to no one who
would verify it."""


def message_of(body: bytes) -> bytes:
    """Write the Message that a chat completion is."""
    answer = _decode(body)
    choice = answer["choices"][0]
    return _encode(
        {
            "id": message_id(answer["id"]),
            "type": "message",
            "role": "assistant",
            "model": answer["model"],
            "content": [*_content(choice["message"])],
            "stop_reason": stop_reason(choice.get("finish_reason")),
            "stop_sequence": None,
            "usage": usage_of(answer.get("usage")),
        }
    )


def message_id(chat_id: str) -> str:
    """Write an answer's id as Anthropic marks them."""
    bare = chat_id.removeprefix(_CHAT_MARK)
    return bare if bare.startswith(_MARK) else _MARK + bare


def stop_reason(finish_reason: object) -> str:
    """Say why an answer ended, in Anthropic's words."""
    return _STOP_REASONS.get(str(finish_reason), "end_turn")


def usage_of(usage: object) -> dict[str, Any]:
    """Write usage: `input_tokens` are those that have nothing to do with the cache."""
    given: dict[str, Any] = usage if isinstance(usage, dict) else {}
    details = given.get("prompt_tokens_details") or {}
    read = details.get("cached_tokens") or 0
    created = details.get("cache_creation_tokens") or 0
    written: dict[str, Any] = {
        "input_tokens": max(0, (given.get("prompt_tokens") or 0) - read - created),
        "cache_creation_input_tokens": created,
        "cache_read_input_tokens": read,
        "output_tokens": given.get("completion_tokens") or 0,
    }
    if given.get("cost") is not None:
        written["cost"] = given["cost"]
    return written


def signed(block: dict[str, Any]) -> dict[str, Any]:
    """Write a block of thinking without the marks that are the gateway's own."""
    return {
        name: value for name, value in block.items() if name not in {"issuer", "index"}
    }


def issued_elsewhere(block: dict[str, Any]) -> bool:
    """Whether somebody else than Anthropic signed a block of thinking."""
    return bool(block.get("issuer", "anthropic") != "anthropic")


def _content(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _thinking(message)
    if "extra_content" in message:
        yield wrapped({"": message["extra_content"]})
    if text := message.get("content") or message.get("refusal"):
        yield {"type": "text", "text": text}
    for call in message.get("tool_calls") or ():
        if "extra_content" in call:
            yield wrapped({call["id"]: call["extra_content"]})
        yield {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": arguments_of(call["function"].get("arguments")),
        }


def _thinking(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    blocks = [
        block
        for block in message.get("thinking_blocks") or ()
        if not issued_elsewhere(block)
    ]
    if blocks:
        yield from map(signed, blocks)
    elif thoughts := message.get("reasoning_content"):
        yield {"type": "thinking", "thinking": thoughts, "signature": _NO_SIGNATURE}


def arguments_of(written: object) -> dict[str, Any]:
    """Read a call's arguments, which a model may have written badly."""
    try:
        read = _decode(written) if isinstance(written, str) and written else {}
    except (ValueError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {"arguments": written}
