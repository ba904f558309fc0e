"""Items that a request names instead of sending them."""

import dataclasses

from holdfast.ports import StoredResponses
from holdfast_edge.responses.conversation import REFERENCE
from holdfast_edge.responses.items import response_id_of
from holdfast_edge.responses.request import Asked
from holdfast_edge.responses.store import record_of


async def with_items(
    store: StoredResponses | None, principal: bytes, asked: Asked
) -> Asked:
    """Put the items in the place of their names, where they are kept.

    The latest is looked for first: what led to it is kept with it, so that one look
    finds all items of a conversation.

    Args:
        store: What is kept. None: nothing.
        principal: Who asks.
        asked: The request.

    Raises:
        GatewayError: What is kept cannot be read now.
    """
    missing = [
        str(item.get("id")) for item in asked.items if item.get("type") == REFERENCE
    ]
    if store is None or not missing:
        return asked
    kept: dict[str, dict[str, object]] = {}
    for item_id in reversed(missing):
        if item_id in kept:
            continue
        found = await store.recall(principal, response_id_of(item_id))
        for record in map(record_of, found.chain):
            kept |= {item["id"]: item for item in record.named}
        if item_id not in kept:
            break
    items = (
        kept.get(str(item.get("id")), item) if item.get("type") == REFERENCE else item
        for item in asked.items
    )
    return dataclasses.replace(asked, items=tuple(items))
