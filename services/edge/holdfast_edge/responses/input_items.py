"""GET /v1/responses/{id}/input_items: what a response was made of, page by page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from holdfast.ports import StoredResponses
from holdfast_edge.auth import api_key_digest
from holdfast_edge.decoding import malformed
from holdfast_edge.headers import Head
from holdfast_edge.paging import query_of
from holdfast_edge.reply import send_json
from holdfast_edge.responses.given_items import in_full
from holdfast_edge.responses.store import Record, kept_chain

_USUAL_LIMIT = 20
_MOST = 100
"""Items of a page: OpenAI's figures."""

_LIMIT = re.compile(r"[0-9]{1,3}")

_ORDERS = ("desc", "asc")
"""What may be said of the order; the first is the usual one, as it is OpenAI's."""


@dataclass(frozen=True, slots=True)
class InputItems:
    """The items that a kept response was made of."""

    store: StoredResponses | None
    surface: str = "input_items"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page of them."""
        digest = api_key_digest(Head.of(scope))
        page = _Page.of(query_of(scope))
        chain = await kept_chain(self.store, digest, scope["path_params"]["id"])
        await send_json(send, page.cut([in_full(item) for item in _asked(chain)]))


def _asked(chain: list[Record]) -> list[dict[str, Any]]:
    """Return what the last response of a chain was made of, each item with an id."""
    *earlier, last = chain
    said = [item for record in earlier for item in record.named]
    return [*said, *last.named[: last.asked_count]]


@dataclass(frozen=True, slots=True)
class _Page:
    """Which of the items are wanted."""

    after: str
    limit: int
    order: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "_Page":
        order = query.get("order", _ORDERS[0])
        if order not in _ORDERS:
            raise malformed("order", "must be asc or desc")
        limit = query.get("limit", str(_USUAL_LIMIT))
        if not _LIMIT.fullmatch(limit) or not 1 <= int(limit) <= _MOST:
            raise malformed("limit", f"must be a whole number from 1 to {_MOST}")
        return cls(query.get("after", ""), int(limit), order)

    def cut(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        if self.order == "desc":
            items.reverse()
        if self.after:
            ids = [item["id"] for item in items]
            if self.after not in ids:
                raise malformed("after", "must be the id of an item of this response")
            items = items[ids.index(self.after) + 1 :]
        data = items[: self.limit]
        return {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": len(items) > len(data),
        }
