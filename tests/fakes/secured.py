"""Executors that are served over mutual TLS, by links and by plain gRPC."""

import contextlib
from collections.abc import AsyncIterator, Collection

from holdfast.api.executor.v1 import executor_service_pb2_grpc as executor_rpc
from holdfast.ports import Executor
from holdfast.rpc.clients import RemoteExecutor
from holdfast.rpc.link.offers import of_executor
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.replica import Reach
from holdfast.rpc.server import GrpcServer
from holdfast.rpc.tls import MutualTls
from holdfast_executor.servicer import ExecutorServicer

EXECUTOR = "holdfast.api.executor.v1.ExecutorService"


@contextlib.asynccontextmanager
async def secured(
    executor: Executor,
    tls: MutualTls | None,
    *,
    at: str = "127.0.0.1:0",
    callers: Collection[str] = ("edge",),
    connection_s: float = 60.0,
    life_s: float = 3_600.0,
) -> AsyncIterator[str]:
    """Serve an executor both ways; give the address."""
    server = GrpcServer([EXECUTOR], tls=tls, callers=callers, connection_s=connection_s)
    executor_rpc.add_ExecutorServiceServicer_to_server(
        ExecutorServicer(executor), server.grpc
    )
    serve_link(server, of_executor(executor), life_s=life_s)
    address = await server.start(at)
    try:
        yield address
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def reached(
    reach: Reach, *targets: str, tls: MutualTls | None, patience_s: float = 0.0
) -> AsyncIterator[RemoteExecutor]:
    """Reach executors one way or the other."""
    far = RemoteExecutor(targets, reach=reach, tls=tls, patience_s=patience_s)
    try:
        yield far
    finally:
        await far.close()
