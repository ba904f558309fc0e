"""Replicas that let calls in by quotas, and calls that cost something."""

import asyncio
import dataclasses
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from fakes.plans import deployment, membership, names, plan, step
from holdfast.errors import GatewayError
from holdfast.model import (
    Attempt,
    Budget,
    Caller,
    Limits,
    Outcome,
    Pricing,
    Requirements,
    Reservation,
    Usage,
)
from holdfast_resolver.directory import Membership
from holdfast_resolver.etcd.client import EtcdClient
from holdfast_resolver.etcd_quotas import EtcdTallyStore
from holdfast_resolver.quotas.admission import Admission
from holdfast_resolver.quotas.periods import month
from holdfast_resolver.quotas.store import TallyStore
from holdfast_resolver.quotas.tally import Share, Tally

KEY = Caller("acme", "web", "web-1")
USD = 1_000_000_000
"""Nanodollars in a dollar."""

# A million output tokens for a dollar: a token is a thousand nanodollars.
DEPLOYMENT = deployment(pricing=Pricing(0, 1_000_000, 0, 0))
PLAN = plan(
    step(DEPLOYMENT), caller=KEY, limits=Limits(request_timeout=timedelta(seconds=60))
)


def cents(amount: float) -> Requirements:
    """Need what costs so much, in hundredths of a dollar."""
    return Requirements(output_tokens=round(amount * 10_000))


def budget(usd: float, *scope: str, **facts) -> Budget:
    """Allow a scope so many dollars a month: an organization, project and key."""
    organization, project, key = (*(scope or ("acme",)), "", "")[:3]
    return Budget(organization, project, key, round(usd * 1_000_000), **facts)


def member(*budgets: Budget, **rates: int) -> Membership:
    """Make a key with these budgets and rates."""
    return dataclasses.replace(
        membership(names()), caller=KEY, budgets=budgets, **rates
    )


@dataclasses.dataclass(slots=True)
class Spent:
    """What calls have cost, and what became of those that were not let in.

    Attributes:
        refused: Their errors.
        dearest: The largest reservation there was.
    """

    nanos: int = 0
    calls: int = 0
    refused: list[GatewayError] = dataclasses.field(default_factory=list)
    dearest: int = 0

    @property
    def reasons(self) -> set[str]:
        """Why calls were refused."""
        return {error.reason for error in self.refused}


class Replica:
    """One replica of a resolver, as far as quotas go."""

    def __init__(self, store: TallyStore, now: Callable[[], float]) -> None:
        self.store = store
        self.now = now
        self.admission = Admission(store, now=now)

    async def reserve(
        self, who: Membership, wanted: Requirements
    ) -> Reservation | None:
        """Let a call in."""
        return await self.admission.reserve(who, PLAN, wanted)

    def settle(
        self,
        reservation: Reservation | None,
        nanos: int,
        *,
        tokens: int = 0,
        started_s: float | None = None,
    ) -> None:
        """Hear that a call has ended, and what it cost."""
        if reservation is not None:
            self.charge(reservation, nanos, tokens=tokens, started_s=started_s)
            self.admission.finish(KEY, reservation)

    def charge(
        self,
        reservation: Reservation,
        nanos: int,
        *,
        tokens: int = 0,
        started_s: float | None = None,
    ) -> None:
        """Hear what an attempt cost."""
        at_s = self.now() if started_s is None else started_s
        attempt = Attempt(
            1,
            DEPLOYMENT.id,
            Outcome.SUCCEEDED,
            start_time_ms=int(at_s * 1_000),
            usage=Usage(tokens, 0),
            cost_usd_nanos=nanos,
        )
        self.admission.charge(KEY, reservation, attempt)

    def spent(self, of: Budget) -> int:
        """Say what is spent of a budget, as far as this replica knows."""
        (status,) = self.admission.status([of])
        return status.spent_usd_nanos

    def free(self, of: Budget) -> int:
        """Say what this replica holds ahead of need."""
        tally = self.store.get(f"{month(self.now()).name}/usd/{of.id}") or Tally()
        share = tally.shares.get(self.store.replica, Share())
        return share.held - share.reserved

    def reserved(self, of: Budget) -> int:
        """Say what calls under way may cost."""
        (status,) = self.admission.status([of])
        return status.reserved_usd_nanos


@asynccontextmanager
async def running(
    store: TallyStore, now: Callable[[], float] = time.time
) -> AsyncIterator[Replica]:
    """Run a replica on a store."""
    replica = Replica(store, now)
    task = asyncio.create_task(replica.admission.run())
    try:
        yield replica
        await replica.admission.close()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def connected(
    endpoint: str, prefix: str, now: Callable[[], float] = time.time
) -> AsyncIterator[Replica]:
    """Run a replica on an etcd, which is taken for gone after four seconds."""
    client = EtcdClient([endpoint])
    store = EtcdTallyStore(
        client, f"{prefix}/1/q/", f"{prefix}/1/r/", idle_s=0.5, life_s=4
    )
    tasks = [
        asyncio.create_task(work())
        for work in (store.mirror.run, store.presence.run, store.run)
    ]
    try:
        assert await store.mirror.wait_synced(10)
        async with running(store, now) as replica:
            yield replica
        await store.close()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


async def call(
    replicas: Sequence[Replica],
    who: Membership,
    wanted: Requirements,
    spent: Spent,
    chance: random.Random,
) -> None:
    """Make a call that costs up to what it may, and is settled by anybody."""
    try:
        reservation = await chance.choice(replicas).reserve(who, wanted)
    except GatewayError as error:
        spent.refused.append(error)
        return
    assert reservation is not None
    spent.dearest = max(spent.dearest, reservation.usd_nanos)
    await asyncio.sleep(chance.random() / 50)
    cost = round(reservation.usd_nanos * chance.random())
    spent.nanos += cost
    spent.calls += 1
    chance.choice(replicas).settle(reservation, cost)
