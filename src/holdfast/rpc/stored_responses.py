"""`StoredResponses` in other processes, of which there may be several."""

import asyncio

from holdfast.api.ledger.v1 import stored_response_service_pb2 as pb
from holdfast.ports import Recalled
from holdfast.rpc.clients import Remote
from holdfast.rpc.methods import (
    FORGET_RESPONSE,
    KEEP_RESPONSE,
    RECALL_RESPONSES,
    Method,
    Request,
    Response,
)

_PATIENCE_S = 10.0
"""A caller waits; what is asked of the database takes a few milliseconds as a rule."""

_PATIENCE_WITH_EACH_S = 3.0
"""Then another replica is asked: gRPC notices only after fifteen that one hangs."""


class RemoteStoredResponses(Remote):
    """A `StoredResponses` with one or more replicas. Each method is safe to repeat."""

    _service = "resolver"

    async def recall(self, principal: bytes, response_id: str) -> Recalled:
        """Return a conversation's records."""
        answer = await self._ask(
            RECALL_RESPONSES,
            pb.RecallResponsesRequest(
                api_key_digest=principal, response_id=response_id
            ),
        )
        return Recalled(answer.keeps, tuple(answer.chain))

    async def keep(
        self, principal: bytes, response_id: str, previous_id: str, record: bytes
    ) -> None:
        """Keep a record."""
        await self._ask(
            KEEP_RESPONSE,
            pb.KeepResponseRequest(
                api_key_digest=principal,
                response_id=response_id,
                previous_id=previous_id,
                record=record,
            ),
        )

    async def forget(self, principal: bytes, response_id: str) -> bool:
        """Delete a record."""
        answer = await self._ask(
            FORGET_RESPONSE,
            pb.ForgetResponseRequest(api_key_digest=principal, response_id=response_id),
        )
        return answer.found

    async def _ask(
        self, method: Method[Request, Response], request: Request
    ) -> Response:
        ends = asyncio.get_running_loop().time() + _PATIENCE_S
        return await self._replicas.ask(
            method, request, ends, patience_with_each_s=_PATIENCE_WITH_EACH_S
        )
