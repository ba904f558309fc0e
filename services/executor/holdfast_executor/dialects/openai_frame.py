"""What the events of a stream have in common while nothing but their text changes.

Of a hundred events of an answer, some ninety-seven are copies of one another but for
a few letters. Once one has been read, those that follow are known by their bytes,
and rewritten by exchanging what surrounds the letters. An event that differs in
anything else (a finish reason, usage, an error, a call of a tool) is none of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode

_TEXTS = ("content", "reasoning_content", "reasoning")
"""Members of a delta that are text."""

_MORE_THAN_TEXT = ("tool_calls", "function_call", "audio", "refusal")
"""Members of a delta that mean more than to be passed on."""

_PADDING = "obfuscation"
"""Of a length by chance in each of OpenAI's events, so that the size of one does not
tell how long its text is."""

_PROBES = (b'"<\\u0001text>"', b'"<\\u0001padding>"')
"""What is put in place of a string to see that nothing else changes."""

_MOST_PLACES = 8
"""Where a string is looked for in an event: one letter may be found anywhere."""

_QUOTE = ord('"')

Pieces = Sequence[bytes]
"""An event, cut where its strings were: two pieces around one, three around two."""


class Frame:
    """The bytes around the strings of a stream's events, theirs and ours."""

    __slots__ = (
        "_between",
        "_first",
        "_last",
        "_our_first",
        "_our_last",
        "_our_seam",
        "_their_seam",
    )

    def __init__(self, theirs: Pieces, ours: Pieces) -> None:
        """Rewrite events that are cut like one into those cut like the other.

        Args:
            theirs: Without the empty line after the event.
            ours: With it.
        """
        self._first, *between, self._last = theirs
        self._their_seam = self._last + b"\n\n" + self._first
        self._our_first, *ours_between, self._our_last = ours
        self._our_seam = self._our_last + self._our_first
        self._between = (between[0], ours_between[0]) if between else None

    def rewritten(self, events: bytes) -> bytes | None:
        """Rewrite events if each of them has this frame; return None if one has not.

        Args:
            events: One or several, with an empty line between each two.
        """
        first, last = self._first, self._last
        if not (events.startswith(first) and events.endswith(last)):
            return None
        # All that is left must be JSON strings. Those hold no quotation mark that
        # is not escaped, and the frame does, so that it is not found within one.
        varying = events[len(first) : -len(last)].split(self._their_seam)
        if self._between is None:
            strings = varying
        else:
            theirs, ours = self._between
            pairs = [both.partition(theirs) for both in varying]
            strings = [one for a, _, b in pairs for one in (a, b)]
            varying = [a + ours + b for a, _, b in pairs]
        try:
            for string in strings:
                _text(string)
                # Space around a string is JSON too, but may end a line.
                if string[0] != _QUOTE or string[-1] != _QUOTE:
                    return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return self._our_first + self._our_seam.join(varying) + self._our_last


class _Choice(msgspec.Struct):
    delta: dict[str, Any]
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None
    obfuscation: str | None = None


_decode_chunk = msgspec.json.Decoder(_Chunk).decode

_Path = tuple[str | int, ...]


def frame_of(data: bytes, rewrite: Callable[[bytes], bytes | None]) -> Frame | None:
    """Find the frame of an event. None if it has none, or more to say than text.

    It is proven, not guessed: with another string in the place of the text, the
    event has another text and is the same otherwise, as it came and as we write it.

    Args:
        data: What an event holds, of a choice that has begun and has not ended.
        rewrite: Makes our event of it.
    """
    probed = data
    probes: list[bytes] = []
    for path, probe in zip(_varying(data), _PROBES, strict=False):
        found = _with(probe, probed, path)
        if found is None:
            return None
        probed = found
        probes.append(probe)
    ours = rewrite(probed) if probes and b"\n" not in data else None
    if ours is None:
        return None
    probes.sort(key=probed.index)
    their_pieces = _cut(b"data: " + probed, probes)
    our_pieces = _cut(ours, probes)
    if their_pieces is None or our_pieces is None:
        return None
    return Frame(their_pieces, our_pieces)


def _varying(data: bytes) -> list[_Path]:
    """Say where an event has strings that the next one has otherwise."""
    try:
        chunk = _decode_chunk(data)
    except msgspec.DecodeError:
        return []
    if chunk.usage is not None or len(chunk.choices) != 1:
        return []
    choice = chunk.choices[0]
    delta = choice.delta
    if choice.finish_reason or any(delta.get(name) for name in _MORE_THAN_TEXT):
        return []
    texts = [n for n in _TEXTS if delta.get(n) and isinstance(delta[n], str)]
    if not texts:
        return []
    text: _Path = ("choices", 0, "delta", texts[0])
    return [text, (_PADDING,)] if chunk.obfuscation else [text]


def _with(probe: bytes, data: bytes, path: _Path) -> bytes | None:
    """Put a probe in the place of a string, if it can be found."""
    wanted = holder = _decode(data)
    literal = data
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = _decode(probe)
    for key in path:
        inner = _items(literal)[key] if isinstance(key, int) else _members(literal)[key]
        literal = bytes(inner)
    start = -1
    for _ in range(_MOST_PLACES):
        start = data.find(literal, start + 1)
        if start < 0:
            break
        tried = data[:start] + probe + data[start + len(literal) :]
        if _means(tried, wanted):
            return tried
    return None


def _means(data: bytes, wanted: object) -> bool:
    try:
        return bool(_decode(data) == wanted)
    except msgspec.DecodeError:
        return False


def _cut(text: bytes, probes: Sequence[bytes]) -> Pieces | None:
    """Cut a text where probes are: each once, and in this order."""
    pieces = []
    rest = text
    for probe in probes:
        if text.count(probe) != 1:
            return None
        piece, found, rest = rest.partition(probe)
        if not found:
            return None
        pieces.append(piece)
    return [*pieces, rest]
