"""The gRPC face of the resolver: messages in, messages out, nothing decided."""

from collections.abc import Awaitable
from typing import TypeVar

import structlog

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.catalog.v1 import catalog_service_pb2_grpc as catalog_rpc
from holdfast.api.ledger.v1 import budget_service_pb2 as budget_pb
from holdfast.api.ledger.v1 import budget_service_pb2_grpc as budget_rpc
from holdfast.api.resolver.v1 import resolver_service_pb2 as pb
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as rpc
from holdfast.errors import GatewayError, InternalError
from holdfast.ports import Budgets, Resolver
from holdfast.rpc import messages
from holdfast.rpc.errors import Context, abort

_log = structlog.get_logger("holdfast.resolver")

_Answer = TypeVar("_Answer")


async def answer(answering: Awaitable[_Answer], context: Context) -> _Answer:
    """Answer a call, or end it with the status that says what went wrong."""
    try:
        return await answering
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
        plan = await answer(self._resolver.resolve_model(asked), context)
        return messages.resolve_response_to_wire(plan)

    async def ReportAttempts(  # noqa: N802 - gRPC's name
        self, request: pb.ReportAttemptsRequest, context: Context
    ) -> pb.ReportAttemptsResponse:
        """Record how attempts ended."""
        asked = messages.reports_from_wire(request)
        rests = await answer(self._resolver.report_attempts(asked), context)
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
        return await answer(self._resolver.list_models(request), context)


class BudgetServicer(budget_rpc.BudgetServiceServicer):
    """Serves `holdfast.api.ledger.v1.BudgetService`."""

    def __init__(self, budgets: Budgets) -> None:
        """Serve who knows how budgets stand."""
        self._budgets = budgets

    async def ListBudgetStatus(  # noqa: N802 - gRPC's name
        self, request: budget_pb.ListBudgetStatusRequest, context: Context
    ) -> budget_pb.ListBudgetStatusResponse:
        """List how budgets stand."""
        asked = messages.principal_from_wire(request.principal)
        statuses = await answer(self._budgets.list_budget_status(asked), context)
        return messages.budget_statuses_to_wire(statuses)
