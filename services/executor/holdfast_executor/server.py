"""Puts the executor together and serves it."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from holdfast import process
from holdfast.api.executor.v1 import executor_service_pb2_grpc as rpc
from holdfast.config_file import Loaded, load
from holdfast.config_file.known import CREDENTIALS
from holdfast.environment import ALONE, Environment, Worker
from holdfast.model import Attempt
from holdfast.ports import Resolver
from holdfast.rpc.clients import RemoteResolver
from holdfast.rpc.link.client import Link
from holdfast.rpc.link.offers import of_executor
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.server import GrpcServer
from holdfast.rpc.tls import MutualTls, mutual_tls
from holdfast.sealing import SealingKeys
from holdfast.settings import Settings
from holdfast.signing import PlanKeys
from holdfast_executor.attempts import Order
from holdfast_executor.auth import Authentication
from holdfast_executor.calling import Caller
from holdfast_executor.credentials import Credentials
from holdfast_executor.lessons import Lessons
from holdfast_executor.metrics import shown
from holdfast_executor.reporting import Reporter
from holdfast_executor.service import ExecutorService
from holdfast_executor.servicer import ExecutorServicer
from holdfast_executor.transport import Transport

LISTEN = "0.0.0.0:50052"
"""Where it is served unless its environment says otherwise."""

SERVICES = ("holdfast.api.executor.v1.ExecutorService",)

CALLERS = ("edge",)
"""The names in the certificates of those who may call it."""


@asynccontextmanager
async def executor(
    settings: Settings,
    plan_keys: PlanKeys,
    resolver: Resolver,
    sealing: SealingKeys | None = None,
) -> AsyncIterator[ExecutorService]:
    """Run an executor in this process.

    Args:
        settings: The configuration file, for the credentials in it.
        plan_keys: What plans are verified with.
        resolver: Whom to report to.
        sealing: Opens credentials that plans bear. None: they bear none.
    """
    transport = Transport()
    lessons = Lessons()
    reporter = Reporter(resolver, lessons.resting, vantage=lessons.vantage)
    authentication = Authentication(Credentials.of(settings, sealing))

    def tell(order: Order, attempt: Attempt) -> None:
        longest = order.plan.limits.retry_after_cap.total_seconds()
        authentication.learn(attempt, longest)
        reporter.tell(order, attempt)

    await transport.start()
    authentication.start()
    reporter.start()
    try:
        caller = Caller(transport, authentication)
        with shown(lessons):
            yield ExecutorService(
                plan_keys,
                caller,
                tell,
                answering=reporter.answering,
                finished=reporter.finished,
                lessons=lessons,
                resolver=resolver,
            )
    finally:
        await reporter.close()
        await authentication.close()
        await transport.close()


@asynccontextmanager
async def grpc_server(  # noqa: PLR0913 - each is for the caller to choose
    service: ExecutorService,
    listen: str,
    drain_s: float,
    worker: Worker = ALONE,
    *,
    tls: MutualTls | None = None,
    callers: Collection[str] = (),
) -> AsyncIterator[str]:
    """Serve an executor over gRPC and give the address.

    Args:
        service: What is served.
        listen: Where, `HOST:PORT`.
        drain_s: How long calls begun may go on when the context ends.
        worker: Which of several processes on the same address this is.
        tls: What it shows its clients, and asks of them. None: in the clear.
        callers: With TLS, whose certificates may call. None given: `CALLERS`.
    """
    server = GrpcServer(SERVICES, worker, tls=tls, callers=callers or CALLERS)
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
    async with mutual_tls(environment) as tls:
        resolver = RemoteResolver(environment.resolver_targets, reach=Link, tls=tls)
        try:
            async with (
                executor(
                    settings, environment.keys(), resolver, environment.sealing()
                ) as service,
                grpc_server(
                    service,
                    environment.listen or LISTEN,
                    environment.drain_seconds,
                    environment.worker,
                    tls=tls,
                    callers=environment.tls_callers,
                ) as address,
            ):
                yield address
        finally:
            await resolver.close()


def _read(path: Path, _environment: Environment) -> Loaded:
    """Read the configuration file, of whose secrets these alone are ours."""
    return load(path, given=(CREDENTIALS,))


def main() -> None:
    """Run the executor until told to stop."""
    process.main("executor", serve, listen=LISTEN, reads=_read)
