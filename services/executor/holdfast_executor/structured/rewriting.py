"""A caller's chat as it is sent where it asks for a form: another chat each time.

In the format that the caller wrote, so that every dialect can translate it. Nothing of
the caller's own is changed.
"""

import dataclasses
from typing import Any

import msgspec

from holdfast.errors import RequestMalformedError
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import request_fields as read
from holdfast_executor.structured import instructions
from holdfast_executor.structured.violations import Unfit
from holdfast_executor.structured.wish import EXTENSIONS, Kind, Wish
from holdfast_executor.structured.xml_answer import example_of

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode

_SYSTEM = frozenset({"system", "developer"})

_MOST_SHOWN = 32_000
"""Characters of a bad answer that the model is shown: 8,000 tokens. A longer one
could take the conversation over what the model reads."""


# Each of these raises a RequestMalformedError where messages are not to be read.


def natively(chat: Chat, wish: Wish) -> Chat:
    """Leave it to the dialect to ask for the form, without what only we know."""
    if not wish.is_extended:
        return chat
    fields = _known(chat)
    wanted = _decode(fields["response_format"])
    if wish.kind is not Kind.XML and isinstance(wanted.get("json_schema"), dict):
        wanted["json_schema"].pop("via", None)
    fields["response_format"] = msgspec.Raw(_encode(wanted))
    return _made(chat, fields)


def in_words(chat: Chat, wish: Wish) -> Chat:
    """Ask for the form at the end of the system prompt."""
    fields = _known(chat)
    del fields["response_format"]
    messages = _messages(chat)
    told = _instruction(wish)
    place = _system_end(messages)
    if place is None:
        messages.insert(0, _message("system", told))
    else:
        messages[place] = _with(messages[place], told)
    fields["messages"] = _array(messages)
    return _made(chat, fields)


def corrected(chat: Chat, wish: Wish, bad: Unfit) -> Chat:
    """Show the model its answer and what is wrong with it.

    Args:
        chat: As it was asked before, `natively` or `in_words`.
        wish: What was asked for.
        bad: The answer. Nothing is shown of one that is empty or very long, and
            the same is asked once more.
    """
    if not bad.text.strip() or len(bad.text) > _MOST_SHOWN:
        return chat
    messages = _messages(chat)
    text = bad.text
    if (begun := begun_by_caller(chat)) is not None:
        messages.pop()
        text = text if text.startswith(begun) else begun + text
    what = "XML" if wish.kind is Kind.XML or wish.via_xml else "JSON"
    messages += (
        _message("assistant", text),
        _message("user", instructions.correction(bad.violations, what)),
    )
    return _made(chat, {**chat.fields, "messages": _array(messages)})


def begun_by_caller(chat: Chat) -> str | None:
    """Return the beginning of the answer that the caller has written, if any."""
    messages = _messages(chat)
    try:
        last = _read(messages[-1]) if messages else {}
    except RequestMalformedError:
        return None
    if last.get("role") != "assistant":
        return None
    content = last.get("content")
    return content if isinstance(content, str) and not last.get("tool_calls") else None


def _instruction(wish: Wish) -> str:
    if wish.kind is Kind.XML:
        return instructions.xml(wish.root, wish.schema.decode())
    if wish.via_xml:
        example = example_of(wish.parsed)
        return instructions.by_way_of_xml(wish.schema.decode(), example)
    if wish.kind is Kind.SCHEMA:
        return instructions.json_schema(wish.parsed)
    return instructions.JSON_OBJECT


def _known(chat: Chat) -> dict[str, msgspec.Raw]:
    """Return the fields that are not the gateway's own."""
    return {name: raw for name, raw in chat.fields.items() if name not in EXTENSIONS}


def _messages(chat: Chat) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _decode_items(chat.fields["messages"])]
    except (KeyError, msgspec.DecodeError):
        return []


def _system_end(messages: list[bytes]) -> int | None:
    """Say which message is the last of the system prompt; None if there is none."""
    place = None
    for number, raw in enumerate(messages):
        if _read(raw).get("role") not in _SYSTEM:
            break
        place = number
    return place


def _with(raw: bytes, told: str) -> bytes:
    """Add an instruction to a message."""
    message = _read(raw)
    content = message.get("content")
    if isinstance(content, list):
        content = [*content, {"type": "text", "text": told}]
    elif content:
        content = f"{content}\n\n{told}"
    else:
        content = told
    return _encode({**message, "content": content})


def _read(raw: bytes) -> dict[str, Any]:
    try:
        return read.mapping(_decode(raw), "messages")
    except (ValueError, RecursionError) as error:
        raise read.malformed(
            "messages", "an array of Unicode text that is not nested too deeply"
        ) from error


def _message(role: str, content: str) -> bytes:
    return _encode({"role": role, "content": content})


def _array(items: list[bytes]) -> msgspec.Raw:
    return msgspec.Raw(b"[" + b",".join(items) + b"]")


def _made(chat: Chat, fields: dict[str, msgspec.Raw]) -> Chat:
    made = Chat.parse(_encode(fields), translated=chat.translated)
    return dataclasses.replace(made, media=chat.media)
