"""Finding JSON in what a model wrote, whatever it put around it.

Models asked for JSON in words put it into a Markdown fence, introduce it, or
explain it afterwards. All of that is left out; the JSON itself is never changed.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from holdfast_executor.structured.surroundings import bare, blocks
from holdfast_executor.structured.violations import Violation

_decode = msgspec.json.Decoder().decode

_OPENING = re.compile(r"[{\[]")

_BEGUN = re.compile(r"""\{\s*"|\[\s*["{[\d-]""")
"""How JSON begins, and prose in brackets does not."""

_MOST_OPENINGS = 16
"""Brackets that are tried as the beginning: prose holds a few, and each costs a
reading of the rest."""

_MOST_BLOCKS = 16
"""Fenced blocks of one text: what holds more is a document, and no answer."""

MOST_DEPTH = 100
"""Of an answer. What needs more is no data for a program."""


class NoJsonError(Exception):
    """A text holds no JSON.

    Attributes:
        message: Why, with nothing of the text in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def values(text: str) -> Iterator[tuple[str, Any]]:
    """Give what may be the answer, the likeliest first: its JSON text and its value.

    Raises:
        NoJsonError: There is none at all.
    """
    whole = bare(text)
    try:
        value = _read(whole)
    except NoJsonError as error:
        fault = error
    else:
        yield whole, value
        return
    inner: NoJsonError | None = None
    seen = False
    for candidate in _within(whole):
        try:
            value = _read(candidate)
        except NoJsonError as error:
            # What was meant to be the JSON tells more than the words before it.
            inner = inner or error
            continue
        seen = True
        yield candidate, value
    if not seen:
        raise inner or fault


def chosen(
    fitting: Sequence[tuple[str, Any]], wrong: tuple[Violation, ...]
) -> str | tuple[Violation, ...]:
    """Say which of the texts is the answer, or what is wrong.

    Args:
        fitting: Those that fit, each with its value.
        wrong: What is wrong with the likeliest of the others.
    """
    if not fitting:
        return wrong
    if any(value != fitting[0][1] for _, value in fitting):
        # Which one was meant is a guess.
        return (Violation("", "json", "there is more than one answer in it"),)
    return fitting[0][0]


def none_in_it(error: NoJsonError) -> tuple[Violation, ...]:
    """Say that a text holds no JSON."""
    return (Violation("", "json", f"it is no JSON: {error.message}"),)


def _within(text: str) -> Iterator[str]:
    """Give the parts of a text that may be JSON on their own."""
    fenced = list(itertools.islice(blocks(text), _MOST_BLOCKS + 1))
    if len(fenced) > _MOST_BLOCKS:
        return
    yield from fenced
    places = 0
    at = 0
    while places < _MOST_OPENINGS and (found := _OPENING.search(text, at)):
        places += 1
        at = found.start()
        end = _end(text, at)
        if end is not None:
            if text[at:end] not in fenced:
                yield text[at:end]
            at = end
        elif _BEGUN.match(text, at):
            # It was to be JSON. What can be read within is a part of it, and no
            # answer.
            yield text[at:]
            return
        else:
            at += 1


def _end(text: str, at: int) -> int | None:
    """Say where the JSON value that begins at a place ends; None if there is none."""
    try:
        return json.JSONDecoder().raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return None


def _read(text: str) -> Any:
    try:
        return _decode(text)
    except msgspec.DecodeError as error:
        raise NoJsonError(str(error)) from None
    except (ValueError, RecursionError):
        raise NoJsonError("it is no Unicode text, or nested too deeply") from None


def depth(value: Any) -> int:
    """Say how deeply a value is nested: 1 for one that holds no other."""
    level = 1
    holding = [value]
    while holding := [
        within
        for each in holding
        if isinstance(each, (dict, list))
        for within in (each.values() if isinstance(each, dict) else each)
        if isinstance(within, (dict, list))
    ]:
        level += 1
    return level
