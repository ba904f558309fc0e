"""Eight resolvers share one etcd, and a provider is away for a minute.

The replicas and etcd are real; time is told, and so is how calls end.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from fakes.caller import in_time
from fakes.clock import Clock
from fakes.directory import BY_KEY, resolver, settings
from fakes.patience import until
from fakes.plans import KEYS, attempt, deployment, model
from holdfast.model import Outcome, Plan, StepReason
from holdfast.ports import AttemptReport, ReportAttemptsRequest, ResolveModelRequest
from holdfast.rpc.messages import principal_from_wire
from holdfast_resolver.etcd_stores import EtcdStores
from holdfast_resolver.service import ResolverService

REPLICAS = 8
DOWN, WELL = "a/m-eu", "b/m-eu"
CONFIGURED = settings(model("m", deployment(DOWN), deployment(WELL)))
OUTAGE_S = 60
STEP_S = 0.5


@dataclass
class Replica:
    """One resolver and its connection to etcd."""

    stores: EtcdStores
    service: ResolverService

    async def plan(self) -> Plan:
        request = ResolveModelRequest(principal_from_wire(BY_KEY), "m")
        return KEYS.verify(await self.service.resolve_model(request))

    async def report(self, plan: Plan, *attempts) -> None:
        report = AttemptReport(
            plan.caller, plan.plan_id, "", "", attempts, timedelta(seconds=60)
        )
        await self.service.report_attempts(ReportAttemptsRequest([report]))

    async def rests(self) -> bool:
        """Tell whether it does, as this replica knows."""
        return await self.left() == timedelta(seconds=5)

    async def left(self) -> timedelta | None:
        """Say how much longer the deployment rests, as this replica knows."""
        request = ResolveModelRequest(
            principal_from_wire(BY_KEY), "m", validate_only=True
        )
        plan = KEYS.verify(await self.service.resolve_model(request))
        return next(s.cooldown for s in plan.steps if s.deployment.id == DOWN)


class Fleet:
    """The replicas, and the world they live in."""

    def __init__(self, replicas: list[Replica], clock: Clock) -> None:
        self.replicas = replicas
        self.clock = clock
        self.is_down = True
        self.calls = 0
        self.probed_at: list[float] = []
        self.errors = 0
        self.first_choices: list[str] = []
        self._began_ms = clock.now_ms()

    @property
    def now_s(self) -> float:
        return (self.clock.now_ms() - self._began_ms) / 1_000

    async def request(self, replica: Replica) -> None:
        """Carry out one request as an executor would, in no time."""
        plan = await replica.plan()
        made = []
        self.first_choices.append(plan.steps[0].deployment.id)
        for step in plan.steps:
            if step.reason is StepReason.PROBE:
                self.probed_at.append(self.now_s)
            fails = step.deployment.id == DOWN and self.is_down
            self.calls += step.deployment.id == DOWN
            made.append(
                attempt(
                    step.deployment.id,
                    Outcome.CONNECTION_FAILED if fails else Outcome.SUCCEEDED,
                    ordinal=len(made) + 1,
                    start_time_ms=self.clock.now_ms(),
                )
            )
            if not fails:
                break
        else:
            self.errors += 1
        await replica.report(plan, *made)

    async def round(self) -> None:
        """Have every replica serve some requests, and let what is said be heard."""
        for replica in self.replicas:
            for _ in range(2):
                await self.request(replica)
        await self.agree()
        self.clock.advance(STEP_S)

    async def agree(self) -> None:
        """Wait until all replicas know the same."""
        await until(
            lambda: (
                len(
                    {
                        tuple(r.stores.health.mirror.entries.items())
                        for r in self.replicas
                    }
                )
                == 1
                and not any(
                    r.stores.health.writer.pending(key)
                    for r in self.replicas
                    for key in r.stores.health.mirror.entries
                )
            )
        )


@pytest.fixture
async def fleet(etcd_endpoint: str, etcd_prefix: str) -> AsyncIterator[Fleet]:
    """Give eight replicas that know of no failure."""
    clock = Clock(time.time_ns() // 1_000_000)
    replicas = []
    for _ in range(REPLICAS):
        stores = EtcdStores([etcd_endpoint], etcd_prefix)
        await stores.start()
        service = resolver(
            CONFIGURED, health=stores.health, probes=stores.probes, clock=clock
        )
        replicas.append(Replica(stores, service))
    for replica in replicas:
        assert await replica.stores.wait_synced(10)
    yield Fleet(replicas, clock)
    await asyncio.gather(*(replica.stores.close() for replica in replicas))


async def test_an_outage_of_a_minute_costs_the_fleet_a_probe_a_rest(
    fleet: Fleet,
) -> None:
    """Not one a replica; no caller sees an error, and the return is noticed soon."""
    while fleet.now_s < OUTAGE_S:
        await fleet.round()
    calls_while_down = fleet.calls
    fleet.is_down = False
    while await fleet.replicas[0].left() is not None:
        await fleet.round()
    noticed_s = fleet.now_s - OUTAGE_S

    assert fleet.errors == 0
    during = [at for at in fleet.probed_at if at < OUTAGE_S]
    assert 10 <= len(during) <= 16, during
    assert all(b > a for a, b in itertools.pairwise(during)), "two at a time"
    # Before the first rest each replica needs some failures of its own.
    assert calls_while_down <= len(during) + 3 * REPLICAS
    assert noticed_s <= 5 + STEP_S


async def test_after_its_return_a_deployment_takes_its_share_bit_by_bit(
    fleet: Fleet,
) -> None:
    """A few cold starts at first, half of them after half a minute."""
    while fleet.now_s < 10:
        await fleet.round()
    fleet.is_down = False
    while await fleet.replicas[0].left() is not None:
        await fleet.round()
    shares = []
    for _ in range(4):
        fleet.first_choices.clear()
        for _ in range(20):
            await fleet.round()
        shares.append(fleet.first_choices.count(DOWN) / len(fleet.first_choices))

    assert shares[0] < 0.2
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(0.5, abs=0.05)


async def test_every_replica_hears_of_a_failure_from_the_one_that_was_told(
    fleet: Fleet,
) -> None:
    """Without a request of its own that fails."""
    told = fleet.replicas[0]
    plan = await told.plan()
    await told.report(
        plan, attempt(DOWN, Outcome.RATE_LIMITED, start_time_ms=fleet.clock.now_ms())
    )

    for replica in fleet.replicas:
        await in_time(replica.rests)
