"""The responses that a later request may go on from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from holdfast.errors import (
    GatewayError,
    RequestMalformedError,
    ResourceNotFoundError,
)
from holdfast.ports import StoredResponses
from holdfast_edge.responses.given_items import named
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

    @property
    def named(self) -> list[dict[str, Any]]:
        """The items, each with an id."""
        return named(self.items, self.response["id"])

    @property
    def asked_count(self) -> int:
        """How many of the items were asked, and come first."""
        return len(self.items) - len(self.response["output"])


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


async def kept_chain(
    store: StoredResponses | None, principal: bytes, response_id: str
) -> list[Record]:
    """Return what is kept of a response and of those before it, the first one first.

    Raises:
        ResourceNotFoundError: There is none, or none of the principal's project.
        GatewayError: What is kept cannot be read now.
    """
    found = store and await store.recall(principal, response_id)
    if not found or not found.chain:
        raise not_kept(response_id)
    return [record_of(each) for each in found.chain]


def not_kept(response_id: str) -> ResourceNotFoundError:
    """Say that a response is not there, or not to be seen."""
    return ResourceNotFoundError(
        f"There is no response {response_id!r} that is kept.", field="id"
    )


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


async def items_before(
    store: StoredResponses | None, principal: bytes, asked: Asked
) -> Sequence[dict[str, Any]]:
    """Return the items of the responses that a request goes on from, if any.

    Raises:
        RequestMalformedError: It names a response that is not kept.
        GatewayError: What is kept cannot be read now.
    """
    if not asked.previous_id:
        return ()
    return (await earlier_of(store, principal, asked)).items


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
