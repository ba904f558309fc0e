"""What providers give with an answer and want back, carried through Anthropic's format.

Anthropic's own signatures have a place there. Another provider's travel in blocks
of redacted thinking, which clients hand back as they came.
"""

from typing import Any

from holdfast_edge.carried import closed, is_closed, opened


def wrapped(content: dict[str, Any]) -> dict[str, Any]:
    """Write a block of redacted thinking that bears something."""
    return {"type": "redacted_thinking", "data": closed(content)}


def unwrapped(block: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a block bears; None if it is Anthropic's own."""
    data = block.get("data")
    return opened(data) or {} if is_closed(data) else None
