"""Processes come and go; the gateway stays."""

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fakes.demo import holdfast
from fakes.gateway import Gateway, configuration
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
    """Give a gateway of three processes."""
    folder = tmp_path_factory.mktemp("processes")
    with Gateway(configuration(shared_sim, MODELS), folder, separate=True) as running:
        yield running


def ask(gateway: Gateway) -> int:
    """Make a call and return its status; 0 if nobody takes it."""
    try:
        return gateway.http.post(
            "/v1/chat/completions",
            json={"model": "m", "messages": [{"role": "user", "content": "Hello"}]},
        ).status_code
    except httpx.TransportError:
        return 0


def children(gateway: Gateway) -> list[Process]:
    """Return the processes that a gateway has started."""
    assert gateway.process is not None
    return descendants(gateway.process.pid)


class TestOneServiceDies:
    """Of three processes; it is started again where it was."""

    @pytest.mark.parametrize("service", SERVICES)
    async def test_calls_go_on(self, gateway: Gateway, service: str) -> None:
        """Another process serves them, at the same address."""
        assert ask(gateway) == 200
        (victim,) = (c for c in children(gateway) if service in c.command)

        victim.kill()

        # While the edge itself is away there is nobody to wait with the caller.
        await until(lambda: ask(gateway) == 200, within_s=30)
        (successor,) = (c for c in children(gateway) if service in c.command)
        assert successor.pid != victim.pid

    @pytest.mark.parametrize("service", ["holdfast_resolver", "holdfast_executor"])
    async def test_a_caller_behind_the_edge_need_not_notice(
        self, gateway: Gateway, service: str
    ) -> None:
        """The edge waits for the service to come back; no call is refused."""
        (victim,) = (c for c in children(gateway) if service in c.command)

        victim.kill()
        statuses = [ask(gateway) for _ in range(3)]

        assert statuses == [200, 200, 200]


class TestTwoGateways:
    """On one machine."""

    def test_each_finds_ports_of_its_own(
        self, shared_sim: SimulatedProviders, tmp_path: Path
    ) -> None:
        """Nobody chose the internal ones, so they do not clash."""
        config = configuration(shared_sim, MODELS)
        folders = tmp_path / "a", tmp_path / "b"
        for folder in folders:
            folder.mkdir()

        with Gateway(config, folders[0]) as one, Gateway(config, folders[1]) as other:
            statuses = ask(one), ask(other)
            ports = {one.resolver, one.executor, other.resolver, other.executor}

        assert statuses == (200, 200)
        assert len(ports) == 4

    def test_two_do_not_share_a_state_directory(
        self, shared_sim: SimulatedProviders, tmp_path: Path
    ) -> None:
        """The second is refused with what to do, and the first goes on."""
        with Gateway(configuration(shared_sim, MODELS), tmp_path) as first:
            said = holdfast(tmp_path, "up", "--config", "holdfast.yaml")
            status = ask(first)

        assert (said.status, said.out) == (2, "")
        assert said.err == (
            f"holdfast up: another gateway uses {tmp_path / 'state'}; stop it, "
            "or give this one a `state_dir` of its own\n"
        )
        assert status == 200

    def test_an_address_that_is_taken_is_named(
        self, gateway: Gateway, tmp_path: Path
    ) -> None:
        """Somebody chose it, so no other will do."""
        taken = gateway.base_url.removeprefix("http://")
        (tmp_path / "taken.yaml").write_text(f"listen: {taken}\ncatalog: none\n")

        said = holdfast(tmp_path, "up", "--config", "taken.yaml")

        assert (said.status, said.out) == (2, "")
        *_, last = said.err.splitlines()
        assert last.startswith(f"holdfast up: cannot listen on {taken}: ")


class TestTheEnd:
    """Nothing is left behind, however it ends."""

    async def test_a_start_can_be_interrupted(
        self, shared_sim: SimulatedProviders, tmp_path: Path
    ) -> None:
        """Without a traceback, and with what had been started by then."""
        gateway = Gateway(configuration(shared_sim, MODELS), tmp_path, separate=True)
        gateway.launch()
        await until(lambda: any("etcd" in c.command for c in children(gateway)))
        await until(lambda: "holdfast_resolver" in str(children(gateway)))
        started = children(gateway)

        status = gateway.stop(signal.SIGINT)

        assert status == 0
        assert "Traceback" not in (tmp_path / "stderr.log").read_text()
        await until(lambda: not any(child.is_alive for child in started))

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_gateway_of_three_processes_stops_cleanly(
        self, shared_sim: SimulatedProviders, tmp_path: Path, number: signal.Signals
    ) -> None:
        """With status 0, and its services and etcd with it."""
        with Gateway(
            configuration(shared_sim, MODELS), tmp_path, separate=True
        ) as gateway:
            started = children(gateway)

            status = gateway.stop(number)

        assert status == 0
        assert len(started) >= len(SERVICES) + 1
        await until(lambda: not any(child.is_alive for child in started))

    async def test_one_that_is_killed_leaves_no_orphans(
        self, shared_sim: SimulatedProviders, tmp_path: Path
    ) -> None:
        """And its state directory is free at once."""
        config = configuration(shared_sim, MODELS)
        with Gateway(config, tmp_path, separate=True) as gateway:
            started = children(gateway)
            gateway.stop(signal.SIGKILL)

        with Gateway(config, tmp_path) as again:
            status = ask(again)

        assert len(started) >= len(SERVICES) + 1
        await until(lambda: not any(child.is_alive for child in started), within_s=30)
        assert status == 200
