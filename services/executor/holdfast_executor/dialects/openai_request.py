"""A caller's request for an OpenAI-compatible provider: its bytes, two values changed.

What only another model's provider can read is left out of the history
(`openai_history`). Everything else goes through byte for byte, so that what nobody
here has heard of works, and what a provider caches by prefix stays the same.
"""

import re
from collections.abc import Mapping

import msgspec

from holdfast.model import Deployment
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.openai_history import own_history
from holdfast_executor.dialects.openai_translated import openai_fields

_KEY = re.compile(rb'[ \t\r\n]*[{,][ \t\r\n]*"(?:[^"\\]|\\.)*+"[ \t\r\n]*:[ \t\r\n]*')
_END = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*")
_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_TRUE = msgspec.Raw(b"true")


def request_body(chat: Chat, deployment: Deployment) -> bytes:
    """Write the provider's name of the model, and ask a stream for its usage."""
    changed = {"model": _encode(deployment.provider_model)}
    if chat.stream and not chat.include_usage:
        options = chat.fields.get("stream_options", b"null")
        changed["stream_options"] = _with_usage(bytes(options))
    if chat.translated:
        return openai_fields(chat, deployment, changed)
    if (messages := own_history(chat, deployment.model_id)) is not None:
        changed["messages"] = messages
    places = _places(chat.body, chat.fields)
    if places is None or "model" not in places:
        raw = {name: msgspec.Raw(value) for name, value in changed.items()}
        return _encode({**chat.fields, **raw})
    return _spliced(chat.body, places, changed)


def _with_usage(options: bytes) -> bytes:
    members = _decode_object(options) if options.startswith(b"{") else {}
    return _encode({**members, "include_usage": _TRUE})


def _places(
    body: bytes, fields: Mapping[str, msgspec.Raw]
) -> dict[str, tuple[int, int]] | None:
    """Find where each top-level value begins and ends.

    Keys are matched one by one, and values, however long, skipped by their
    length. None if that does not come out even: a key that stands twice.
    """
    places = {}
    at = 0
    for name, raw in fields.items():
        key = _KEY.match(body, at)
        value = memoryview(raw)
        if key is None or not body.startswith(value, key.end()):
            return None
        at = key.end() + len(value)
        places[name] = (key.end(), at)
    return places if _END.fullmatch(body, at) else None


def _spliced(
    body: bytes, places: Mapping[str, tuple[int, int]], changed: Mapping[str, bytes]
) -> bytes:
    end = max(end for _, end in places.values())
    edits = [
        (*places[name], value)
        if name in places
        else (end, end, b"," + _encode(name) + b":" + value)
        for name, value in changed.items()
    ]
    pieces: list[bytes] = []
    at = 0
    for start, stop, value in sorted(edits):
        pieces += (body[at:start], value)
        at = stop
    pieces.append(body[at:])
    return b"".join(pieces)
