"""Several replicas of the administration over one etcd, as resolvers have it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from configuration_files import parse
from fakes.control import FILE, SEALING
from fakes.directory import resolver
from holdfast.model import Catalog
from holdfast_resolver import tenants
from holdfast_resolver.control.sealed import Sealed
from holdfast_resolver.control.service import AdministrationService
from holdfast_resolver.etcd.client import EtcdClient
from holdfast_resolver.etcd_control import EtcdControlStore
from holdfast_resolver.tenants import Tenants


class Replica:
    """One replica: what it keeps in mind of etcd, and what it answers from that."""

    def __init__(
        self,
        endpoints: Sequence[str],
        prefix: str,
        client: EtcdClient | None = None,
        idle_s: float = 1.0,
    ) -> None:
        self._client = client or EtcdClient(endpoints)
        self.store = EtcdControlStore(self._client, f"{prefix}/control/", idle_s=idle_s)
        settings = parse(FILE).settings
        ground = tenants.ground(settings, Catalog(), {})
        self.tenants = Tenants(ground, self.store.state, lambda: self.store.known)
        self.store.listen(self.tenants.take)
        sealed = Sealed(SEALING, lambda: self.tenants.resident)
        self.administration = AdministrationService(self.store, self.tenants, sealed)
        self.resolver = resolver(settings)
        self.resolver.replace_directory(self.tenants.directory)
        self.tenants.listen(self.resolver.replace_directory)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read, whether there is an etcd or not."""
        self._running = asyncio.create_task(self.store.mirror.run())

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._client.close()


@contextlib.asynccontextmanager
async def replicas(
    endpoint: str, prefix: str, many: int, idle_s: float = 1.0
) -> AsyncIterator[list[Replica]]:
    """Run replicas that have read what there is."""
    found = [Replica([endpoint], prefix, idle_s=idle_s) for _ in range(many)]
    try:
        for replica in found:
            await replica.start()
            assert await replica.store.mirror.wait_synced(10)
        yield found
    finally:
        for replica in found:
            await replica.close()
