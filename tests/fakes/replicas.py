"""Several gateways on one etcd, or several processes of each service.

async with running(Gateway(config, folder / "a"), Gateway(config, folder / "b")):
    ...

async with Services(config, folder, etcd.endpoint) as services:
    services.resolvers[0].kill()
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from fakes.caller import in_time
from fakes.gateway import Gateway
from holdfast.signing import new_key

_STOP_S = 30


@contextlib.asynccontextmanager
async def running(*gateways: Gateway) -> AsyncIterator[None]:
    """Run gateways, started at the same time, without blocking the event loop."""
    for gateway in gateways:
        gateway.folder.mkdir(exist_ok=True)
    try:
        await asyncio.gather(*(asyncio.to_thread(each.start) for each in gateways))
        yield
    finally:
        await asyncio.gather(
            *(asyncio.to_thread(each.stop) for each in gateways if each.process)
        )


class Service:
    """One service's process, as Kubernetes runs it."""

    def __init__(self, name: str, folder: Path, variables: dict[str, str]) -> None:
        """Prepare; `start` starts it.

        Args:
            name: `edge`, `resolver` or `executor`.
            folder: Where its log goes.
            variables: Its `HOLDFAST_*` variables.
        """
        self.name = name
        self.address = ""
        self._log = folder / f"{name}.log"
        self._variables = variables
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it, at the address it had before if it had one."""
        listen = self.address or "127.0.0.1:0"
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name(f"holdfast-{self.name}"))],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **self._variables, "HOLDFAST_LISTEN": listen},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready "), self._log.read_text()
        self.address = line.removeprefix("ready ").strip()
        return self.address

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_STOP_S)
        finally:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.stop(signal.SIGKILL)


class Services:
    """One edge before two resolvers and two executors."""

    def __init__(self, config: dict[str, Any], folder: Path, etcd: str) -> None:
        """Prepare; entering the context starts them.

        Args:
            config: The configuration file.
            folder: Where the file and the logs go.
            etcd: Its `host:port`.
        """
        path = folder / "holdfast.yaml"
        path.write_text(yaml.safe_dump(config))
        self._folder = folder
        self._variables = {
            "HOLDFAST_CONFIG": str(path),
            "HOLDFAST_PLAN_KEYS": new_key(),
            "HOLDFAST_ETCD_ENDPOINTS": etcd,
            "HOLDFAST_DRAIN_SECONDS": "5",
            "HOLDFAST_LOG_LEVEL": "warning",
        }
        self.resolvers: list[Service] = []
        self.executors: list[Service] = []
        self.edge: Service | None = None
        self._started: list[Service] = []

    @property
    def base_url(self) -> str:
        """Where the edge is."""
        assert self.edge is not None
        return f"http://{self.edge.address}"

    async def __aenter__(self) -> Self:
        self.resolvers = await self._two("resolver")
        self.executors = await self._two("executor")
        (self.edge,) = await self._start("edge")
        async with httpx.AsyncClient(base_url=self.base_url) as client:

            async def ready() -> bool:
                return (await client.get("/readyz")).status_code == 200

            await in_time(ready)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for service in reversed(self._started):
            await asyncio.to_thread(service.stop)

    async def _two(self, name: str) -> list[Service]:
        services = await self._start(name, name)
        targets = ",".join(service.address for service in services)
        self._variables[f"HOLDFAST_{name.upper()}_TARGETS"] = targets
        return services

    async def _start(self, *names: str) -> list[Service]:
        services = [
            Service(name, self._folder, dict(self._variables)) for name in names
        ]
        self._started += services
        await asyncio.gather(*(asyncio.to_thread(each.start) for each in services))
        return services
