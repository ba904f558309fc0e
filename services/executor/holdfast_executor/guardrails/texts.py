"""The texts of a JSON body, each rewritten in its place while the rest keeps its bytes.

Every string is a text but those that the APIs give a meaning of their own, so that
what nobody here has heard of is looked into too. A body is read token by token: a
name that stands twice, of which a provider may take either, hides nothing.
"""

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import msgspec

Read = Callable[[bytes], bytes | None]
"""Takes a text; returns what is to stand in its place, None to leave it."""

_TOKEN = re.compile(
    rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"([ \t\r\n]*+:)?'
    rb"|([\[{])|([\]}])|(-?[0-9][0-9.eE+-]*+)",
    re.DOTALL,
)
_TEXT, _NAME, _OPEN, _CLOSE, _NUMBER = range(1, 6)
"""What a token is, by the last group that has matched."""

_WORDS = (
    "call_id detail effort encoding_format encrypted_content finish_reason "
    "format function_call id input_type issuer media_type mime_type modalities model "
    "object reasoning_effort required role service_tier signature status stop_reason "
    "system_fingerprint task_type thought_signature tool_call_id tool_choice "
    "truncation ttl type verbosity $ref"
)
WORDS = frozenset(_WORDS.split())
"""Members whose value is a word of an API, a name that others refer to, or a seal, if
there is no space in it: what nobody here has heard of may call a text so."""

_SPACE = re.compile(rb"\s|\\[nrt]")

_NAME_OF = frozenset({"messages"})
"""Of whose objects `name` is a text: it says who speaks. Elsewhere it names a tool."""

_FREE = frozenset({"arguments", "args", "input", "metadata"})
"""Objects whose members are the caller's or the model's own, and mean nothing to an
API. `input` is one only within a message: a request's own is what is asked."""

_UNREAD = frozenset({"logprobs", "top_logprobs"})
"""What says again what stands elsewhere, in pieces."""

_BINARY = re.compile(rb"(?:data:[^,]{0,200};base64,)?[A-Za-z0-9+/=_\\-]*+")
_BINARIES = frozenset({"b64_json", "data", "file_data", "image_url", "url"})
_LEAST_BINARY = 64
"""Characters of what is taken for a file, where it stands in a file's place and looks
like one: shorter ones are words."""

_LEAST_NUMBER = 8
"""Digits of a number that may be somebody's."""

_DEEPEST = 3
"""JSON in a text, in JSON in a text: tools' answers quote one another."""

_encode = msgspec.json.Encoder().encode
_decode_text = msgspec.json.Decoder(str).decode


def rewritten(
    body: bytes, read: Read, *, leaving_out: Collection[str] = (), nested: bool = True
) -> bytes:
    """Have every text of a body read, and return it with those that were changed.

    Args:
        body: JSON.
        read: Takes each text.
        leaving_out: Members of the body that are not read.
        nested: Whether JSON within a text is read as such.
    """
    depth = 0 if nested else _DEEPEST
    return _rewritten(body, read, _Place(leaving_out), depth)


def read_text(text: bytes, read: Read) -> bytes:
    """Have one text read that may be JSON itself, and return what becomes of it."""
    changed = _read(text, read, 0)
    return text if changed is None else changed


def is_word(name: object, within: object, text: bytes) -> bool:
    """Tell whether a member's value is no text.

    Args:
        name: The member's.
        within: The name of the object that it is in; that of the list, for an item.
        text: The value.
    """
    if name == "name":
        return within not in _NAME_OF
    if name == "data" and within == "audio":
        return True
    return name in WORDS and _SPACE.search(text) is None


def is_binary(name: object, text: bytes) -> bool:
    """Tell whether a member's value is a file rather than a text."""
    is_uri = text.startswith(b"data:")
    if not is_uri and (name not in _BINARIES or len(text) < _LEAST_BINARY):
        return False
    return _BINARY.fullmatch(text) is not None


class _Place:
    """Where in a body a token is, as far as that says whether it is a text."""

    __slots__ = ("_free_at", "_leaving_out", "_names", "_unread_at", "name")

    def __init__(
        self, leaving_out: Collection[str] = (), *, is_free: bool = False
    ) -> None:
        self._leaving_out = leaving_out
        self._names: list[str] = []
        self._free_at = 0 if is_free else -1
        self._unread_at = -1
        self.name = ""

    @property
    def is_free(self) -> bool:
        """Whether names and numbers are as good as texts here."""
        return self._free_at >= 0 and self._unread_at < 0

    def open(self) -> None:
        """Go into an object or a list."""
        depth = len(self._names)
        name = self.name
        self._names.append(name)
        if self._free_at < 0 and name in _FREE and (depth > 2 or name == "metadata"):
            self._free_at = depth
        is_left_out = depth == 1 and name in self._leaving_out
        if self._unread_at < 0 and (name in _UNREAD or is_left_out):
            self._unread_at = depth

    def close(self) -> None:
        """Leave it."""
        if not self._names:
            return
        self.name = self._names.pop()
        depth = len(self._names)
        if self._free_at == depth and depth:
            self._free_at = -1
        if self._unread_at == depth:
            self._unread_at = -1

    def has_text(self, raw: bytes) -> bool:
        """Tell whether a string here is a text."""
        if self._unread_at >= 0:
            return False
        if self._free_at >= 0:
            return True
        name = self.name
        if len(self._names) == 1 and name in self._leaving_out:
            return False
        within = self._names[-1] if self._names else ""
        return not is_word(name, within, raw) and not is_binary(name, raw)


def _rewritten(body: bytes, read: Read, place: _Place, depth: int) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for token in _TOKEN.finditer(body):
        kind = token.lastindex
        changed = None
        start, end = token.start(), token.end()
        if kind == _OPEN:
            place.open()
        elif kind == _CLOSE:
            place.close()
        elif kind == _TEXT:
            if place.has_text(token[1]):
                changed = _read(_decoded(token[1]), read, depth)
        elif kind == _NAME:
            place.name = token[1].decode(errors="replace")
            end = token.end(1) + 1
            if place.is_free:
                changed = read(_decoded(token[1]))
        elif place.is_free and end - start >= _LEAST_NUMBER:
            changed = read(token[0])
        if changed is not None:
            pieces += (body[at:start], _encode(changed.decode(errors="replace")))
            at = end
    return b"".join([*pieces, body[at:]]) if pieces else body


def _read(text: bytes, read: Read, depth: int) -> bytes | None:
    """Have a text read, as JSON if it is that; None if nothing changes."""
    if depth < _DEEPEST and _is_json(text):
        changed = _rewritten(text, read, _Place(is_free=True), depth + 1)
        return None if changed == text else changed
    return read(text)


def _is_json(text: bytes) -> bool:
    trimmed = text.strip()
    if trimmed[:1] + trimmed[-1:] not in {b"{}", b"[]"}:
        return False
    try:
        msgspec.json.decode(trimmed)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _decoded(raw: bytes) -> bytes:
    """Return what a JSON string says, in UTF-8."""
    if b"\\" not in raw:
        return raw
    try:
        return _decode_text(b'"' + raw + b'"').encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Half a character, which JSON may hold and UTF-8 may not; or no JSON at all,
        # which whoever parses the body will say.
        with contextlib.suppress(ValueError):
            text: str = json.loads(b'"' + raw + b'"', strict=False)
            return text.encode(errors="replace")
        return raw


Path = tuple[str | int, ...]
"""Where in a value a text is: members by name, items by their `index` or place."""


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Any, Any, Path]]:
    """Find every text in a value: what holds it, under which key, and its path."""
    within = next((each for each in reversed(path) if isinstance(each, str)), "")
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(items):
        if isinstance(each, str):
            name = key if isinstance(key, str) else within
            text = each.encode()
            if text and not (is_word(name, within, text) or is_binary(name, text)):
                yield value, key, (*path, key)
        elif isinstance(each, dict | list) and key not in _UNREAD:
            yield from leaves(each, (*path, place_of(each, key)))


def place_of(item: Any, key: str | int) -> str | int:
    """Say where an item belongs: a stream's lists come one item at a time."""
    if isinstance(key, int) and isinstance(item, dict):
        index = item.get("index")
        return index if isinstance(index, int) else key
    return key
