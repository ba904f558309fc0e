"""An edge whose resolvers and executors are found by name, and come, go and die."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from fakes.administration import MemoryAdministration
from fakes.caller import Answer, Caller, served_by
from fakes.gateway import configuration
from fakes.ledgers import LedgerThatAnswers
from fakes.names import ScriptedNames, port_of
from fakes.patience import until
from fakes.provider import SimulatedProviders
from fakes.replicas import Service
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.rpc.link.client import Link
from holdfast.signing import new_key
from holdfast_edge import gateway

pytestmark = pytest.mark.system

MODELS = {"m": [{"id": f"{name}/m", "provider": name} for name in ("one", "two")]}
PODS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


class Deployment:
    """Replicas of one service at one port, each at an address of its own."""

    def __init__(
        self, name: str, folder: Path, names: ScriptedNames, variables: dict[str, str]
    ) -> None:
        self.name = name
        self.port = port_of(*PODS)
        self._names = names
        self.pods = {pod: Service(name, folder, variables) for pod in PODS}
        for pod, service in self.pods.items():
            service.address = f"{pod}:{self.port}"

    @property
    def target(self) -> str:
        return f"dns:///{self.name}.test:{self.port}"

    async def start(self, *pods: str) -> None:
        await asyncio.gather(*(asyncio.to_thread(self.pods[pod].start) for pod in pods))

    def behind(self, *pods: str) -> None:
        """Have the name lead to some of them."""
        self._names.lead(f"{self.name}.test", *pods)

    async def end(self) -> None:
        for service in self.pods.values():
            await asyncio.to_thread(service.stop)


class Fleet:
    """An edge in this process, and what it finds behind two names."""

    def __init__(self, sim: SimulatedProviders, folder: Path, etcd: str) -> None:
        path = folder / "holdfast.yaml"
        path.write_text(yaml.safe_dump(configuration(sim, MODELS)))
        variables = {
            "HOLDFAST_CONFIG": str(path),
            "HOLDFAST_PLAN_KEYS": new_key(),
            "HOLDFAST_ETCD_ENDPOINTS": etcd,
            "HOLDFAST_DRAIN_SECONDS": "20",
            "HOLDFAST_LOG_LEVEL": "warning",
        }
        self.names = ScriptedNames()
        self.resolvers = Deployment("resolver", folder, self.names, variables)
        targets = ",".join(f"{pod}:{self.resolvers.port}" for pod in PODS)
        told = {**variables, "HOLDFAST_RESOLVER_TARGETS": targets}
        self.executors = Deployment("executor", folder, self.names, told)

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[Caller]:
        resolver = RemoteResolver(
            [self.resolvers.target], reach=Link, patience_s=5, lookup=self.names
        )
        executor = RemoteExecutor(
            [self.executors.target], reach=Link, patience_s=5, lookup=self.names
        )

        async def ready() -> bool:
            return resolver.is_reachable() and executor.is_reachable()

        try:
            async with (
                gateway.edge(
                    "127.0.0.1:0",
                    resolver,
                    executor,
                    MemoryAdministration(),
                    LedgerThatAnswers(),
                    ready=ready,
                    drain=timedelta(seconds=1),
                ) as address,
                Caller(f"http://{address}") as caller,
            ):
                yield caller
        finally:
            await resolver.close()
            await executor.close()
            await self.executors.end()
            await self.resolvers.end()


@contextlib.asynccontextmanager
async def steady_calls(caller: Caller) -> AsyncIterator[list[Answer]]:
    """Ask one request after the other, of all kinds; give the answers."""
    answers: list[Answer] = []

    async def call() -> None:
        number = 0
        while True:
            number += 1
            session, stream = f"s{number % 5}", number % 2 > 0
            answers.append(await caller.ask("m", session=session, stream=stream))

    calls = [asyncio.create_task(call()) for _ in range(4)]
    try:
        yield answers
    finally:
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def further(answers: list[Answer], many: int) -> None:
    enough = len(answers) + many
    await until(lambda: len(answers) >= enough, within_s=40)


async def test_pods_are_killed_and_replaced_and_nobody_notices(
    sim: SimulatedProviders, tmp_path: Path, etcd_endpoint: str
) -> None:
    """Of three behind each name one after the other dies while calls go on."""
    fleet = Fleet(sim, tmp_path, etcd_endpoint)
    both = (fleet.resolvers, fleet.executors)
    for deployment in both:
        await deployment.start(*PODS)
        deployment.behind(*PODS)
    async with fleet.served() as caller, steady_calls(caller) as answers:
        await further(answers, 30)
        for pod in PODS:
            others = [other for other in PODS if other != pod]
            for deployment in both:
                await asyncio.to_thread(deployment.pods[pod].kill)
                await further(answers, 20)
                deployment.behind(*others)
                await further(answers, 20)
                await deployment.start(pod)
                deployment.behind(*PODS)
            await further(answers, 20)

    served_by(answers)


async def test_a_rollout_costs_no_call(
    sim: SimulatedProviders, tmp_path: Path, etcd_endpoint: str
) -> None:
    """New pods take over from old ones, which finish what they do."""
    fleet = Fleet(sim, tmp_path, etcd_endpoint)
    both = (fleet.resolvers, fleet.executors)
    old, new, _ = PODS
    for deployment in both:
        await deployment.start(old)
        deployment.behind(old)
    for provider in ("one", "two"):
        sim.fail(provider, "slow", seconds=1, times=10)
    async with fleet.served() as caller, steady_calls(caller) as answers:
        await until(lambda: len(sim.received()) > 3)
        for deployment in both:
            await deployment.start(new)
            deployment.behind(old, new)
            looked = len(fleet.names.asked)
            await until(lambda past=looked: len(fleet.names.asked) > past + 1, 20)
            deployment.behind(new)
            await asyncio.to_thread(deployment.pods[old].stop)
            await further(answers, 20)

    served_by(answers)
