"""What a chat request needs of the deployment that answers it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from holdfast.model import Capability, Requirements
from holdfast_edge.chat_request import NOTHING, ChatRequest, is_list

_BYTES_PER_TOKEN = 4
"""English text in the tokenizers in use runs to about four bytes a token."""

_ESCAPE_BYTES = 4
"""How many of the six bytes of `\\uXXXX` are only a way of writing."""

_SAMPLE_BYTES = 4_096
"""How much of a long body is searched for escapes: an estimate needs no more."""

_INT32_MAX = 2**31 - 1


_CACHE_MARK = b'"ttl"'
_RETENTION_MARK = b'"prompt_cache_retention"'
_CACHE_SPAN = re.compile(
    rb'"(?:ttl|prompt_cache_retention)"[ \t\r\n]*:[ \t\r\n]*"([1-9][0-9]?)([mh])"'
)
_UNITS_S = {b"m": 60, b"h": 3_600}


@dataclass(frozen=True, slots=True)
class _Medium:
    """A kind of message part that is no text.

    Attributes:
        tokens: What one is counted as. A low figure: a deployment is left out
            when it is surely too small, not when it may be.
    """

    capability: Capability
    tokens: int


_MEDIA = {
    # A square image of 1024 pixels takes 765 tokens with OpenAI's models.
    "image_url": _Medium(Capability.IMAGE_INPUT, 765),
    # Ten tokens a second with OpenAI's models: ten seconds.
    "input_audio": _Medium(Capability.AUDIO_INPUT, 100),
    # Anthropic counts 1,500 to 3,000 a page: one page.
    "file": _Medium(Capability.PDF_INPUT, 1_500),
    # Some 260 tokens a second with Gemini models: ten seconds.
    "video_url": _Medium(Capability.VIDEO_INPUT, 2_600),
}
"""By a part's `type`, which is also the field that holds it."""


class _Part(msgspec.Struct):
    """One part of a message's content."""

    type: str = ""
    image_url: msgspec.Raw = NOTHING
    input_audio: msgspec.Raw = NOTHING
    file: msgspec.Raw = NOTHING
    video_url: msgspec.Raw = NOTHING


_decode_parts = msgspec.json.Decoder(list[_Part]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_part = msgspec.json.Decoder(_Part).decode


def requirements(
    chat: ChatRequest, body: bytes, needs: frozenset[Capability] = frozenset()
) -> Requirements:
    """Say what a chat needs, with an estimate of its tokens.

    Args:
        chat: What was read of it.
        body: All of it.
        needs: What it needs beside what it shows.
    """
    capabilities: set[Capability] = set(needs)
    if chat.tools or chat.functions:
        capabilities.add(Capability.TOOLS)
    text_bytes = len(body) - _ESCAPE_BYTES * _escapes(body)
    media_tokens = 0
    for message in chat.messages:
        for part in _parts(message.content):
            medium = _MEDIA.get(part.type)
            if medium is not None:
                capabilities.add(medium.capability)
                media_tokens += medium.tokens
                text_bytes -= len(getattr(part, part.type))
    asked_for = chat.max_completion_tokens or chat.max_tokens or 0
    return Requirements(
        capabilities=frozenset(capabilities),
        input_tokens=min(
            _INT32_MAX, max(0, text_bytes) // _BYTES_PER_TOKEN + media_tokens
        ),
        output_tokens=max(0, min(_INT32_MAX, asked_for)),
        prompt_cache_s=prompt_cache_s(body),
        choice_count=max(1, min(_INT32_MAX, chat.n or 1)),
    )


def prompt_cache_s(body: bytes) -> int:
    """Say how long a prompt is to be cached, in seconds; zero if it is not said.

    By Anthropic's `cache_control.ttl` or OpenAI's `prompt_cache_retention`. Looked
    for in the bytes: a text that speaks of them makes a session's binding live
    longer, and no more.
    """
    if _CACHE_MARK not in body and _RETENTION_MARK not in body:
        return 0
    spans = _CACHE_SPAN.findall(body)
    return max((int(count) * _UNITS_S[unit] for count, unit in spans), default=0)


def _parts(content: msgspec.Raw) -> Iterable[_Part]:
    """Read the parts of a content that has any: most are text and have none."""
    if not is_list(content):
        return ()
    try:
        return _decode_parts(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _well_formed_parts(content)


def _well_formed_parts(content: msgspec.Raw) -> Iterator[_Part]:
    """Read what is a part; what is none is for the provider to refuse."""
    for raw in _decode_list(content):
        try:
            yield _decode_part(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue


def _escapes(body: bytes) -> int:
    """Estimate from a sample how many characters are written as escapes."""
    if len(body) <= _SAMPLE_BYTES:
        return body.count(b"\\u")
    start = (len(body) - _SAMPLE_BYTES) // 2
    found = body.count(b"\\u", start, start + _SAMPLE_BYTES)
    return found * len(body) // _SAMPLE_BYTES
