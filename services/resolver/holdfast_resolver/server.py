"""Puts the resolver together and serves it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from holdfast import process
from holdfast.api.catalog.v1 import catalog_service_pb2_grpc as catalog_rpc
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as rpc
from holdfast.catalog import load_shipped
from holdfast.configuration import load_configuration
from holdfast.environment import ALONE, Environment, Worker
from holdfast.model import Catalog
from holdfast.rpc.link.offers import of_resolver
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.server import GrpcServer
from holdfast.secret_files import follow, secrets_of
from holdfast.settings import Settings
from holdfast.signing import PlanKeys
from holdfast_resolver import directory
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.etcd_stores import EtcdStores
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.metrics import shown
from holdfast_resolver.probes import Probes
from holdfast_resolver.residency import Residency
from holdfast_resolver.service import ResolverService
from holdfast_resolver.servicer import CatalogServicer, ResolverServicer
from holdfast_resolver.warmth import Warmth

LISTEN = "0.0.0.0:50051"
"""Where it is served unless its environment says otherwise."""

SERVICES = (
    "holdfast.api.resolver.v1.ResolverService",
    "holdfast.api.catalog.v1.CatalogService",
)

_SYNC_WAIT_S = 2.0
"""How long a start waits for what other replicas know. Without it the service
answers all the same; sessions then go by hash until etcd is there."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def resolver(
    settings: Settings, plan_keys: PlanKeys, etcd_endpoints: Sequence[str]
) -> AsyncIterator[ResolverService]:
    """Run a resolver in this process.

    Args:
        settings: The configuration file.
        plan_keys: What plans are signed with.
        etcd_endpoints: Where bindings and health are shared.
    """
    catalog = load_shipped() if settings.shipped_catalog else Catalog()
    stores = EtcdStores(etcd_endpoints, settings.etcd.prefix)
    known = directory.build(settings, catalog, os.environ)
    health = Health(stores.health, _now_ms)
    probes = Probes(stores.probes, _now_ms)
    service = ResolverService(
        known,
        plan_keys,
        stores.sessions,
        health,
        probes,
        Warmth(_now_ms),
        Crowds(_now_ms),
        Residency(stores.residency, _now_ms),
    )

    def reread() -> None:
        service.replace_directory(directory.build(settings, catalog, os.environ))

    await stores.start()
    following = asyncio.create_task(follow(secrets_of(settings), reread))
    try:
        await stores.wait_synced(_SYNC_WAIT_S)
        with shown(health, probes, stores):
            yield service
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await stores.close()


@asynccontextmanager
async def grpc_server(
    service: ResolverService, listen: str, drain_s: float, worker: Worker = ALONE
) -> AsyncIterator[str]:
    """Serve a resolver over gRPC and give the address."""
    server = GrpcServer(SERVICES, worker)
    rpc.add_ResolverServiceServicer_to_server(ResolverServicer(service), server.grpc)
    catalog_rpc.add_CatalogServiceServicer_to_server(
        CatalogServicer(service), server.grpc
    )
    serve_link(server, of_resolver(service))
    address = await server.start(listen)
    try:
        yield address
    finally:
        await server.stop(drain_s)


@asynccontextmanager
async def serve(settings: Settings, environment: Environment) -> AsyncIterator[str]:
    """Run the resolver as a process of its own."""
    endpoints = environment.etcd_endpoints or settings.etcd.endpoints
    if not endpoints:
        endpoints = ("127.0.0.1:2379",)
    async with (
        resolver(settings, environment.keys(), endpoints) as service,
        grpc_server(
            service,
            environment.listen or LISTEN,
            environment.drain_seconds,
            environment.worker,
        ) as address,
    ):
        yield address


def main() -> None:
    """Run the resolver until told to stop."""
    process.main("resolver", serve, listen=LISTEN, reads=load_configuration)
