"""Finding what the guardrails of one stage look for, in any text, in bounded time.

Texts are bytes of UTF-8: that is what RE2 reads, and what bodies are made of.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from holdfast.errors import PlanRefusedError
from holdfast.guardrails import guardrail_fault
from holdfast.guardrails.patterns import (
    Expression,
    PatternError,
    compiled,
    first_bytes,
    inline,
)
from holdfast.guardrails.presets import PRESETS
from holdfast.guardrails.validity import Accepts, anything
from holdfast.model import Guardrail, GuardrailResult
from holdfast_executor.guardrails.texts import Read

LONGEST_MATCH = 8_192
"""Bytes. What is longer need not be found: the longest that people mean is a private
key, of 3 KB or 6. A limit is needed for a stream, which cannot be held for ever."""

WINDOW = 256
"""Bytes of a stream that are held back for a pattern of one's own, from the first of
them that a match may begin with: nobody can tell what it would match if the text went
on. Some 60 tokens, which is a second of a stream."""

_SLICE = 2 * LONGEST_MATCH
"""Of a text that are looked into at a time. A search reads on as far as a match may
reach, and the next one reads that again: this bounds how much."""

_PLACES = 200_000
"""Of one body that are looked at one by one, in a second. More numbers than that are
an attack, and the rest of a text in which there are more counts as one match."""

_MATCH_PLACES = 10
"""What a match counts for among them: a search for the next one begins anew."""

_CACHED = 256


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found.

    Attributes:
        by: The place of its guardrail among those of the stage.
        kind: The preset or pattern that found it.
    """

    start: int
    end: int
    by: int
    kind: str


@dataclass(slots=True)
class Found:
    """What was found so far, never the text.

    Attributes:
        counts: By a guardrail's place and what found it.
        places: How many more are looked at one by one.
    """

    counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    places: int = _PLACES

    def note(self, hits: Sequence[Hit]) -> None:
        """Count what was found."""
        for hit in hits:
            self.counts[hit.by, hit.kind] += 1


@dataclass(frozen=True, slots=True)
class _Finder:
    """One preset or pattern of one guardrail."""

    by: int
    kind: str
    expression: Expression
    accepts: Accepts = anything

    def hits(self, text: bytes, start: int, found: Found) -> Iterator[Hit]:
        """Find every match from a place on, none within another."""
        while (span := _search(self.expression, text, start)) is not None:
            begin, end = span
            found.places -= 1
            if found.places < 0:
                yield Hit(begin, len(text), self.by, self.kind)
                return
            accepted = self.accepts(text, begin, end) if begin < end else 0
            if accepted > begin:
                found.places -= _MATCH_PLACES
                yield Hit(begin, accepted, self.by, self.kind)
                start = accepted
            else:
                start = _after(text, begin)
            if start >= len(text):
                return


def _search(expression: Expression, text: bytes, start: int) -> tuple[int, int] | None:
    """Find the first match from a place on, reading no further than it must."""
    while True:
        stop = start + _SLICE
        if stop >= len(text):
            match = expression.search(text, start)
            return None if match is None else match.span()
        match = expression.search(text, start, stop)
        if match is None:
            start = whole(text, stop - LONGEST_MATCH)
            continue
        begin, end = match.span()
        if begin > stop - LONGEST_MATCH:
            # There was too little behind it to know how far it goes.
            start = begin
            continue
        while end >= stop - 4 and stop < len(text):
            # It goes on, and would be cut in two.
            stop += stop - begin
            longer = expression.search(text, begin, min(stop, len(text)))
            end = max(end, longer.span()[1] if longer else end)
        return begin, end


def _after(text: bytes, place: int) -> int:
    """Return where the character after the one at a place begins."""
    place += 1
    while place < len(text) and _is_within(text[place]):
        place += 1
    return place


def whole(text: bytes, place: int) -> int:
    """Return where the character that a place is in begins."""
    while 0 < place < len(text) and _is_within(text[place]):
        place -= 1
    return place


def _is_within(byte: int) -> bool:
    """Tell whether a byte goes on with a character of UTF-8."""
    return byte & 0xC0 == 0x80


class Watch:
    """All that the guardrails of one stage look for in texts.

    Attributes:
        guardrails: Those of the stage, in order.
        changes: Whether any of them may change or end an answer.
    """

    def __init__(self, guardrails: tuple[Guardrail, ...]) -> None:
        """Compile what they look for.

        Raises:
            PatternError: A pattern is none.
        """
        self.guardrails = guardrails
        self.changes = any(each.action != "flag" for each in guardrails)
        rows = [
            (by, row)
            for by, guardrail in enumerate(guardrails)
            for name in guardrail.presets
            for row in PRESETS[name]
        ]
        own = [
            (by, pattern)
            for by, guardrail in enumerate(guardrails)
            for pattern in guardrail.patterns
        ]
        self._finders = [
            *(
                _Finder(by, row.name, compiled(row.regex), row.accepts)
                for by, row in rows
            ),
            *(
                _Finder(by, each.name, compiled(each.regex, each.flags))
                for by, each in own
            ),
        ]
        self._any = _any_of(
            [row.regex for _, row in rows]
            + [inline(each.regex, each.flags) for _, each in own]
        )
        begun = "|".join(f"(?:{begun})" for begun in {row.begun for _, row in rows})
        self._begun = compiled(rf"(?:{begun})\z") if rows else None
        self._first = _first_of([first_bytes(e.regex, e.flags) for _, e in own])

    @property
    def finds(self) -> bool:
        """Whether there is anything to look for but a judge's opinion."""
        return bool(self._finders)

    def hits(self, text: bytes, start: int, found: Found) -> list[Hit]:
        """Find everything from a place on, in the order of the text."""
        if self._any is not None and not _search(self._any, text, start):
            return []
        hits = [hit for each in self._finders for hit in each.hits(text, start, found)]
        hits.sort(key=lambda hit: hit.start)
        return hits

    def decided_until(self, text: bytes, start: int) -> int:
        """Say up to where nothing that follows a text can change what is found."""
        decided = len(text)
        if self._begun is not None and (match := self._begun.search(text, start)):
            decided = match.span()[0]
        if self._first is not None:
            window = max(start, len(text) - WINDOW)
            if (first := self._first.search(text, window)) is not None:
                decided = min(decided, whole(text, first.start()))
        return max(start, decided)

    def redacted(self, text: bytes, start: int, end: int, hits: Sequence[Hit]) -> bytes:
        """Return a part of a text, with other words in place of what is redacted.

        Args:
            text: Holds the part.
            start: Where the part begins.
            end: Where it ends.
            hits: All that was found in it.
        """
        pieces: list[bytes] = []
        for hit in hits:
            guardrail = self.guardrails[hit.by]
            if guardrail.action != "redact" or hit.end <= start:
                continue
            if hit.start >= start:
                pieces += (text[start : hit.start], guardrail.replacement.encode())
            # Else it overlaps with what has been replaced already.
            start = hit.end
        return b"".join([*pieces, text[start:end]])

    def reader(self, found: Found) -> Read:
        """Return what reads the texts of a body, and counts what it finds."""

        def read(text: bytes) -> bytes | None:
            hits = self.hits(text, 0, found)
            found.note(hits)
            changed = self.redacted(text, 0, len(text), hits) if hits else text
            return None if changed == text else changed

        return read

    def results(self, stage: str, found: Found) -> list[GuardrailResult]:
        """Say which guardrails found something, and what."""
        return [
            GuardrailResult(
                each.name,
                stage,
                each.action,
                sum(many for (of, _), many in found.counts.items() if of == by),
                tuple(sorted(kind for of, kind in found.counts if of == by)),
            )
            for by, each in enumerate(self.guardrails)
            if any(of == by for of, _ in found.counts)
        ]

    def blocker(self, found: Found) -> Guardrail | None:
        """Return the first guardrail that blocks what was found, None if none does."""
        acting = {by for by, _ in found.counts}
        return next(
            (
                each
                for by, each in enumerate(self.guardrails)
                if by in acting and each.action not in {"flag", "redact"}
            ),
            None,
        )


@functools.lru_cache(_CACHED)
def watch_of(guardrails: tuple[Guardrail, ...], stage: str) -> Watch | None:
    """Return what is looked for at a stage, None if nothing is.

    Raises:
        PlanRefusedError: A guardrail cannot be enforced here: rather nothing is
            answered than that one is passed over.
    """
    for guardrail in guardrails:
        if fault := guardrail_fault(guardrail):
            raise PlanRefusedError(
                f"Guardrail {guardrail.name!r} cannot be enforced by this executor: "
                f"its {fault[0]} {fault[1]}.",
                key_id="",
            )
    of_stage = tuple(each for each in guardrails if stage in each.applies_to)
    return Watch(of_stage) if of_stage else None


def _any_of(regexes: Sequence[str]) -> Expression | None:
    """Match where any of several would, at once. None if that is too large."""
    if not regexes:
        return None
    try:
        return compiled("|".join(f"(?:{each})" for each in dict.fromkeys(regexes)))
    except PatternError:
        return None


def _first_of(
    ranges: Sequence[tuple[int, int] | None],
) -> re.Pattern[bytes] | None:
    """Match a byte that any match may begin with."""
    if not ranges:
        return None
    span = b"".join(
        b"\\x%02x-\\x%02x" % (each if each is not None else (0, 255)) for each in ranges
    )
    return re.compile(b"[%b]" % span)
