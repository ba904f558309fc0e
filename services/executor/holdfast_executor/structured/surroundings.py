"""What models put around what they were asked for: fences, thoughts, the unseen."""

import re
from collections.abc import Iterator

_INVISIBLE = " \t\r\n\ufeff\u200b\u2060"
"""What stands before or after an answer unseen; a byte order mark too."""

_FENCE = re.compile(
    r"^[^\S\n]*```[^\n]*\n(.*?)(?:\n[^\S\n]*```|\Z)", re.DOTALL | re.MULTILINE
)
"""A fenced block, closed or not, whatever language it says. From the beginning of a
line, so that no text takes longer to search than it is long."""


_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
"""What some open models write before they answer, where nobody takes it out."""


def bare(text: str) -> str:
    """Take off what surrounds an answer unseen, and a thought before it."""
    text = text.strip(_INVISIBLE)
    if (thought := _THOUGHT.match(text)) is not None:
        text = text[thought.end() :].lstrip(_INVISIBLE)
    return text


def blocks(text: str) -> Iterator[str]:
    """Give what stands in the fenced blocks of a text."""
    for found in _FENCE.finditer(text):
        yield bare(found[1])
