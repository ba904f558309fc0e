"""Three members of an etcd cluster, each on a host of its own."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fakes.caller import in_time
from ha.hosts import Host
from ha.processes import Process
from holdfast_cli.etcd_binary import find_etcd

CLIENTS, PEERS = 2379, 2380


class Cluster:
    """The members.

    Attributes:
        members: By host, in the order of the hosts.
    """

    def __init__(
        self, hosts: Sequence[Host], folder: Path, disks: Sequence[Path] = ()
    ) -> None:
        """Prepare; `start` starts it.

        Args:
            hosts: One for each member.
            folder: Where logs are, and data unless `disks` says otherwise.
            disks: Where each member's data is.
        """
        self._hosts = hosts
        self.endpoints = ",".join(f"{host.address}:{CLIENTS}" for host in hosts)
        everyone = ",".join(
            f"{host.name}=http://{host.address}:{PEERS}" for host in hosts
        )
        disks = disks or [folder / f"etcd-data-{host.name}" for host in hosts]
        self.members = [
            Process(
                host,
                "etcd",
                _command(host, disk, everyone),
                folder,
                {"ETCDCTL_API": "3"},
            )
            for host, disk in zip(hosts, disks, strict=True)
        ]

    async def start(self) -> None:
        """Start all of them, and return once they serve."""
        await asyncio.gather(*(member.start() for member in self.members))
        await self.whole()

    async def stop(self) -> None:
        """End all of them."""
        await asyncio.gather(*(member.kill() for member in self.members))

    async def whole(self) -> None:
        """Return once every member serves."""

        async def serves() -> bool:
            healthy = [await self._serves(host) for host in self._hosts]
            return all(healthy)

        await in_time(serves, within_s=60)

    async def leader(self) -> Process:
        """Return the member that leads."""
        for _ in range(100):
            for host, member in zip(self._hosts, self.members, strict=True):
                said = await self.control(host, "endpoint", "status")
                if said and _leads(said[0]["Status"]):
                    return member
            await asyncio.sleep(0.1)
        raise AssertionError("nobody leads")

    async def control(self, host: Host, *command: str, typed: bytes = b"") -> Any:
        """Run the command that comes with etcd; return what it says, None if nothing.

        Args:
            host: Whose member is asked.
            command: What is asked.
            typed: What the command reads.
        """
        done = await asyncio.to_thread(
            subprocess.run,
            host.command(
                [
                    str(find_etcd().with_name("etcdctl")),
                    f"--endpoints=http://127.0.0.1:{CLIENTS}",
                    "--dial-timeout=2s",
                    "--command-timeout=2s",
                    "--write-out=json",
                    *command,
                ]
            ),
            capture_output=True,
            check=False,
            input=typed,
        )
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    async def _serves(self, host: Host) -> bool:
        said = await self.control(host, "endpoint", "health")
        return bool(said and said[0]["health"])


def _leads(status: dict[str, Any]) -> bool:
    return bool(status["header"]["member_id"] == status["leader"])


def _command(host: Host, disk: Path, everyone: str) -> list[str]:
    return [
        str(find_etcd()),
        f"--name={host.name}",
        f"--data-dir={disk}",
        f"--listen-client-urls=http://0.0.0.0:{CLIENTS}",
        f"--advertise-client-urls=http://{host.address}:{CLIENTS}",
        f"--listen-peer-urls=http://0.0.0.0:{PEERS}",
        f"--initial-advertise-peer-urls=http://{host.address}:{PEERS}",
        f"--initial-cluster={everyone}",
        "--logger=zap",
        "--log-level=warn",
        "--log-outputs=stderr",
        # Tests write little and promise nothing for after a crash of the machine.
        "--unsafe-no-fsync",
    ]
