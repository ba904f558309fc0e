"""Hosts that are network namespaces: what is done to one costs no caller an answer."""

import signal
import subprocess
from pathlib import Path

import pytest

from ha.faults import WELL
from ha.hosts import PREFIX, Host, Network, why_not
from ha.lab import Lab
from ha.verdict import cost

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "there can be hosts"),
]


async def test_callers_lose_nothing_to_dead_replicas_a_pulled_cable_and_a_dead_leader(
    tmp_path: Path,
) -> None:
    """Not a call; and nothing is asked twice without need."""
    async with Lab(tmp_path) as lab:
        async with lab.called():
            await lab.further(WELL)
            for victim in (lab.one.resolver, lab.one.executor):
                await victim.kill()
                await lab.further(WELL)
                await victim.start()
                await lab.further(WELL)
            lab.two.host.pull_cable()
            await lab.further(2 * WELL)
            lab.two.host.plug_in()
            await lab.etcd.whole()
            await (await lab.etcd.leader()).kill()
            await lab.further(2 * WELL)
        one, two = (place.host.address for place in lab.places)
        came = cost(lab.seen(), dead_edges=[two], dead_executors=[one, two])

    assert came.made >= 9 * WELL
    assert not came.failures
    assert came.needless == 0


def test_no_packet_of_a_host_can_leave_the_machine() -> None:
    """It knows no other way than to the hosts on its switch."""
    with Network() as network:
        host = network.join("one")
        routes = host.run("ip", "route", "show", "table", "all", "default")
        links = [line.split("@")[0].split()[0] for line in _links(host)]

    assert routes == ""
    assert sorted(links) == ["eth0", "lo"]


def _links(host: Host) -> list[str]:
    return host.run("ip", "-brief", "link").splitlines()


def test_hosts_of_a_run_that_was_killed_go_with_the_next_one() -> None:
    """Neither they nor what runs on them is left."""
    left = f"{PREFIX}{_nobody()}-one"
    subprocess.run(["ip", "netns", "add", left], check=True)
    running = subprocess.Popen(["ip", "netns", "exec", left, "sleep", "60"])
    with Network():
        there = subprocess.run(
            ["ip", "netns", "list"], capture_output=True, text=True, check=True
        ).stdout

    assert left not in there
    assert running.wait(10) == -signal.SIGKILL


def _nobody() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid
