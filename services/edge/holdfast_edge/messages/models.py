"""The list of models in Anthropic's shape: a page at a time, by the ids on its ends."""

import urllib.parse
from collections.abc import Sequence
from typing import Any

from holdfast_edge.decoding import malformed

_PAGE = 20
_MOST = 1_000
"""What Anthropic documents: the usual page and the largest."""

_CREATED = "1970-01-01T00:00:00Z"
"""A catalog knows no such moment; Anthropic says this of models it is not sure of."""


def page_of(names: Sequence[dict[str, Any]], query: bytes) -> dict[str, Any]:
    """Write one page.

    Args:
        names: Every entry, as OpenAI has it.
        query: The request's: `limit`, `before_id`, `after_id`.

    Raises:
        RequestMalformedError: `limit` is no number, or an id is none of the list.
    """
    asked = dict(urllib.parse.parse_qsl(query.decode("latin-1")))
    limit = _limit(asked.get("limit", str(_PAGE)))
    start, end = 0, len(names)
    if after := asked.get("after_id"):
        start = _place(names, after, "after_id") + 1
    if before := asked.get("before_id"):
        end = _place(names, before, "before_id")
        start = max(start, end - limit)
    page = [model_of(entry) for entry in names[start:end][:limit]]
    return {
        "data": page,
        "has_more": start > 0 if before else end - start > limit,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def model_of(entry: dict[str, Any]) -> dict[str, Any]:
    """Write an entry as Anthropic does."""
    return {
        "type": "model",
        "id": entry["id"],
        "display_name": entry.get("display_name") or entry["id"],
        "created_at": _CREATED,
        "lifecycle": "active",
    }


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST:
        return int(text)
    raise malformed("limit", f"must be a whole number from 1 to {_MOST}")


def _place(names: Sequence[dict[str, Any]], name: str, field: str) -> int:
    for place, entry in enumerate(names):
        if entry["id"] == name:
            return place
    raise malformed(field, "is the id of no model in the list")
