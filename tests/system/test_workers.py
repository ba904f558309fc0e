"""Several workers of each service share its address, and stand in for one another."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fakes.gateway import KEY, Gateway, configuration
from fakes.patience import until
from fakes.processes import Process, descendants
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

MODELS = {"m": [{"provider": "one"}]}
SERVICES = ("holdfast_edge", "holdfast_resolver", "holdfast_executor")


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give a gateway with two workers of each service."""
    folder = tmp_path_factory.mktemp("workers")
    config = configuration(shared_sim, MODELS)
    two = {"HOLDFAST_WORKERS": "2"}
    with Gateway(config, folder, separate=True, environ=two) as running:
        yield running


def ask(gateway: Gateway) -> int:
    """Make a call on a connection of its own, and return its status."""
    return httpx.post(
        f"{gateway.base_url}/v1/chat/completions",
        headers={"x-api-key": KEY},
        json={"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
        timeout=60,
    ).status_code


def worker_met(gateway: Gateway) -> str:
    """Return which of the edge's workers takes a new connection."""
    text = httpx.get(f"{gateway.base_url}/metrics").text
    (number,) = re.findall(r'^holdfast_worker\{worker="(\d)"\} 1', text, re.MULTILINE)
    return str(number)


def workers(gateway: Gateway, service: str) -> list[Process]:
    """Return the workers of a service: what its parent has forked."""
    assert gateway.process is not None
    parents = [p for p in descendants(gateway.process.pid) if service in p.command]
    below = {child.pid: child for each in parents for child in descendants(each.pid)}
    # A worker may have a process of its own bring the ledger's tables up to date.
    return [child for child in below.values() if "migration" not in child.command]


async def test_both_workers_serve(gateway: Gateway) -> None:
    """Connections are spread over them, and each says which it is."""
    met: set[str] = set()

    await until(lambda: met.add(worker_met(gateway)) or met == {"1", "2"})

    assert {service: len(workers(gateway, service)) for service in SERVICES} == (
        dict.fromkeys(SERVICES, 2)
    )
    assert {ask(gateway) for _ in range(10)} == {200}


@pytest.mark.parametrize("service", SERVICES)
async def test_no_later_call_is_lost_with_a_worker(
    gateway: Gateway, service: str
) -> None:
    """The other one serves meanwhile, and a new one takes its place."""
    victim, other = workers(gateway, service)

    victim.kill()
    await until(lambda: not victim.is_alive)
    statuses = [ask(gateway) for _ in range(20)]

    assert statuses == [200] * 20
    await until(lambda: len(workers(gateway, service)) == 2, within_s=30)
    assert other.pid in {worker.pid for worker in workers(gateway, service)}


async def test_stopping_leaves_no_worker_behind(
    shared_sim: SimulatedProviders, tmp_path: Path
) -> None:
    """Each is told, and the parent ends with success."""
    config = configuration(shared_sim, MODELS)
    two = {"HOLDFAST_WORKERS": "2"}
    with Gateway(config, tmp_path, separate=True, environ=two) as running:
        assert running.process is not None
        all_of_them = descendants(running.process.pid)
        assert ask(running) == 200
        status = running.stop()

    assert status == 0
    assert not any(process.is_alive for process in all_of_them)


async def test_workers_do_not_outlive_a_parent_that_was_killed(
    shared_sim: SimulatedProviders, tmp_path: Path
) -> None:
    """Nobody is there to tell them, and they end all the same."""
    config = configuration(shared_sim, MODELS)
    two = {"HOLDFAST_WORKERS": "2"}
    with Gateway(config, tmp_path, separate=True, environ=two) as running:
        assert running.process is not None
        edges = [
            process
            for process in descendants(running.process.pid)
            if "holdfast_edge" in process.command
        ]
        (parent,) = [each for each in edges if descendants(each.pid)]
        parent.kill()

        await until(lambda: not any(process.is_alive for process in edges), within_s=30)
