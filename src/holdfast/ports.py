"""What one service offers another, whichever way it is reached.

The edge holds a `Resolver` and an `Executor` and does not know whether they
live in its own process or at the other end of a gRPC channel. Both ways raise
the same `GatewayError`s and obey the same deadlines.

A deadline is a moment on the event loop's own clock (`loop.time()`), in
seconds; None is no deadline.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb


class Resolver(Protocol):
    """Decides where a request may run and in which order to try."""

    async def resolve_model(
        self, request: resolver_pb.ResolveModelRequest, *, deadline: float | None = None
    ) -> resolver_pb.ResolveModelResponse:
        """Resolve a model name to a signed plan.

        Raises:
            ApiKeyUnknownError: The principal is none.
            ModelNotFoundError: The name is none of the caller's.
            NoDeploymentAllowedError: Every deployment is excluded.
        """

    async def report_attempts(
        self,
        request: resolver_pb.ReportAttemptsRequest,
        *,
        deadline: float | None = None,
    ) -> resolver_pb.ReportAttemptsResponse:
        """Record how attempts ended."""

    async def list_models(
        self, request: catalog_pb.ListModelsRequest, *, deadline: float | None = None
    ) -> catalog_pb.ListModelsResponse:
        """List what a caller may call.

        Raises:
            ApiKeyUnknownError: The principal is none.
        """


class Executor(Protocol):
    """Carries out a plan: calls its deployments in order until one answers."""

    async def execute(
        self, request: executor_pb.ExecuteRequest, *, deadline: float | None = None
    ) -> executor_pb.ExecuteResponse:
        """Execute a request and return the whole answer.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            ExecutionError: No deployment answered; it says why.
        """

    def execute_stream(
        self,
        request: executor_pb.ExecuteStreamRequest,
        *,
        deadline: float | None = None,
    ) -> AsyncGenerator[executor_pb.ExecuteStreamResponse, None]:
        """Execute a request and stream the answer: `served`, chunks, `completed`.

        Closing the iterator cancels the call of the provider.

        Raises:
            PlanRefusedError: The plan is not the resolver's, or has expired.
            ExecutionError: No deployment answered, or the one that had begun
                broke off; it says why.
        """
