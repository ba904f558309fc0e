"""Results of tools for OpenAI's format, whose messages of tools hold text alone.

Agents that take screenshots or read files give images and documents as results. They
are shown in a turn of the user's after the results, with the call that they are of.
"""

from collections.abc import Iterable
from typing import Any

_SHOWN = "What call {call} gave:"
_BELOW = "It is shown below."
"""The result in words, where it has none."""


def in_texts(messages: Iterable[Any]) -> list[Any]:
    """Return a chat's messages with results of tools in text, what else below."""
    written: list[Any] = []
    shown: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        given = content = message.get("content") if role else None
        if role == "tool":
            texts, others = _parted(content)
            if others:
                call = _SHOWN.format(call=message.get("tool_call_id"))
                shown += ({"type": "text", "text": call}, *others)
                content = texts or _BELOW
        elif shown:
            if role == "user" and isinstance(content, list):
                content = [*shown, *content]
            else:
                written.append({"role": "user", "content": shown})
            shown = []
        written.append(message if content is given else {**message, "content": content})
    if shown:
        written.append({"role": "user", "content": shown})
    return written


def _parted(content: object) -> tuple[list[Any], list[Any]]:
    """Part what is text from what is not."""
    parts = content if isinstance(content, list) else []
    others = [
        part
        for part in parts
        if isinstance(part, dict) and part.get("type") not in {"text", "refusal"}
    ]
    return [part for part in parts if part not in others], others
