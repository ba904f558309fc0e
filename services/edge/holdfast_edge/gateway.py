"""Puts the edge together and serves it."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from holdfast import process
from holdfast.config_file import Loaded, load
from holdfast.control.administration import Administration
from holdfast.environment import Environment
from holdfast.ports import Executor, Ledger, Resolver, StoredResponses
from holdfast.rpc.administration import RemoteAdministration
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.rpc.ledger import RemoteLedger
from holdfast.rpc.link.client import Link
from holdfast.rpc.stored_responses import RemoteStoredResponses
from holdfast.rpc.tls import mutual_tls
from holdfast.settings import Settings
from holdfast_edge.app import create_app
from holdfast_edge.console.settings import ALONE, ConsoleSettings
from holdfast_edge.https import https
from holdfast_edge.server import EdgeServer

_PATIENCE_S = 5.0
"""How long a request waits for a service that is away: one that died is started
again within two or three seconds, and a caller would rather wait than fail."""


@asynccontextmanager
async def edge(  # noqa: PLR0913 - each is for the caller to choose
    listen: str,
    resolver: Resolver,
    executor: Executor,
    administration: Administration,
    ledger: Ledger,
    *,
    ready: Callable[[], Awaitable[bool]],
    drain: timedelta,
    shared: bool = False,
    tls: ssl.SSLContext | None = None,
    console: ConsoleSettings = ALONE,
    responses: StoredResponses | None = None,
) -> AsyncIterator[str]:
    """Run an edge in this process and give its address.

    Args:
        listen: `HOST:PORT`; port 0 picks a free one.
        resolver: Decides where requests may run, here or elsewhere.
        executor: Carries plans out, likewise.
        administration: Keeps what organizations have made, likewise.
        ledger: Tells what became of requests, likewise.
        ready: Says whether both can be reached.
        drain: How long requests begun may go on when the context ends.
        shared: Whether other processes are served at the same address.
        tls: What HTTPS is spoken with. None: HTTP.
        console: What the console is told of where it runs.
        responses: Keeps responses that are gone on from. None: nobody does.
    """
    registry = _ProcessRegistry()
    server = EdgeServer(
        create_app(
            resolver,
            executor,
            administration,
            ledger,
            ready=ready,
            registry=registry,
            console=console,
            responses=responses,
        ),
        listen,
        grace=drain,
        shared=shared,
        tls=tls,
    )
    address = await server.start()
    try:
        yield address
    finally:
        await server.stop()
        registry.close()


class _ProcessRegistry(CollectorRegistry):
    """The process's figures, and among them an edge's as long as it runs."""

    def __init__(self) -> None:
        super().__init__()
        self._own: list[Collector] = []

    def register(self, collector: Collector) -> None:
        REGISTRY.register(collector)
        self._own.append(collector)

    def collect(self) -> Iterable[Metric]:
        return REGISTRY.collect()

    def close(self) -> None:
        """Show the edge's no longer."""
        while self._own:
            REGISTRY.unregister(self._own.pop())


@asynccontextmanager
async def serve(settings: Settings, environment: Environment) -> AsyncIterator[str]:
    """Run the edge as a process of its own."""
    async with (
        https(environment.listen_certificates()) as listen_tls,
        mutual_tls(environment) as tls,
    ):
        resolver = RemoteResolver(
            environment.resolver_targets, reach=Link, patience_s=_PATIENCE_S, tls=tls
        )
        executor = RemoteExecutor(
            environment.executor_targets,
            reach=Link,
            patience_s=_PATIENCE_S,
            tls=tls,
            resolver=resolver,
        )

        administration = RemoteAdministration(
            environment.resolver_targets, patience_s=_PATIENCE_S, tls=tls
        )

        ledger = RemoteLedger(
            environment.resolver_targets, patience_s=_PATIENCE_S, tls=tls
        )

        responses = RemoteStoredResponses(
            environment.resolver_targets, patience_s=_PATIENCE_S, tls=tls
        )

        async def ready() -> bool:
            return resolver.is_reachable() and executor.is_reachable()

        try:
            async with edge(
                environment.listen or settings.listen,
                resolver,
                executor,
                administration,
                ledger,
                ready=ready,
                drain=timedelta(seconds=environment.drain_seconds),
                shared=environment.worker.of > 1,
                tls=listen_tls,
                console=ConsoleSettings(environment.session(), environment.drill_uri),
                responses=responses,
            ) as address:
                yield address
        finally:
            await executor.close()
            await resolver.close()
            await administration.close()
            await ledger.close()
            await responses.close()


def _read(path: Path, _environment: Environment) -> Loaded:
    """Read the configuration file, of whose secrets the edge needs none."""
    return load(path, given=())


def main() -> None:
    """Run the edge until told to stop."""
    process.main("edge", serve, reads=_read)
