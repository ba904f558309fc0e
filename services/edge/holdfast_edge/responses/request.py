"""From a Responses request to the chat that asks for the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from holdfast_edge.carried import opened
from holdfast_edge.decoding import decode, malformed

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

REFERENCE = "item_reference"
"""The type of an item that stands for one that was given before."""

_ROLES = frozenset({"user", "assistant", "system", "developer"})


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


def read(body: bytes) -> Asked:
    """Read a request.

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
    return Asked(fields, tuple(_items(fields.get("input"))))


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
            *_messages([*earlier, *asked.items]),
        ],
    }
    chat |= {name: fields[name] for name in _AS_IT_IS if fields.get(name) is not None}
    if fields.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = fields["max_output_tokens"]
    if tools := [*_tools(fields.get("tools"))]:
        chat["tools"] = tools
    if (choice := fields.get("tool_choice")) is not None:
        chat["tool_choice"] = _choice(choice)
    reasoning = _object_of(fields, "reasoning")
    if reasoning.get("effort") is not None:
        chat["reasoning_effort"] = reasoning["effort"]
    chat |= _text(_object_of(fields, "text"))
    if asked.streams:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return _encode(chat)


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
        if kind not in _TAKERS:
            known = ", ".join(_TAKERS)
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


_SAID = ("thinking_blocks", "reasoning_content", "extra_content")
"""What a reasoning item bears of the message that it belongs to."""


@dataclass(slots=True)
class _Conversation:
    """A chat's messages being put together: an assistant's items make one of them."""

    written: list[dict[str, Any]] = field(default_factory=list)
    turn: dict[str, Any] | None = None

    def assistant(self) -> dict[str, Any]:
        """Return the assistant's message that is being written, or begin one."""
        if self.turn is None:
            self.turn = {"role": "assistant", "content": None}
            self.written.append(self.turn)
        return self.turn

    def says(self, item: dict[str, Any], at: str) -> None:
        role = item.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise malformed(f"{at}.role", f"must be one of {', '.join(sorted(_ROLES))}")
        content = _content(item.get("content"), f"{at}.content")
        if role != "assistant":
            self.turn = None
            self.written.append({"role": role, "content": content})
            return
        turn = self.assistant()
        if turn["content"] is not None or "tool_calls" in turn:
            self.turn = None
            turn = self.assistant()
        turn["content"] = content

    def calls(self, item: dict[str, Any], at: str) -> None:
        turn = self.assistant()
        call: dict[str, Any] = {
            "id": _required(item, "call_id", at),
            "type": "function",
            "function": {
                "name": _required(item, "name", at),
                "arguments": item.get("arguments") or "{}",
            },
        }
        carried = turn.get("_carried", {})
        if call["id"] in carried:
            call["extra_content"] = carried[call["id"]]
        turn.setdefault("tool_calls", []).append(call)

    def results(self, item: dict[str, Any], at: str) -> None:
        self.turn = None
        output = item.get("output")
        result = {
            "role": "tool",
            "tool_call_id": _required(item, "call_id", at),
            "content": output
            if isinstance(output, str)
            else _content(output, f"{at}.output"),
        }
        self.written.append(result)

    def thinks(self, item: dict[str, Any], at: str) -> None:
        carried = opened(item.get("encrypted_content"))
        if carried is None:
            return
        said = {name: carried[name] for name in _SAID if name in carried}
        if said and self.turn is not None and self.turn.get("tool_calls"):
            self.turn = None
        turn = self.assistant()
        turn |= said
        turn["_carried"] = turn.get("_carried", {}) | (carried.get("calls") or {})

    def refers(self, _item: dict[str, Any], at: str) -> None:
        raise malformed(
            f"{at}.id",
            "names an item that is not kept: items are kept where the project's "
            "`retention.content_days` is more than 0 and the request that led to them "
            "did not say `store: false`. Say `store: false`, and send the items "
            "themselves",
        )

    def messages(self) -> list[dict[str, Any]]:
        for message in self.written:
            message.pop("_carried", None)
        return [
            message
            for message in self.written
            if message["role"] != "assistant"
            or message["content"] is not None
            or "tool_calls" in message
        ]


_TAKERS: Mapping[str, Callable[[_Conversation, dict[str, Any], str], None]] = {
    "message": _Conversation.says,
    "function_call": _Conversation.calls,
    "function_call_output": _Conversation.results,
    "reasoning": _Conversation.thinks,
    REFERENCE: _Conversation.refers,
}
"""What an item does, by its type."""


def _messages(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    conversation = _Conversation()
    for place, item in enumerate(items):
        take = _TAKERS[item["type"]]
        take(conversation, item, f"input[{place}]")
    return conversation.messages()


def _content(content: object, at: str) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise malformed(at, "must be text or an array of parts")
    parts = []
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        write = _PARTS.get(str(kind))
        if write is None:
            known = ", ".join(_PARTS)
            raise malformed(f"{at}[{place}].type", f"must be one of {known}")
        parts.append(write(part, f"{at}[{place}]"))
    return parts


def _input_text(part: dict[str, Any], at: str) -> dict[str, Any]:
    return {"type": "text", "text": _required(part, "text", at, may_be_empty=True)}


def _refusal(part: dict[str, Any], at: str) -> dict[str, Any]:
    return {"type": "refusal", "refusal": _required(part, "refusal", at)}


def _image(part: dict[str, Any], at: str) -> dict[str, Any]:
    if not part.get("image_url"):
        raise malformed(
            f"{at}.image_url",
            "is missing: files that one provider stores are not had elsewhere",
        )
    image = {"url": part["image_url"]}
    if part.get("detail"):
        image["detail"] = part["detail"]
    return {"type": "image_url", "image_url": image}


def _file(part: dict[str, Any], at: str) -> dict[str, Any]:
    data = part.get("file_data") or part.get("file_url")
    if not data:
        raise malformed(
            f"{at}.file_data",
            "is missing: files that one provider stores are not had elsewhere",
        )
    file = {"filename": part.get("filename") or "file.pdf", "file_data": data}
    return {"type": "file", "file": file}


def _audio(part: dict[str, Any], _at: str) -> dict[str, Any]:
    return part


_PARTS: Mapping[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "input_text": _input_text,
    "output_text": _input_text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
"""What a message's content is made of."""


def _tools(tools: object) -> Iterator[dict[str, Any]]:
    if tools is None:
        return
    if not isinstance(tools, list):
        raise malformed("tools", "must be an array")
    for place, tool in enumerate(tools):
        at = f"tools[{place}]"
        if not isinstance(tool, dict):
            raise malformed(at, "must be an object")
        if tool.get("type") != "function":
            raise malformed(
                f"{at}.type",
                "must be function: what a provider's own tools do is not had elsewhere",
            )
        function = {"name": _required(tool, "name", at)}
        function |= {
            name: tool[name]
            for name in ("description", "parameters", "strict")
            if tool.get(name) is not None
        }
        yield {"type": "function", "function": function}


def _choice(choice: object) -> Any:
    if isinstance(choice, str):
        return choice
    if isinstance(choice, dict) and choice.get("type") == "function":
        name = _required(choice, "name", "tool_choice")
        return {"type": "function", "function": {"name": name}}
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = {
            "mode": choice.get("mode", "auto"),
            "tools": [
                {"type": "function", "function": {"name": tool.get("name")}}
                for tool in choice.get("tools") or ()
                if isinstance(tool, dict)
            ],
        }
        return {"type": "allowed_tools", "allowed_tools": allowed}
    raise malformed("tool_choice", "must be auto, none, required, or name a function")


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


def _required(
    holder: dict[str, Any], name: str, at: str, *, may_be_empty: bool = False
) -> str:
    value = holder.get(name)
    if isinstance(value, str) and (value or may_be_empty):
        return value
    what = "is missing" if value in (None, "") else "must be text"
    raise malformed(f"{at}.{name}", what)
