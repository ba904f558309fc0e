"""Answers without the form that was asked for, as models give them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from holdfast_cli.demo.prompt import Answer, Prompt, asks_for_form

_ROOT = re.compile(r"^<([\w.-]+)")


def _fenced(text: str) -> str:
    return f"```{'xml' if _is_xml(text) else 'json'}\n{text}\n```"


def _in_prose(text: str) -> str:
    return f"Of course, here it is: {text}\nIs there anything else?"


def _broken(text: str) -> str:
    return text[: max(1, len(text) // 2)]


def _misfit(text: str) -> str:
    """Give XML another root, and put JSON into a list: neither is what was asked."""
    if not _is_xml(text):
        return f"[{text}]"
    size = len(_ROOT.findall(text)[0])
    return f"<other{text[1 + size : -1 - size]}other>"


def _is_xml(text: str) -> bool:
    return text.startswith("<")


WAYS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "fenced": _fenced,
        "prose": _in_prose,
        "broken": _broken,
        "misfit": _misfit,
    }
)
"""What becomes of the JSON or XML of an answer. The first two can be repaired."""


def unfit(prompt: Prompt, answer: Answer, way: str) -> Answer:
    """Return an answer that is not as it was to be, if it was to be of a form.

    Args:
        prompt: What was asked.
        answer: What would be right. A call of a tool stays.
        way: One of `WAYS`.
    """
    if not answer.words or not asks_for_form(prompt):
        return answer
    return replace(
        answer, words=re.findall(r"\s*\S{1,12}", WAYS[way](answer.text).strip())
    )
