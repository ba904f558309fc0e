"""An etcd of three members on loopback, each of which may be harmed.

async with EtcdCluster(folder) as etcd:
    await etcd.kill(0)
"""

import asyncio
import contextlib
import functools
import os
import signal
from pathlib import Path
from typing import Self

from fakes.caller import in_time
from fakes.names import port_of
from holdfast_cli.etcd_binary import find_etcd
from holdfast_cli.orphans import tethered

_START_S = 30


class EtcdCluster:
    """Three members.

    Attributes:
        endpoints: Theirs, `host:port`.
        peers: Where they speak to each other.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ports = [port_of("127.0.0.1") for _ in range(6)]
        self.endpoints = [f"127.0.0.1:{port}" for port in ports[:3]]
        self.peers = [f"http://127.0.0.1:{port}" for port in ports[3:]]
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        await self.start_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        for number in [*self._processes]:
            await self.kill(number)

    def data(self, number: int) -> Path:
        """Return where a member's data are."""
        return self._folder / f"m{number}"

    def identity(self, number: int) -> list[str]:
        """Return the options that say who a member is, and who the others are."""
        cluster = ",".join(f"m{n}={uri}" for n, uri in enumerate(self.peers))
        return [
            f"--name=m{number}",
            f"--initial-advertise-peer-urls={self.peers[number]}",
            f"--initial-cluster={cluster}",
        ]

    async def start_all(self) -> None:
        """Start all three, and wait until all of them serve."""
        for number in range(3):
            await self.start(number)
        for number in range(3):
            await self.wait_healthy(number)

    async def wait_healthy(self, number: int) -> None:
        """Wait until a member serves."""
        healthy = functools.partial(_is_healthy, self.endpoints[number])
        await in_time(healthy, _START_S)

    async def start(self, number: int, *, joins: bool = False) -> None:
        """Start a member, with the data it had.

        Args:
            number: Which one.
            joins: Whether, without data, it joins the others, instead of beginning
                anew with them.
        """
        client = f"http://{self.endpoints[number]}"
        command = [
            str(find_etcd()),
            *self.identity(number),
            f"--data-dir={self.data(number)}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={self.peers[number]}",
            f"--initial-cluster-state={'existing' if joins else 'new'}",
            "--log-level=error",
        ]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("ETCD_")}
        with (self._folder / f"m{number}.log").open("ab") as log:
            self._processes[number] = await asyncio.create_subprocess_exec(
                *tethered(command), stdout=log, stderr=log, env=environ
            )

    async def kill(self, number: int) -> None:
        """End a member as nobody can see coming."""
        process = self._processes.pop(number)
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def _is_healthy(endpoint: str) -> bool:
    host, _, port = endpoint.rpartition(":")
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        said = await reader.read()
        writer.close()
        await writer.wait_closed()
        return b'"health":"true"' in said
    return False
