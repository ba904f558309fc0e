"""Regular expressions that cannot hang: RE2's, within limits, on UTF-8.

RE2 reads a text once, whatever the expression, where others go back and try again
until the text, which a stranger wrote, has used up the processor. In return it has
neither look-around nor references back. The one module that knows `re2`.
"""

import functools
import re
from typing import Any, Protocol, cast

MOST_CHARACTERS = 1_000
"""Of an expression. Longer ones are lists, which read better as several patterns."""

_MOST_BYTES = 2 * 1024 * 1024
"""Of a compiled expression and of what RE2 remembers while it runs: a class of all
letters a hundred times over has 960 KB, and each pattern of each guardrail in use
takes this much at most."""

_CACHED = 256
"""Compiled expressions: half a gigabyte at the very most, and a few MB in fact."""

FLAGS = "imsx"
"""What may be said of how an expression is meant; see `holdfast.model.Pattern`."""

_UNIT = re.compile(
    r"""
    \\Q.*?(?:\\E|\Z)            # quoted: all of it is meant as it is written
    | \\.                       # escaped
    | \[\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*+\]?      # a class of characters
    | \#[^\n]* | .
    """,
    re.DOTALL | re.VERBOSE,
)
_WORD_BOUNDARIES = frozenset({r"\b", r"\B"})


class PatternError(ValueError):
    """An expression that cannot be used; the message says why."""


class Found(Protocol):
    """A match."""

    def span(self) -> tuple[int, int]:
        """Return where it begins and where it ends, in bytes."""


class Expression(Protocol):
    """A compiled expression."""

    def search(
        self, text: bytes, pos: int = 0, endpos: int | None = None
    ) -> Found | None:
        """Find the first match in a part; boundaries see what is around the part."""

    def fullmatch(self, text: bytes) -> Found | None:
        """Match a whole text."""

    def possiblematchrange(self, longest: int) -> tuple[bytes, bytes]:
        """Return texts that every match lies between, of so many bytes at most."""


@functools.lru_cache(_CACHED)
def compiled(regex: str, flags: str = "") -> Expression:
    """Compile an expression.

    Args:
        regex: In RE2's syntax.
        flags: Letters of `FLAGS`.

    Raises:
        PatternError: It cannot be.
    """
    return _compiled(inline(regex, flags))


def fault(regex: str, flags: str = "") -> str | None:
    """Say why an expression cannot be used, None if it can."""
    if len(regex) > MOST_CHARACTERS:
        return f"is longer than {MOST_CHARACTERS} characters"
    try:
        expression = compiled(regex, flags)
    except PatternError as error:
        return f"is not a regular expression of RE2: {error}"
    if expression.fullmatch(b""):
        return "matches the empty text, which is everywhere"
    return None


def first_bytes(regex: str, flags: str = "") -> tuple[int, int] | None:
    """Return the least and the greatest byte that a match may begin with.

    None if that cannot be told, or a match may begin with nearly anything.
    """
    units = [unit[0] for unit in _UNIT.finditer(regex)]
    if any(unit.startswith(r"\Q") for unit in units):
        return None
    # What RE2 says holds at the beginning of a text, where nothing comes before.
    bare = "".join("(?:)" if unit in _WORD_BOUNDARIES else unit for unit in units)
    re2 = _re2()
    try:
        least, greatest = _compiled(inline(bare, flags)).possiblematchrange(8)
    except (PatternError, re2.error):
        return None
    return (least[0], greatest[0]) if least and greatest else None


def _compiled(regex: str) -> Expression:
    re2 = _re2()
    options = re2.Options()
    options.max_mem = _MOST_BYTES
    options.log_errors = False
    # Where a match is suffices, and is found faster than what is in its groups.
    options.never_capture = True
    try:
        return cast("Expression", re2.compile(regex, options))
    except re2.error as error:
        said = error.args[0] if error.args else b""
        why = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise PatternError(why) from None


def inline(regex: str, flags: str) -> str:
    """Write an expression with its flags in it, and without the space of `x`.

    Raises:
        PatternError: A flag is none.
    """
    if unknown := sorted(set(flags) - set(FLAGS)):
        raise PatternError(f"{''.join(unknown)!r} is no flag; {FLAGS} are")
    if "x" in flags:
        units = (unit[0] for unit in _UNIT.finditer(regex))
        regex = "".join(unit for unit in units if not _is_layout(unit))
    inline = "".join(sorted(set(flags) - {"x"}))
    return f"(?{inline}){regex}" if inline else regex


def _is_layout(unit: str) -> bool:
    return unit.isspace() or unit.startswith("#")


def _re2() -> Any:
    # Not before it is needed: 8 ms and 3 MB, and most gateways have no guardrails.
    import re2  # noqa: PLC0415

    return re2
