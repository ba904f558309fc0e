"""Items of a Response that a chat bears beside what it has words for.

A provider that speaks Responses gives them, in `extra_content.openai.items` of a
message: thoughts that it has encrypted, what its own tools have done, and pointers to
what the chat has, where the order of both matters.
"""

from typing import Any

from holdfast_edge.responses.conversation import EXTRA, OWNER


def native_items(holder: dict[str, Any]) -> list[dict[str, Any]]:
    """Return those in a message, or in a delta of one."""
    extra = holder.get(EXTRA)
    own = extra.get(OWNER) if isinstance(extra, dict) else None
    items = own.get("items") if isinstance(own, dict) else None
    return [
        item
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict) and isinstance(item.get("type"), str)
    ]


def without_items(holder: dict[str, Any]) -> dict[str, Any]:
    """Return what else a message or a delta bears that is to come back."""
    extra = holder.get(EXTRA) or {}
    return {name: value for name, value in extra.items() if name != OWNER}


def carried_item(item: dict[str, Any]) -> dict[str, Any]:
    """Say what a reasoning item bears of one of them."""
    return {EXTRA: {OWNER: {"items": [placeless(item)]}}}


def placeless(item: dict[str, Any]) -> dict[str, Any]:
    """Leave out a place in the stream, which a whole answer does not have."""
    return {name: value for name, value in item.items() if name != "index"}


def shown_item(item: dict[str, Any]) -> dict[str, Any]:
    """Write an item that callers get as its provider gave it."""
    return {
        name: value for name, value in item.items() if name not in ("index", "issuer")
    }
