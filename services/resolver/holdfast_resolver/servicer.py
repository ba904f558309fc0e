"""The gRPC face of the resolver: messages in, messages out, nothing decided."""

from collections.abc import Awaitable
from typing import TypeVar

import structlog

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.catalog.v1 import catalog_service_pb2_grpc as catalog_rpc
from holdfast.api.resolver.v1 import resolver_service_pb2 as pb
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as rpc
from holdfast.errors import GatewayError, InternalError
from holdfast.ports import Resolver
from holdfast.rpc import messages
from holdfast.rpc.errors import Context, abort

_log = structlog.get_logger("holdfast.resolver")

_Answer = TypeVar("_Answer")


async def _answer(answer: Awaitable[_Answer], context: Context) -> _Answer:
    try:
        return await answer
    except GatewayError as error:
        await abort(context, error)
    except Exception:  # noqa: BLE001 - the top of a request
        _log.exception("call_failed")
        await abort(context, InternalError("The resolver failed; its log says how."))


class ResolverServicer(rpc.ResolverServiceServicer):
    """Serves `holdfast.api.resolver.v1.ResolverService`."""

    def __init__(self, resolver: Resolver) -> None:
        """Serve a resolver."""
        self._resolver = resolver

    async def ResolveModel(  # noqa: N802 - gRPC's name
        self, request: pb.ResolveModelRequest, context: Context
    ) -> pb.ResolveModelResponse:
        """Resolve a model name to a plan."""
        asked = messages.resolve_request_from_wire(request)
        plan = await _answer(self._resolver.resolve_model(asked), context)
        return messages.resolve_response_to_wire(plan)

    async def ReportAttempts(  # noqa: N802 - gRPC's name
        self, request: pb.ReportAttemptsRequest, context: Context
    ) -> pb.ReportAttemptsResponse:
        """Record how attempts ended."""
        asked = messages.reports_from_wire(request)
        rests = await _answer(self._resolver.report_attempts(asked), context)
        return messages.rests_to_wire(rests)


class CatalogServicer(catalog_rpc.CatalogServiceServicer):
    """Serves `holdfast.api.catalog.v1.CatalogService`."""

    def __init__(self, resolver: Resolver) -> None:
        """Serve a resolver's catalog."""
        self._resolver = resolver

    async def ListModels(  # noqa: N802 - gRPC's name
        self, request: catalog_pb.ListModelsRequest, context: Context
    ) -> catalog_pb.ListModelsResponse:
        """List what a caller may call."""
        return await _answer(self._resolver.list_models(request), context)
