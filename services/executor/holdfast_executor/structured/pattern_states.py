"""How many states a pattern has, which is what each character of a text may cost."""

import re

_QUANTIFIER = re.compile(r"\{(\d{1,6})(?:,(\d{0,6}))?\}")
_ENDLESS = re.compile(r"\{\d{7}")

_PROPERTY = re.compile(r"\\[pP](?:\{[^}]*\}|.)")

_PROPERTY_STATES = 300
"""Of a class of Unicode such as `\\p{L}`, whose characters begin with so many bytes."""

_ANY_STATES = 4
"""Of any character: it has up to four bytes."""

_ENDLESS_STATES = 1_000_000
"""Of a repetition that no engine compiles anyway."""


def states_of(pattern: str) -> int:
    """Say how many states a pattern has, about and rather too many."""
    sums = [0]
    last = 0
    at = 0
    while at < len(pattern):
        char = pattern[at]
        width, size = 1, 1
        if char == "\\":
            found = _PROPERTY.match(pattern, at)
            width = found.end() - at if found else 2
            size = _PROPERTY_STATES if found else 1
        elif char == ".":
            size = _ANY_STATES
        elif char == "[":
            width = _class_width(pattern, at)
            size = _class_states(pattern[at : at + width])
        elif char == "(":
            sums.append(0)
            size = 0
        elif char == ")" and len(sums) > 1:
            size = sums.pop()
        elif char == "{" and (found := _QUANTIFIER.match(pattern, at)):
            width = found.end() - at
            size = last * max(0, int(found[2] or found[1]) - 1)
        elif char == "{" and _ENDLESS.match(pattern, at):
            size = _ENDLESS_STATES
        sums[-1] += size
        last = size
        at += width
    return sum(sums) + 1


def _class_states(written: str) -> int:
    is_narrow = written.isascii() and not written.startswith("[^")
    properties = len(_PROPERTY.findall(written))
    return (1 if is_narrow else _ANY_STATES) + properties * _PROPERTY_STATES


def _class_width(pattern: str, at: int) -> int:
    end = at + 1
    while end < len(pattern) and pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    return end + 1 - at
