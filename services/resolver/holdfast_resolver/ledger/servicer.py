"""The gRPC face of the ledger: messages in, messages out, nothing decided."""

from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.api.ledger.v1 import ledger_service_pb2_grpc as rpc
from holdfast.api.ledger.v1 import stored_response_service_pb2 as responses_pb
from holdfast.api.ledger.v1 import stored_response_service_pb2_grpc as responses_rpc
from holdfast.ports import Ledger, StoredResponses
from holdfast.rpc.errors import Context
from holdfast_resolver.servicer import answer


class LedgerServicer(rpc.LedgerServiceServicer):
    """Serves `holdfast.api.ledger.v1.LedgerService`."""

    def __init__(self, ledger: Ledger) -> None:
        """Serve a ledger."""
        self._ledger = ledger

    async def ListTraces(  # noqa: N802 - gRPC's name
        self, request: pb.ListTracesRequest, context: Context
    ) -> pb.ListTracesResponse:
        """List requests that have ended."""
        return await answer(self._ledger.list_traces(request), context)

    async def GetTrace(  # noqa: N802 - gRPC's name
        self, request: pb.GetTraceRequest, context: Context
    ) -> pb.GetTraceResponse:
        """Return all that is known of a trace."""
        return await answer(self._ledger.get_trace(request), context)

    async def QueryUsage(  # noqa: N802 - gRPC's name
        self, request: pb.QueryUsageRequest, context: Context
    ) -> pb.QueryUsageResponse:
        """Add up requests, tokens and money."""
        return await answer(self._ledger.query_usage(request), context)

    async def DeleteTrace(  # noqa: N802 - gRPC's name
        self, request: pb.DeleteTraceRequest, context: Context
    ) -> pb.DeleteTraceResponse:
        """Delete what is known of a trace."""
        return await answer(self._ledger.delete_trace(request), context)


class StoredResponseServicer(responses_rpc.StoredResponseServiceServicer):
    """Serves `holdfast.api.ledger.v1.StoredResponseService`."""

    def __init__(self, responses: StoredResponses) -> None:
        """Serve what is kept."""
        self._responses = responses

    async def RecallResponses(  # noqa: N802 - gRPC's name
        self, request: responses_pb.RecallResponsesRequest, context: Context
    ) -> responses_pb.RecallResponsesResponse:
        """Return a conversation."""
        return await answer(self._recalled(request), context)

    async def KeepResponse(  # noqa: N802 - gRPC's name
        self, request: responses_pb.KeepResponseRequest, context: Context
    ) -> responses_pb.KeepResponseResponse:
        """Keep a response."""
        return await answer(self._kept(request), context)

    async def ForgetResponse(  # noqa: N802 - gRPC's name
        self, request: responses_pb.ForgetResponseRequest, context: Context
    ) -> responses_pb.ForgetResponseResponse:
        """Delete a response."""
        return await answer(self._forgotten(request), context)

    async def _recalled(
        self, request: responses_pb.RecallResponsesRequest
    ) -> responses_pb.RecallResponsesResponse:
        found = await self._responses.recall(
            request.api_key_digest, request.response_id
        )
        return responses_pb.RecallResponsesResponse(
            keeps=found.keeps, chain=found.chain
        )

    async def _kept(
        self, request: responses_pb.KeepResponseRequest
    ) -> responses_pb.KeepResponseResponse:
        await self._responses.keep(
            request.api_key_digest,
            request.response_id,
            request.previous_id,
            request.record,
        )
        return responses_pb.KeepResponseResponse()

    async def _forgotten(
        self, request: responses_pb.ForgetResponseRequest
    ) -> responses_pb.ForgetResponseResponse:
        found = await self._responses.forget(
            request.api_key_digest, request.response_id
        )
        return responses_pb.ForgetResponseResponse(found=found)
