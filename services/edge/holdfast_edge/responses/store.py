"""The responses that a later request may go on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from holdfast.errors import GatewayError, RequestMalformedError
from holdfast.ports import StoredResponses
from holdfast_edge.responses.request import Asked

_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class Record(msgspec.Struct):
    """What is kept of one response.

    Attributes:
        session: What its conversation is called.
        items: What was asked and what was given, in order.
        response: What the caller got.
    """

    session: str
    items: list[dict[str, Any]]
    response: dict[str, Any]


record_of = msgspec.json.Decoder(Record).decode


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a request goes on from.

    Attributes:
        keeps: Whether the project keeps responses.
        session: What the conversation is called. Empty: it begins.
        items: All that has been said in it.
    """

    keeps: bool = False
    session: str = ""
    items: Sequence[dict[str, Any]] = ()


async def earlier_of(
    store: StoredResponses | None, principal: bytes, asked: Asked
) -> Earlier:
    """Find what a request goes on from.

    Raises:
        RequestMalformedError: It names a response that is not kept.
        GatewayError: What is kept cannot be read now.
    """
    if store is None or not (asked.stores or asked.previous_id):
        found = None
    else:
        found = await store.recall(principal, asked.previous_id)
    if asked.previous_id and (found is None or not found.chain):
        raise RequestMalformedError(
            f"`previous_response_id` {asked.previous_id!r} is none that is kept: "
            "responses are kept where the project's `retention.content_days` is more "
            "than 0 and the request does not say `store: false`. Send the items "
            "themselves in `input`.",
            field="previous_response_id",
        )
    if found is None:
        return Earlier()
    records = [record_of(each) for each in found.chain]
    return Earlier(
        found.keeps,
        records[-1].session if records else "",
        [item for record in records for item in record.items],
    )


@dataclass(slots=True)
class Keeping:
    """One response on its way into the store.

    Attributes:
        response: What the caller gets, once it is known.
    """

    store: StoredResponses
    principal: bytes
    asked: Asked
    session: str
    response: dict[str, Any] | None = None

    async def settle(self) -> None:
        """Keep the response. What cannot be kept is not had back, and no more."""
        if self.response is None:
            return
        record = Record(
            self.session,
            [*self.asked.items, *self.response["output"]],
            self.response,
        )
        try:
            await self.store.keep(
                self.principal,
                self.response["id"],
                self.asked.previous_id,
                _encode(record),
            )
        except GatewayError as error:
            _log.warning("response_not_kept", reason=error.reason)
