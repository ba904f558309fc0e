"""From a Messages request to the chat that asks for the same.

What it says of thinking, caching and top_k stays beside OpenAI's fields, where
dialects that know it find it and others leave it out.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast_edge.carried import joined
from holdfast_edge.decoding import decode, malformed
from holdfast_edge.messages.carried import unwrapped
from holdfast_edge.messages.values import (
    blocks_of,
    count_of,
    flag_of,
    mark_of,
    text_of,
)
from holdfast_edge.messages.wishes import choice_of, output_of, tools_of

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])

_AS_IT_IS = (
    "cache_control",
    "metadata",
    "service_tier",
    "temperature",
    "thinking",
    "top_k",
    "top_p",
)
"""Fields of the same name and meaning, or that dialects know by Anthropic's name."""

_ROLES = frozenset({"user", "assistant", "system"})

_NOT_SERVED = {
    "mcp_servers": "the gateway connects to no MCP servers; give the tools themselves",
    "container": "the gateway runs no code; give the tools themselves",
    "thread": "the gateway holds no conversations; send all messages",
    "compaction": "the gateway writes no summaries; ask for one in a message",
    "inference_geo": "where an answer is made is for policies to say, of an "
    "organization, a project or a key",
}
"""Fields without which the answer would not be what was asked for."""


def chat_of(body: bytes, betas: str = "") -> bytes:
    """Write the chat.

    Args:
        body: The request's.
        betas: What the header `anthropic-beta` says.

    Raises:
        JsonInvalidError: The body is no JSON.
        RequestMalformedError: A field is missing or wrong.
    """
    return _encode(chat_fields(decode(_object, body), betas))


def chat_fields(asked: dict[str, Any], betas: str = "") -> dict[str, Any]:
    """Write the chat's fields; see `chat_of`."""
    for name, remedy in _NOT_SERVED.items():
        if asked.get(name):
            raise malformed(name, f"is not served: {remedy}")
    chat: dict[str, Any] = {
        "model": text_of(asked.get("model"), "model"),
        "messages": [*_system(asked.get("system")), *_conversation(asked)],
    }
    if asked.get("max_tokens") is not None:
        chat["max_tokens"] = count_of(asked["max_tokens"], "max_tokens")
    chat |= {name: asked[name] for name in _AS_IT_IS if asked.get(name) is not None}
    if stops := asked.get("stop_sequences"):
        chat["stop"] = stops
    if tools := [*tools_of(asked.get("tools"))]:
        chat["tools"] = tools
    chat |= choice_of(asked.get("tool_choice"))
    chat |= output_of(asked)
    if named := [beta.strip() for beta in betas.split(",") if beta.strip()]:
        chat["betas"] = named
    if flag_of(asked.get("stream"), "stream"):
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return chat


def _system(system: object) -> Iterator[dict[str, Any]]:
    if not system:
        return
    if isinstance(system, str):
        yield {"role": "system", "content": system}
        return
    parts = [
        _text_part(block, f"system[{place}]")
        for place, block in blocks_of(system, "system")
    ]
    yield {"role": "system", "content": parts}


def _conversation(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    listed = asked.get("messages")
    if not isinstance(listed, list) or not listed:
        raise malformed("messages", "must be an array of at least one message")
    for place, message in enumerate(listed):
        at = f"messages[{place}]"
        if not isinstance(message, dict):
            raise malformed(at, "must be an object")
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or role not in _ROLES:
            raise malformed(f"{at}.role", "must be user or assistant")
        if isinstance(content, str):
            yield {"role": role, "content": content}
        elif role == "assistant":
            yield _assistant(blocks_of(content, f"{at}.content"), f"{at}.content")
        elif role == "system":
            yield from _system(content)
        else:
            yield from _user(blocks_of(content, f"{at}.content"), f"{at}.content")


def _user(
    blocks: list[tuple[int, dict[str, Any]]], at: str
) -> Iterator[dict[str, Any]]:
    """Yield the results of tools, which are messages of their own, and the rest."""
    parts: list[dict[str, Any]] = []
    for place, block in blocks:
        if block.get("type") == "tool_result":
            yield _result(block, f"{at}[{place}]")
        else:
            parts += _parts(block, f"{at}[{place}]")
    if parts:
        yield {"role": "user", "content": parts}


def _result(block: dict[str, Any], at: str) -> dict[str, Any]:
    content = block.get("content")
    if isinstance(content, list):
        content = [
            part
            for place, inner in blocks_of(content, f"{at}.content")
            for part in _parts(inner, f"{at}.content[{place}]")
        ]
    elif content is None:
        content = ""
    elif not isinstance(content, str):
        raise malformed(f"{at}.content", "must be text or an array of blocks")
    result: dict[str, Any] = {
        "role": "tool",
        "tool_call_id": text_of(block.get("tool_use_id"), f"{at}.tool_use_id"),
        "content": content,
    }
    if block.get("is_error") is True:
        result["is_error"] = True
    return result | mark_of(block)


def _assistant(blocks: list[tuple[int, dict[str, Any]]], at: str) -> dict[str, Any]:
    turn = _Turn()
    for place, block in blocks:
        take = _TURN_BLOCKS.get(str(block.get("type")))
        # What a provider's own tools said is the provider's; the text says it too.
        if take is not None:
            take(turn, block, f"{at}[{place}]")
    return turn.message()


@dataclass(slots=True)
class _Turn:
    """What an assistant said, sorted by the fields of a chat's message.

    Attributes:
        carried: What was carried for other providers, by the call it is of.
        mark: Where the prompt cache is to end, if with a call.
    """

    parts: list[dict[str, Any]] = field(default_factory=list)
    thinking: list[dict[str, Any]] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    carried: dict[str, Any] = field(default_factory=dict)
    mark: dict[str, Any] = field(default_factory=dict)

    def says(self, block: dict[str, Any], at: str) -> None:
        self.parts.append(_text_part(block, at))

    def thinks(self, block: dict[str, Any], _at: str) -> None:
        if block.get("signature"):
            self.thinking.append(block)
        else:
            self.unsigned.append(str(block.get("thinking") or ""))

    def hides(self, block: dict[str, Any], _at: str) -> None:
        content = unwrapped(block)
        if content is None:
            self.thinking.append(block)
        else:
            self.carried = joined(self.carried, content)

    def calls_tool(self, block: dict[str, Any], at: str) -> None:
        self.calls.append(_call(block, at))
        self.mark = mark_of(block)

    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.parts or None}
        if self.thinking:
            message["thinking_blocks"] = self.thinking
        if self.unsigned:
            message["reasoning_content"] = "".join(self.unsigned)
        if self.calls:
            message["tool_calls"] = [
                {**call, "extra_content": self.carried[call["id"]]}
                if call["id"] in self.carried
                else call
                for call in self.calls
            ]
        if "" in self.carried:
            message["extra_content"] = self.carried[""]
        return message | self.mark


_TURN_BLOCKS: dict[str, Callable[[_Turn, dict[str, Any], str], None]] = {
    "text": _Turn.says,
    "thinking": _Turn.thinks,
    "redacted_thinking": _Turn.hides,
    "tool_use": _Turn.calls_tool,
}


def _call(block: dict[str, Any], at: str) -> dict[str, Any]:
    given = block.get("input")
    if given is not None and not isinstance(given, dict):
        raise malformed(f"{at}.input", "must be an object")
    return {
        "id": text_of(block.get("id"), f"{at}.id"),
        "type": "function",
        "function": {
            "name": text_of(block.get("name"), f"{at}.name"),
            "arguments": _encode(given or {}).decode(),
        },
    }


def _parts(block: dict[str, Any], at: str) -> list[dict[str, Any]]:
    write = _PARTS.get(str(block.get("type")))
    if write is None:
        known = ", ".join([*_PARTS, "tool_result"])
        raise malformed(f"{at}.type", f"must be one of {known}")
    return write(block, at)


def _text_part(block: dict[str, Any], at: str) -> dict[str, Any]:
    text = block.get("text")
    if not isinstance(text, str):
        raise malformed(f"{at}.text", "must be text")
    return {"type": "text", "text": text} | mark_of(block)


def _texts(block: dict[str, Any], at: str) -> list[dict[str, Any]]:
    return [_text_part(block, at)]


def _image(block: dict[str, Any], at: str) -> list[dict[str, Any]]:
    uri = _uri(_source(block, at), f"{at}.source")
    return [{"type": "image_url", "image_url": {"url": uri}} | mark_of(block)]


def _document(block: dict[str, Any], at: str) -> list[dict[str, Any]]:
    source = _source(block, at)
    if source.get("type") == "content":
        inner = source.get("content")
        if isinstance(inner, str):
            return [{"type": "text", "text": inner} | mark_of(block)]
        return [
            part
            for place, each in blocks_of(inner, f"{at}.source.content")
            for part in _parts(each, f"{at}.source.content[{place}]")
        ]
    is_text = source.get("media_type") == "text/plain"
    title = block.get("title") or ("document.txt" if is_text else "document.pdf")
    file = {"filename": title, "file_data": _uri(source, f"{at}.source")}
    return [{"type": "file", "file": file} | mark_of(block)]


def _search_result(block: dict[str, Any], at: str) -> list[dict[str, Any]]:
    """Write a result that the caller found as the text it is."""
    said = [str(block.get("title") or ""), str(block.get("source") or "")]
    for place, inner in blocks_of(block.get("content"), f"{at}.content"):
        said.append(_text_part(inner, f"{at}.content[{place}]")["text"])
    return [{"type": "text", "text": "\n".join(filter(None, said))} | mark_of(block)]


_PARTS: dict[str, Callable[[dict[str, Any], str], list[dict[str, Any]]]] = {
    "text": _texts,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
}
"""What a user may say, beside the results of tools."""


def _source(block: dict[str, Any], at: str) -> dict[str, Any]:
    source = block.get("source")
    if not isinstance(source, dict):
        raise malformed(f"{at}.source", "must be an object")
    return source


def _uri(source: dict[str, Any], at: str) -> str:
    match source.get("type"):
        case "url":
            return text_of(source.get("url"), f"{at}.url")
        case "base64":
            media_type = text_of(source.get("media_type"), f"{at}.media_type")
            return (
                f"data:{media_type};base64,{text_of(source.get('data'), f'{at}.data')}"
            )
        case "text":
            text = text_of(source.get("data"), f"{at}.data")
            encoded = base64.b64encode(text.encode()).decode()
            return f"data:text/plain;base64,{encoded}"
    raise malformed(
        f"{at}.type",
        "must be base64, url or text: files that one provider stores are not had "
        "elsewhere",
    )
