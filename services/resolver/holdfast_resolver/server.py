"""Puts the resolver together and serves it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from holdfast import process
from holdfast.api.admin.v1 import admin_service_pb2_grpc as admin_rpc
from holdfast.api.catalog.v1 import catalog_service_pb2_grpc as catalog_rpc
from holdfast.api.ledger.v1 import budget_service_pb2_grpc as budget_rpc
from holdfast.api.ledger.v1 import ledger_service_pb2_grpc as ledger_rpc
from holdfast.api.ledger.v1 import stored_response_service_pb2_grpc as responses_rpc
from holdfast.api.resolver.v1 import resolver_service_pb2_grpc as rpc
from holdfast.catalog import load_shipped
from holdfast.config_file import Loaded
from holdfast.config_file.known import ALL_SECRETS, CREDENTIALS
from holdfast.configuration import load_configuration
from holdfast.environment import ALONE, Environment, Worker
from holdfast.model import Catalog
from holdfast.ports import Ledger, StoredResponses
from holdfast.rpc.link.offers import of_budgets, of_resolver
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.server import GrpcServer
from holdfast.rpc.tls import MutualTls, mutual_tls
from holdfast.sealing import SealingKeys
from holdfast.secret_files import follow, secrets_of
from holdfast.settings import Credential, EtcdSettings, Settings
from holdfast.signing import PlanKeys
from holdfast_resolver import tenants
from holdfast_resolver.admin_servicer import AdminServicer
from holdfast_resolver.control.sealed import Sealed
from holdfast_resolver.control.service import AdministrationService
from holdfast_resolver.crowds import Crowds
from holdfast_resolver.etcd_stores import EtcdStores
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.ledger.servicer import LedgerServicer, StoredResponseServicer
from holdfast_resolver.metrics import shown
from holdfast_resolver.observation import Observation
from holdfast_resolver.probes import Probes
from holdfast_resolver.quotas.admission import Admission
from holdfast_resolver.residency import Residency
from holdfast_resolver.resident import is_here
from holdfast_resolver.service import ResolverService
from holdfast_resolver.servicer import (
    BudgetServicer,
    CatalogServicer,
    ResolverServicer,
)
from holdfast_resolver.tenants import Tenants
from holdfast_resolver.warmth import Warmth

LISTEN = "0.0.0.0:50051"
"""Where it is served unless its environment says otherwise."""

SERVICES = (
    "holdfast.api.resolver.v1.ResolverService",
    "holdfast.api.catalog.v1.CatalogService",
    "holdfast.api.admin.v1.AdminService",
    "holdfast.api.ledger.v1.LedgerService",
    "holdfast.api.ledger.v1.BudgetService",
    "holdfast.api.ledger.v1.StoredResponseService",
)

CALLERS = ("edge", "executor")
"""The names in the certificates of those who may call it."""

_SYNC_WAIT_S = 2.0
"""How long a start waits for what other replicas know. Without it the service
answers all the same; sessions then go by hash until etcd is there."""

_READING_WAIT_S = 30.0
"""How long it waits where they are being told: a million sessions take some seconds,
and one that is served meanwhile may lose its place."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Running:
    """What a resolver does for others, in this process.

    Attributes:
        service: Plans requests, and learns from how they end.
        administration: Keeps what organizations have.
        ledger: Tells what became of requests.
        responses: Keeps responses that are gone on from.
    """

    service: ResolverService
    administration: AdministrationService
    ledger: Ledger
    responses: StoredResponses


@asynccontextmanager
async def resolver(
    settings: Settings,
    plan_keys: PlanKeys,
    etcd: EtcdSettings,
    sealing: SealingKeys | None = None,
    *,
    is_held: Callable[[Credential], bool] = is_here,
) -> AsyncIterator[Running]:
    """Run a resolver in this process.

    Args:
        settings: The configuration file.
        plan_keys: What plans are signed with.
        etcd: Where bindings, health and resources are shared.
        sealing: What credentials are sealed with that administrators give. None:
            they can give none.
        is_held: Says whether a credential of the file is where it is needed.
    """
    catalog = load_shipped() if settings.shipped_catalog else Catalog()
    stores = EtcdStores.of(etcd)
    ground = tenants.ground(settings, catalog, os.environ, is_held=is_held)
    control = stores.control
    known = Tenants(ground, control.state, lambda: control.known)
    control.listen(known.take)
    health = Health(stores.health, _now_ms)
    probes = Probes(stores.probes, _now_ms)
    admission = Admission(stores.quotas)
    observation = Observation(settings, lambda: known.organizations, _now_ms)
    sealed = Sealed(sealing, lambda: known.resident)
    administration = AdministrationService(control, known, sealed)
    service = ResolverService(
        known.directory,
        plan_keys,
        stores.sessions,
        health,
        probes,
        Warmth(_now_ms),
        Crowds(_now_ms),
        Residency(stores.residency, _now_ms),
        observation.recorder,
        admission=admission,
        preview=administration.preview,
    )

    known.listen(service.replace_directory)
    loop = asyncio.get_running_loop()

    def reread() -> None:
        # In a thread of its own, since it takes long; what follows is quick.
        fresh = tenants.ground(settings, catalog, os.environ, is_held=is_held)
        loop.call_soon_threadsafe(known.replace_ground, fresh)

    await stores.start()
    tasks = [
        asyncio.create_task(follow(secrets_of(settings), reread)),
        asyncio.create_task(sealed.seal_anew(control)),
        asyncio.create_task(admission.run()),
    ]
    try:
        if not await stores.wait_synced(_SYNC_WAIT_S) and stores.is_reading:
            await stores.wait_synced(_READING_WAIT_S)
        with shown(health, probes, stores, known, admission):
            async with observation.running():
                ledger = observation.ledger(service.member)
                responses = observation.responses(service.member)
                yield Running(service, administration, ledger, responses)
    finally:
        await admission.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await stores.close()


@asynccontextmanager
async def grpc_server(  # noqa: PLR0913 - each is for the caller to choose
    running: Running,
    listen: str,
    drain_s: float,
    worker: Worker = ALONE,
    *,
    tls: MutualTls | None = None,
    callers: Collection[str] = (),
) -> AsyncIterator[str]:
    """Serve a resolver over gRPC and give the address.

    Args:
        running: What is served.
        listen: Where, `HOST:PORT`.
        drain_s: How long calls begun may go on when the context ends.
        worker: Which of several processes on the same address this is.
        tls: What it shows its clients, and asks of them. None: in the clear.
        callers: With TLS, whose certificates may call. None given: `CALLERS`.
    """
    server = GrpcServer(SERVICES, worker, tls=tls, callers=callers or CALLERS)
    service = running.service
    rpc.add_ResolverServiceServicer_to_server(ResolverServicer(service), server.grpc)
    admin_rpc.add_AdminServiceServicer_to_server(
        AdminServicer(running.administration), server.grpc
    )
    catalog_rpc.add_CatalogServiceServicer_to_server(
        CatalogServicer(service), server.grpc
    )
    budget_rpc.add_BudgetServiceServicer_to_server(BudgetServicer(service), server.grpc)
    ledger_rpc.add_LedgerServiceServicer_to_server(
        LedgerServicer(running.ledger), server.grpc
    )
    responses_rpc.add_StoredResponseServiceServicer_to_server(
        StoredResponseServicer(running.responses), server.grpc
    )
    serve_link(server, {**of_resolver(service), **of_budgets(service)})
    address = await server.start(listen)
    try:
        yield address
    finally:
        await server.stop(drain_s)


@asynccontextmanager
async def serve(settings: Settings, environment: Environment) -> AsyncIterator[str]:
    """Run the resolver as a process of its own."""
    etcd = environment.etcd(settings.etcd)
    if not etcd.endpoints:
        etcd = replace(etcd, endpoints=("127.0.0.1:2379",))
    async with (
        mutual_tls(environment) as tls,
        resolver(
            settings,
            environment.keys(),
            etcd,
            environment.sealing(),
            is_held=_held_elsewhere if environment.credentials_held_by else is_here,
        ) as running,
        grpc_server(
            running,
            environment.listen or LISTEN,
            environment.drain_seconds,
            environment.worker,
            tls=tls,
            callers=environment.tls_callers,
        ) as address,
    ):
        yield address


def _held_elsewhere(_credential: Credential) -> bool:
    """Take a credential for there: what is tried without it falls back."""
    return True


def _read(path: Path, environment: Environment) -> Loaded:
    """Read the configuration file with the secrets that a resolver is given."""
    elsewhere = {CREDENTIALS} if environment.credentials_held_by else frozenset()
    return load_configuration(path, given=ALL_SECRETS - elsewhere)


def main() -> None:
    """Run the resolver until told to stop."""
    process.main("resolver", serve, listen=LISTEN, reads=_read)
