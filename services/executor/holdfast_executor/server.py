"""Puts the executor together and serves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from holdfast import process
from holdfast.api.executor.v1 import executor_service_pb2_grpc as rpc
from holdfast.environment import Environment
from holdfast.ports import Resolver
from holdfast.rpc.clients import RemoteResolver
from holdfast.rpc.link.client import Link
from holdfast.rpc.link.offers import of_executor
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.server import GrpcServer
from holdfast.settings import Settings
from holdfast.signing import PlanKeys
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.reporting import Reporter
from holdfast_executor.service import ExecutorService
from holdfast_executor.servicer import ExecutorServicer
from holdfast_executor.transport import Transport

SERVICES = ("holdfast.api.executor.v1.ExecutorService",)


@asynccontextmanager
async def executor(
    settings: Settings, plan_keys: PlanKeys, resolver: Resolver
) -> AsyncIterator[ExecutorService]:
    """Run an executor in this process.

    Args:
        settings: The configuration file, for the credentials in it.
        plan_keys: What plans are verified with.
        resolver: Whom to report to.
    """
    transport = Transport()
    reporter = Reporter(resolver)
    await transport.start()
    reporter.start()
    try:
        caller = Caller(transport, Credentials.of(settings))
        yield ExecutorService(plan_keys, caller, reporter.tell)
    finally:
        await reporter.close()
        await transport.close()


@asynccontextmanager
async def grpc_server(
    service: ExecutorService, listen: str, drain_s: float
) -> AsyncIterator[str]:
    """Serve an executor over gRPC and give the address."""
    server = GrpcServer(SERVICES)
    rpc.add_ExecutorServiceServicer_to_server(ExecutorServicer(service), server.grpc)
    serve_link(server, of_executor(service))
    address = await server.start(listen)
    try:
        yield address
    finally:
        await server.stop(drain_s)


@asynccontextmanager
async def serve(settings: Settings, environment: Environment) -> AsyncIterator[str]:
    """Run the executor as a process of its own."""
    resolver = RemoteResolver(environment.resolver_targets, reach=Link)
    try:
        async with (
            executor(settings, environment.keys(), resolver) as service,
            grpc_server(
                service,
                environment.listen or "0.0.0.0:50052",
                environment.drain_seconds,
            ) as address,
        ):
            yield address
    finally:
        await resolver.close()


def main() -> None:
    """Run the executor until told to stop."""
    process.main("executor", serve)
