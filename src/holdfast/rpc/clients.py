"""`Resolver` and `Executor` at the other end of gRPC channels."""

import asyncio
import itertools
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Self, TypeVar

import grpc
from grpc import aio

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.catalog.v1 import catalog_service_pb2_grpc as catalog_rpc
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.executor.v1 import executor_service_pb2_grpc as executor_rpc
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as resolver_rpc
from holdfast.errors import GatewayError
from holdfast.rpc.errors import from_call
from holdfast.rpc.server import MESSAGE_BYTES

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # A replica that vanished without a word is noticed within 13 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A replica that comes back is used within a second, not within two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Who retries is decided here: an execution may have been billed.
    ("grpc.enable_retries", 0),
)

_RESOLVE_TIMEOUT_S = 5.0
"""A resolve takes well under a millisecond; a replica that takes so long is gone."""

_Answer = TypeVar("_Answer")


class _Replicas:
    """One channel per replica, and which of them to ask next."""

    def __init__(self, service: str, targets: Sequence[str], patience_s: float) -> None:
        if not targets:
            raise ValueError(f"no address of a {service} was given")
        self.service = service
        self._patience_s = patience_s
        self.channels = [
            aio.insecure_channel(target, CHANNEL_OPTIONS) for target in targets
        ]
        self._turns = itertools.count()

    def in_turn(self, affinity: bytes = b"") -> list[int]:
        """Return every replica, the one to ask first at the front.

        Args:
            affinity: What should meet the same replica again, so that it finds
                what that replica alone knows yet. Empty to take turns.
        """
        first = zlib.crc32(affinity) if affinity else next(self._turns)
        count = len(self.channels)
        usable = [
            i
            for i, channel in enumerate(self.channels)
            if channel.get_state(try_to_connect=True)
            is not grpc.ChannelConnectivity.TRANSIENT_FAILURE
        ]
        away = [i for i in range(count) if i not in usable]
        if usable:
            first %= len(usable)
        return usable[first:] + usable[:first] + away

    async def connected(self) -> None:
        """Wait until some replica can be called."""
        ready = [
            asyncio.ensure_future(channel.channel_ready()) for channel in self.channels
        ]
        try:
            await asyncio.wait(ready, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in ready:
                waiting.cancel()

    def is_reachable(self) -> bool:
        """Tell whether some replica is connected; begin to connect if not."""
        states = [channel.get_state(try_to_connect=True) for channel in self.channels]
        return grpc.ChannelConnectivity.READY in states

    async def come_back(self, deadline: float | None) -> bool:
        """Wait a while for some replica, and return whether one can be called."""
        patience = min(self._patience_s, _time_left(deadline) or self._patience_s)
        if not patience:
            return False
        try:
            async with asyncio.timeout(patience):
                await self.connected()
        except TimeoutError:
            return False
        return True

    async def ask(
        self,
        call: Callable[[int], Awaitable[_Answer]],
        affinity: bytes = b"",
        deadline: float | None = None,
    ) -> _Answer:
        """Ask replicas in turn until one is there to answer."""
        failure: aio.AioRpcError | None = None
        async for replica in _Round(self, affinity, deadline):
            try:
                return await call(replica)
            except aio.AioRpcError as error:
                failure = error
                if error.code() is not grpc.StatusCode.UNAVAILABLE or _answered(error):
                    break
        assert failure is not None  # noqa: S101 - there is at least one replica
        raise from_call(failure, self.service) from failure

    async def close(self) -> None:
        """Close the channels."""
        await asyncio.gather(*(channel.close() for channel in self.channels))


class _Round:
    """Each replica in turn; then, should one come back in time, each once more."""

    def __init__(
        self,
        replicas: _Replicas,
        affinity: bytes = b"",
        deadline: float | None = None,
    ) -> None:
        self._replicas = replicas
        self._affinity = affinity
        self._deadline = deadline
        self._left = replicas.in_turn(affinity)
        self._patient = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        if not self._left and self._patient:
            self._patient = False
            if await self._replicas.come_back(self._deadline):
                self._left = self._replicas.in_turn(self._affinity)
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)


def _answered(error: aio.AioRpcError) -> bool:
    """Tell a service's own answer from a failure to reach it."""
    return any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata())


def _time_left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    return max(0.001, deadline - asyncio.get_running_loop().time())


class RemoteResolver:
    """A `Resolver` with one or more replicas."""

    def __init__(self, targets: Sequence[str], *, patience_s: float = 0.0) -> None:
        """Prepare channels; nothing is called yet.

        Args:
            targets: gRPC targets, e.g. `127.0.0.1:50051` or `dns:///resolver:50051`.
            patience_s: How long to wait for a replica where none is there, in
                seconds: one that is started anew is back within a few.
        """
        self._replicas = _Replicas("resolver", targets, patience_s)
        channels = self._replicas.channels
        self._resolvers: list[Any] = [
            resolver_rpc.ResolverServiceStub(channel) for channel in channels
        ]
        self._catalogs: list[Any] = [
            catalog_rpc.CatalogServiceStub(channel) for channel in channels
        ]

    async def connected(self) -> None:
        """Wait until some replica can be called."""
        await self._replicas.connected()

    def is_reachable(self) -> bool:
        """Tell whether some replica can be called now."""
        return self._replicas.is_reachable()

    async def close(self) -> None:
        """Close the channels."""
        await self._replicas.close()

    async def resolve_model(
        self, request: resolver_pb.ResolveModelRequest, *, deadline: float | None = None
    ) -> resolver_pb.ResolveModelResponse:
        """Resolve; a session meets the same replica again while it is there."""
        timeout = min(_time_left(deadline) or _RESOLVE_TIMEOUT_S, _RESOLVE_TIMEOUT_S)
        return await self._replicas.ask(
            lambda i: self._resolvers[i].ResolveModel(request, timeout=timeout),
            request.session_id.encode(),
            deadline,
        )

    async def report_attempts(
        self,
        request: resolver_pb.ReportAttemptsRequest,
        *,
        deadline: float | None = None,
    ) -> resolver_pb.ReportAttemptsResponse:
        """Report."""
        timeout = _time_left(deadline) or _RESOLVE_TIMEOUT_S
        return await self._replicas.ask(
            lambda i: self._resolvers[i].ReportAttempts(request, timeout=timeout)
        )

    async def list_models(
        self, request: catalog_pb.ListModelsRequest, *, deadline: float | None = None
    ) -> catalog_pb.ListModelsResponse:
        """List."""
        timeout = _time_left(deadline) or _RESOLVE_TIMEOUT_S
        return await self._replicas.ask(
            lambda i: self._catalogs[i].ListModels(request, timeout=timeout)
        )


class RemoteExecutor:
    """An `Executor` with one or more replicas."""

    def __init__(self, targets: Sequence[str], *, patience_s: float = 0.0) -> None:
        """Prepare channels; nothing is called yet.

        Args:
            targets: gRPC targets, e.g. `127.0.0.1:50052` or `dns:///executor:50052`.
            patience_s: How long to wait for a replica where none is there, in
                seconds: one that is started anew is back within a few.
        """
        self._replicas = _Replicas("executor", targets, patience_s)
        self._executors: list[Any] = [
            executor_rpc.ExecutorServiceStub(channel)
            for channel in self._replicas.channels
        ]

    async def connected(self) -> None:
        """Wait until some replica can be called."""
        await self._replicas.connected()

    def is_reachable(self) -> bool:
        """Tell whether some replica can be called now."""
        return self._replicas.is_reachable()

    async def close(self) -> None:
        """Close the channels."""
        await self._replicas.close()

    async def execute(
        self, request: executor_pb.ExecuteRequest, *, deadline: float | None = None
    ) -> executor_pb.ExecuteResponse:
        """Execute on one replica; on another only if the first was not there."""
        return await self._replicas.ask(
            lambda i: self._executors[i].Execute(request, timeout=_time_left(deadline)),
            deadline=deadline,
        )

    async def execute_stream(
        self,
        request: executor_pb.ExecuteStreamRequest,
        *,
        deadline: float | None = None,
    ) -> AsyncGenerator[executor_pb.ExecuteStreamResponse, None]:
        """Execute on one replica; on another only if the first was not there."""
        failure: GatewayError | None = None
        async for replica in _Round(self._replicas, deadline=deadline):
            call = self._executors[replica].ExecuteStream(
                request, timeout=_time_left(deadline)
            )
            begun = False
            try:
                while (message := await call.read()) is not aio.EOF:
                    begun = True
                    yield message
            except aio.AioRpcError as error:
                failure = from_call(error, "executor")
                failure.__cause__ = error
                if (
                    begun
                    or error.code() is not grpc.StatusCode.UNAVAILABLE
                    or _answered(error)
                ):
                    raise failure from error
            else:
                return
            finally:
                call.cancel()
        assert failure is not None  # noqa: S101 - there is at least one replica
        raise failure
