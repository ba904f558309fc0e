"""From a Responses request to the chat that asks for the same."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.model import Capability
from holdfast_edge.decoding import decode, malformed
from holdfast_edge.responses.conversation import (
    NATIVE_RESULTS,
    REFERENCE,
    TAKERS,
    messages_of,
)
from holdfast_edge.responses.tools import are_native, choice_of, tools_of

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any])

_AS_IT_IS = (
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "temperature",
    "top_p",
    "user",
)
"""Fields of the same name and meaning."""

_NOT_SERVED = {
    "background": "ask without it, and wait for the answer",
    "conversation": "use `previous_response_id`, or send the items themselves",
    "prompt": "send `instructions` and `input` themselves",
}
"""Fields without which the answer would not be what was asked for."""

_ENCRYPTED = "reasoning.encrypted_content"
"""What an answer includes whether it is asked for or not."""

_LOGPROBS = "message.output_text.logprobs"


@dataclass(frozen=True, slots=True)
class Asked:
    """A Responses request.

    Attributes:
        fields: As the caller sent it.
        items: Its input, each an item.
    """

    fields: dict[str, Any]
    items: tuple[dict[str, Any], ...]

    @property
    def previous_id(self) -> str:
        """The response that it goes on from. Empty: none."""
        return self.fields.get("previous_response_id") or ""

    @property
    def stores(self) -> bool:
        """Whether the answer may be gone on from, which is so unless it says no."""
        return self.fields.get("store") is not False

    @property
    def streams(self) -> bool:
        """Whether the answer is streamed."""
        return self.fields.get("stream") is True


def read(body: bytes, *, may_be_silent: bool = False) -> Asked:
    """Read a request.

    Args:
        body: As it was sent.
        may_be_silent: Whether it may say nothing beside what it goes on from.

    Raises:
        JsonInvalidError: The body is no JSON.
        RequestMalformedError: A field is missing or wrong, or not served.
    """
    fields = decode(_object, body)
    for name, remedy in _NOT_SERVED.items():
        if fields.get(name):
            raise malformed(name, f"is not served: {remedy}")
    previous = fields.get("previous_response_id")
    if previous is not None and not isinstance(previous, str):
        raise malformed("previous_response_id", "must be text")
    given = fields.get("input")
    if given is None and previous and may_be_silent:
        given = []
    return Asked(fields, tuple(_items(given)))


def chat_of(asked: Asked, earlier: Iterable[dict[str, Any]] = ()) -> bytes:
    """Write the chat.

    Args:
        asked: The request.
        earlier: The items of the responses that it goes on from.

    Raises:
        RequestMalformedError: A field is missing or wrong.
    """
    fields = asked.fields
    if not isinstance(fields.get("model"), str):
        raise malformed(
            "model", "is missing" if "model" not in fields else "is no text"
        )
    chat: dict[str, Any] = {
        "model": fields["model"],
        "messages": [
            *_instructions(fields.get("instructions")),
            *messages_of([*earlier, *asked.items]),
        ],
    }
    chat |= {name: fields[name] for name in _AS_IT_IS if fields.get(name) is not None}
    if fields.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = fields["max_output_tokens"]
    if tools := [*tools_of(fields.get("tools"))]:
        chat["tools"] = tools
    if (choice := fields.get("tool_choice")) is not None:
        has_native = are_native(fields.get("tools"))
        chat["tool_choice"] = choice_of(choice, has_native=has_native)
    chat |= _reasoning(_object_of(fields, "reasoning"))
    chat |= _text(_object_of(fields, "text"))
    chat |= _included(fields)
    if asked.streams:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return _encode(chat)


def needs_of(asked: Asked) -> frozenset[Capability]:
    """Say what a request needs that only who speaks Responses itself has.

    A provider's own tools, and what only it can read of their results.
    """
    is_native = are_native(asked.fields.get("tools")) or any(
        item["type"] in NATIVE_RESULTS for item in asked.items
    )
    return frozenset({Capability.RESPONSES}) if is_native else frozenset()


def _items(given: object) -> Iterator[dict[str, Any]]:
    if isinstance(given, str):
        yield {"type": "message", "role": "user", "content": given}
        return
    if not isinstance(given, list):
        what = "is missing" if given is None else "must be text or an array of items"
        raise malformed("input", what)
    for place, item in enumerate(given):
        if not isinstance(item, dict):
            raise malformed(f"input[{place}]", "must be an object")
        kind = _kind_of(item)
        if kind not in TAKERS:
            known = ", ".join(TAKERS)
            raise malformed(f"input[{place}].type", f"must be one of {known}")
        yield {**item, "type": kind}


def _kind_of(item: dict[str, Any]) -> object:
    """Return an item's type, which messages and references may leave out."""
    kind = item.get("type")
    if kind is None:
        kind = "message" if "role" in item or "content" in item else REFERENCE
    return kind if isinstance(kind, str) else None


def _instructions(instructions: object) -> Iterator[dict[str, Any]]:
    if instructions is None or instructions == "":
        return
    if not isinstance(instructions, str):
        raise malformed("instructions", "must be text")
    yield {"role": "system", "content": instructions}


def _reasoning(reasoning: dict[str, Any]) -> dict[str, Any]:
    """Write how hard to think; what is to be shown of it as the API has it."""
    written: dict[str, Any] = {}
    if reasoning.get("effort") is not None:
        written["reasoning_effort"] = reasoning["effort"]
    rest = {
        name: value
        for name, value in reasoning.items()
        if name != "effort" and value is not None
    }
    return {**written, "reasoning": rest} if rest else written


def _included(fields: dict[str, Any]) -> dict[str, Any]:
    """Write what the answer is to hold beside the usual, and how much may be done.

    What a chat has no word for is left out where it is translated.
    """
    written: dict[str, Any] = {}
    include = fields.get("include")
    if include is not None and not isinstance(include, list):
        raise malformed("include", "must be an array")
    asked = [each for each in include or () if each != _ENCRYPTED]
    if _LOGPROBS in asked or fields.get("top_logprobs"):
        written["logprobs"] = True
        if fields.get("top_logprobs") is not None:
            written["top_logprobs"] = fields["top_logprobs"]
    if rest := [each for each in asked if each != _LOGPROBS]:
        written["include"] = rest
    if fields.get("truncation") not in (None, "disabled"):
        written["truncation"] = fields["truncation"]
    if fields.get("max_tool_calls") is not None:
        written["max_tool_calls"] = fields["max_tool_calls"]
    return written


def _text(text: dict[str, Any]) -> dict[str, Any]:
    """Write what the answer is to look like."""
    written: dict[str, Any] = {}
    if text.get("verbosity") is not None:
        written["verbosity"] = text["verbosity"]
    shape = text.get("format")
    if shape is None:
        return written
    if not isinstance(shape, dict):
        raise malformed("text.format", "must be an object")
    kind = shape.get("type")
    if kind == "json_schema":
        schema = {
            name: shape[name]
            for name in shape
            if name != "type" and shape[name] is not None
        }
        written["response_format"] = {"type": kind, "json_schema": schema}
    elif kind != "text":
        written["response_format"] = shape
    return written


def _object_of(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed(name, "must be an object")
    return value
