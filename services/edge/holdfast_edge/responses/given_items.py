"""Items as callers may send them, written as the API shows them: named, and in full."""

from collections.abc import Iterable
from typing import Any

from holdfast_edge.responses.items import text_part
from holdfast_edge.responses.summaries import COMPACTION

_MARKS = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "reasoning": "rs",
    COMPACTION: "cmp",
}
"""What ids of items begin with, by their type. Others' begin with `item`."""

_WITH_STATUS = frozenset({"message", "function_call", "function_call_output"})
"""Types of items that say how far they are. What has been sent is whole."""


def named(items: Iterable[dict[str, Any]], response_id: str) -> list[dict[str, Any]]:
    """Give ids to items that have none, so that their response is known by them."""
    return [
        item if _has_id(item) else item | {"id": _id(item, response_id, place)}
        for place, item in enumerate(items)
    ]


def _has_id(item: dict[str, Any]) -> bool:
    return isinstance(item.get("id"), str) and item["id"] != ""


def _id(item: dict[str, Any], response_id: str, place: int) -> str:
    mark = _MARKS.get(item["type"], "item")
    return f"{mark}_{response_id.partition('_')[2]}i{place:02x}"


def in_full(item: dict[str, Any]) -> dict[str, Any]:
    """Write an item in full, where its caller made use of what may be left out."""
    shown = dict(item)
    if shown["type"] in _WITH_STATUS:
        shown.setdefault("status", "completed")
    if shown["type"] == "message" and isinstance(shown.get("content"), str):
        text = shown["content"]
        said = shown.get("role") == "assistant"
        shown["content"] = [
            text_part(text) if said else {"type": "input_text", "text": text}
        ]
    return shown
