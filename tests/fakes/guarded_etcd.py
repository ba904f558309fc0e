"""An etcd that speaks TLS alone, and only to those who show a certificate.

async with GuardedEtcd(folder, authority) as etcd:
    ... etcd.endpoint
"""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Self

from fakes.certificates import Authority
from fakes.names import port_of
from holdfast_cli.etcd_binary import find_etcd
from holdfast_cli.orphans import tethered


class GuardedEtcd:
    """One etcd whose clients have certificates of an authority.

    Attributes:
        tls: The folder with its own certificate, which etcd reads again for each
            connection.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder = folder
        self._authority = authority
        self._process: asyncio.subprocess.Process | None = None
        self.tls = folder / "etcd-tls"
        self.endpoint = ""

    async def __aenter__(self) -> Self:
        client, peer = port_of("127.0.0.1"), port_of("127.0.0.1")
        paths = self._authority.issue("localhost", "etcd").write(self.tls)
        self.endpoint = f"localhost:{client}"
        urls = [f"https://localhost:{client}", f"http://127.0.0.1:{peer}"]
        command = [
            str(find_etcd()),
            f"--data-dir={self._folder / 'data'}",
            f"--listen-client-urls=https://127.0.0.1:{client}",
            f"--advertise-client-urls={urls[0]}",
            f"--listen-peer-urls={urls[1]}",
            f"--initial-advertise-peer-urls={urls[1]}",
            f"--initial-cluster=default={urls[1]}",
            f"--trusted-ca-file={paths.ca}",
            f"--cert-file={paths.cert}",
            f"--key-file={paths.key}",
            "--client-cert-auth",
            "--log-level=warn",
        ]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("ETCD_")}
        with (self._folder / "etcd.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tethered(command), stdout=log, stderr=log, env=environ
            )
        await self._listens(client)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        await self._process.wait()

    async def _listens(self, port: int) -> None:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    return
                await asyncio.sleep(0.02)

    async def control(self, *command: str, typed: str = "") -> None:
        """Run the command that comes with etcd, as somebody with a certificate."""
        paths = self._authority.issue("operator").write(self._folder / "operator")
        process = await asyncio.create_subprocess_exec(
            str(find_etcd().with_name("etcdctl")),
            f"--endpoints=https://{self.endpoint}",
            f"--cacert={paths.ca}",
            f"--cert={paths.cert}",
            f"--key={paths.key}",
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await process.communicate(typed.encode())
        assert process.returncode == 0
