"""`Resolver` and `Executor` in other processes, of which there may be several.

RemoteExecutor(["executor:50052"])                  # a gRPC call a request
RemoteExecutor(["executor:50052"], reach=Link)      # all requests over one stream
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.health import Rests
from holdfast.model import BudgetStatus, Caller
from holdfast.ports import (
    ExecuteRequest,
    ExecuteResponse,
    ReportAttemptsRequest,
    ResolveModelRequest,
    Resolver,
)
from holdfast.rpc.addresses import Lookup, look_up
from holdfast.rpc.channels import Dialer
from holdfast.rpc.losses import Losses
from holdfast.rpc.methods import (
    EXECUTE,
    EXECUTE_STREAM,
    LIST_BUDGET_STATUS,
    LIST_MODELS,
    REPORT_ATTEMPTS,
    RESOLVE_MODEL,
)
from holdfast.rpc.passed_on import PassedOn
from holdfast.rpc.plain import PlainReplica
from holdfast.rpc.replica import Reach
from holdfast.rpc.replicas import Replicas
from holdfast.rpc.tls import MutualTls
from holdfast.signing import SignedPlan

_PATIENCE_WITH_EACH_S = 2.0
"""A resolve takes well under a millisecond, and a list of all models a tenth of
a second; a replica that takes so long hangs."""


class Remote:
    """A service with one or more replicas."""

    _service: ClassVar[str]

    def __init__(
        self,
        targets: Sequence[str],
        *,
        reach: Reach = PlainReplica,
        patience_s: float = 0.0,
        tls: MutualTls | None = None,
        lookup: Lookup = look_up,
    ) -> None:
        """Prepare to call them; nothing is called yet.

        Args:
            targets: gRPC targets, e.g. `127.0.0.1:50051` or `dns:///resolver:50051`.
                Each address behind a name is a replica of its own.
            reach: How each is called.
            patience_s: How long to wait for a replica where none is there, in
                seconds: one that is started anew is back within a few.
            tls: What both sides prove themselves with. None: in the clear.
            lookup: Finds the addresses behind a name.
        """
        dialer = Dialer(self._service, tls)
        self._replicas = Replicas(dialer, targets, reach, patience_s, lookup)

    async def connected(self) -> None:
        """Wait until some replica can be called."""
        await self._replicas.connected()

    def is_reachable(self) -> bool:
        """Tell whether some replica can be called now."""
        return self._replicas.is_reachable()

    async def close(self) -> None:
        """Hang up."""
        await self._replicas.close()


class RemoteResolver(Remote):
    """A `Resolver`, and `Budgets`, with one or more replicas."""

    _service = "resolver"

    async def resolve_model(
        self, request: ResolveModelRequest, *, deadline: float | None = None
    ) -> SignedPlan:
        """Resolve; a session meets the same replica again while it is there."""
        return await self._replicas.ask(
            RESOLVE_MODEL,
            request,
            deadline,
            affinity=request.session_id.encode(),
            patience_with_each_s=_PATIENCE_WITH_EACH_S,
        )

    async def report_attempts(
        self,
        request: ReportAttemptsRequest,
        *,
        deadline: float | None = None,
    ) -> Rests | None:
        """Report; a replica that is slow to take it is not asked to hurry.

        What one has taken counts, so that it is not told to another as well.
        """
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + _PATIENCE_WITH_EACH_S
        return await self._replicas.ask(REPORT_ATTEMPTS, request, deadline)

    async def list_models(
        self, request: catalog_pb.ListModelsRequest, *, deadline: float | None = None
    ) -> catalog_pb.ListModelsResponse:
        """List."""
        return await self._replicas.ask(
            LIST_MODELS,
            request,
            deadline,
            patience_with_each_s=_PATIENCE_WITH_EACH_S,
        )

    async def list_budget_status(
        self, principal: bytes | Caller, *, deadline: float | None = None
    ) -> Sequence[BudgetStatus]:
        """List."""
        return await self._replicas.ask(
            LIST_BUDGET_STATUS,
            principal,
            deadline,
            patience_with_each_s=_PATIENCE_WITH_EACH_S,
        )


class RemoteExecutor(Remote):
    """An `Executor` with one or more replicas."""

    _service = "executor"

    def __init__(  # noqa: PLR0913 - as of any service, and one thing more
        self,
        targets: Sequence[str],
        *,
        reach: Reach = PlainReplica,
        patience_s: float = 0.0,
        tls: MutualTls | None = None,
        lookup: Lookup = look_up,
        resolver: Resolver | None = None,
    ) -> None:
        """Prepare to call them; nothing is called yet.

        Args:
            targets: As of any service; likewise what follows.
            reach: How each is called.
            patience_s: How long to wait for a replica where none is there, in seconds.
            tls: What both sides prove themselves with. None: in the clear.
            lookup: Finds the addresses behind a name.
            resolver: Is told of streams whose executor is lost, and makes their plans
                anew once they have expired. None: nobody is, and nobody does.
        """
        super().__init__(
            targets, reach=reach, patience_s=patience_s, tls=tls, lookup=lookup
        )
        self._losses = None if resolver is None else Losses(resolver)

    async def close(self) -> None:
        """Hang up."""
        await super().close()
        if self._losses is not None:
            await self._losses.close()

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        """Execute on one replica; on another if it is not there or reaches nobody."""
        passed_on = PassedOn(self._losses, deadline, streamed=False)
        return await self._replicas.hand(EXECUTE, request, deadline, passed_on)

    def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[executor_pb.ExecuteStreamResponse, None]:
        """Execute on one replica; if it is gone on another, which goes on with it.

        Likewise if it reaches nobody.
        """
        passed_on = PassedOn(self._losses, deadline)
        return self._replicas.stream(EXECUTE_STREAM, request, deadline, passed_on)
