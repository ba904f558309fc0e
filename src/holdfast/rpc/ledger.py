"""A `Ledger` in other processes, of which there may be several."""

import asyncio

from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.rpc.clients import Remote
from holdfast.rpc.methods import (
    DELETE_TRACE,
    GET_TRACE,
    LIST_TRACES,
    QUERY_USAGE,
    Method,
    Request,
    Response,
)

_PATIENCE_S = 25.0
"""What is not written yet is written first, and then the database is asked a few
times: each of both takes ten seconds at most, as a rule a few milliseconds."""


class RemoteLedger(Remote):
    """A `Ledger` with one or more replicas.

    Who asks goes to the same replica as long as that is there, so that what it has
    been told already stays known.
    """

    _service = "resolver"

    async def list_traces(
        self, request: pb.ListTracesRequest, *, deadline: float | None = None
    ) -> pb.ListTracesResponse:
        """List."""
        return await self._ask(LIST_TRACES, request, deadline)

    async def get_trace(
        self, request: pb.GetTraceRequest, *, deadline: float | None = None
    ) -> pb.GetTraceResponse:
        """Return one."""
        return await self._ask(GET_TRACE, request, deadline)

    async def query_usage(
        self, request: pb.QueryUsageRequest, *, deadline: float | None = None
    ) -> pb.QueryUsageResponse:
        """Add up."""
        return await self._ask(QUERY_USAGE, request, deadline)

    async def delete_trace(
        self, request: pb.DeleteTraceRequest, *, deadline: float | None = None
    ) -> pb.DeleteTraceResponse:
        """Delete."""
        return await self._ask(DELETE_TRACE, request, deadline)

    async def _ask(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> Response:
        ends = asyncio.get_running_loop().time() + _PATIENCE_S
        return await self._replicas.ask(
            method,
            request,
            ends if deadline is None else min(deadline, ends),
            affinity=request.principal.SerializeToString(),  # type: ignore[attr-defined]
        )
