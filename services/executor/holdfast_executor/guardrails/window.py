"""A text that comes in pieces: what may yet become a match is held back."""

from collections.abc import Sequence

from holdfast_executor.guardrails.search import (
    LONGEST_MATCH,
    Found,
    Hit,
    Watch,
    whole,
)
from holdfast_executor.guardrails.texts import read_text

_SEEN = 4
"""Bytes before a place that a search sees: the longest character."""


class Window:
    """One text of a streamed answer, on its way through the guardrails."""

    def __init__(self, watch: Watch, found: Found, before: str = "") -> None:
        """Begin with nothing held.

        Args:
            watch: What is looked for.
            found: Where it is counted.
            before: What the text goes on from, as the caller has it.
        """
        self._watch = watch
        self._found = found
        self._before = before[-_SEEN:].encode()[-_SEEN:]
        self._held = b""

    def feed(self, text: str) -> str:
        """Take the next piece and return what can be passed on."""
        self._held += text.encode(errors="replace")
        return self._released(is_end=False)

    def finish(self) -> str:
        """Take the end of the text and return the rest of it."""
        return self._released(is_end=True)

    def _released(self, *, is_end: bool) -> str:
        text = self._before + self._held
        start = len(self._before)
        # What is held is looked at anew each time, and is short.
        hits = self._watch.hits(text, start, Found())
        until = len(text)
        if not is_end:
            until = _uncut(hits, self._watch.decided_until(text, start), len(text))
            if len(text) - until > LONGEST_MATCH:
                until = _cut(text, hits, len(text) - LONGEST_MATCH)
        decided = [hit for hit in hits if hit.end <= until]
        self._found.note(decided)
        self._held = text[until:]
        self._before = text[max(0, until - _SEEN) : until]
        return self._watch.redacted(text, start, until, decided).decode(
            errors="replace"
        )


class Whole:
    """A text that is of use only whole, as a tool call's arguments are.

    It is JSON, and stays it: only its end shows what is a number and what a text.
    """

    def __init__(self, watch: Watch, found: Found) -> None:
        """Begin with nothing held."""
        self._watch = watch
        self._found = found
        self._held: list[str] = []

    def feed(self, text: str) -> str:
        """Take the next piece and hold it."""
        self._held.append(text)
        return ""

    def finish(self) -> str:
        """Take the end of the text and return all of it."""
        text = "".join(self._held).encode(errors="replace")
        self._held.clear()
        return read_text(text, self._watch.reader(self._found)).decode(errors="replace")


def _uncut(hits: Sequence[Hit], until: int, end: int) -> int:
    """Draw back to where no match is cut in two, or may go on.

    Args:
        hits: In the order of the text.
        until: Up to where it is decided else.
        end: Of the text.
    """
    for hit in reversed(hits):
        if hit.start < until and (hit.end > until or hit.end == end):
            until = hit.start
    return until


def _cut(text: bytes, hits: Sequence[Hit], until: int) -> int:
    """Go on to where no match is cut in two."""
    until = whole(text, until)
    for hit in hits:
        if hit.start < until < hit.end:
            until = hit.end
    return until
