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
from collections.abc import AsyncIterator, Callable, Mapping
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

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, wait until it is gone, and return what it ended with."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)
        return self.wait()

    def wait(self) -> int:
        """Wait until it is gone, and return what it ended with."""
        assert self._process is not None
        try:
            return self._process.wait(_STOP_S)
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
    """One edge, or several, before two resolvers and two executors.

    Attributes:
        edges: So are the resolvers and the executors there.
    """

    def __init__(
        self,
        config: dict[str, Any],
        folder: Path,
        etcd: str,
        variables: Callable[[str], Mapping[str, str]] = lambda _: {},
        *,
        edges: int = 1,
    ) -> None:
        """Prepare; entering the context starts them.

        Args:
            config: The configuration file.
            folder: Where the file and the logs go.
            etcd: Its `host:port`.
            variables: What a service is told besides, by `edge`, `resolver` or
                `executor`.
            edges: How many of them.
        """
        path = folder / "holdfast.yaml"
        path.write_text(yaml.safe_dump(config))
        self._folder = folder
        self._more = variables
        self._variables = {
            "HOLDFAST_CONFIG": str(path),
            "HOLDFAST_PLAN_KEYS": new_key(),
            "HOLDFAST_ETCD_ENDPOINTS": etcd,
            "HOLDFAST_DRAIN_SECONDS": "5",
            "HOLDFAST_LOG_LEVEL": "warning",
        }
        self.resolvers: list[Service] = []
        self.executors: list[Service] = []
        self.edges: list[Service] = []
        self._edges = edges
        self._started: list[Service] = []

    @property
    def base_url(self) -> str:
        """Where the first edge is."""
        return f"http://{self.edges[0].address}"

    async def __aenter__(self) -> Self:
        try:
            await self._start_all()
        except BaseException:
            await self._stop_all()
            raise
        return self

    async def _start_all(self) -> None:
        self.resolvers = await self._two("resolver")
        self.executors = await self._two("executor")
        self.edges = await self._start(*["edge"] * self._edges)
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                asked = [
                    await client.get(f"http://{edge.address}/readyz")
                    for edge in self.edges
                ]
                return all(answer.status_code == 200 for answer in asked)

            await in_time(ready)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop_all()

    async def _stop_all(self) -> None:
        # Who asks before who is asked.
        for name in ("edge", "executor", "resolver"):
            named = [each for each in self._started if each.name == name]
            await asyncio.gather(*(asyncio.to_thread(each.stop) for each in named))

    async def _two(self, name: str) -> list[Service]:
        services = await self._start(name, name)
        targets = ",".join(service.address for service in services)
        self._variables[f"HOLDFAST_{name.upper()}_TARGETS"] = targets
        return services

    async def _start(self, *names: str) -> list[Service]:
        services = [
            Service(name, self._folder, {**self._variables, **self._more(name)})
            for name in names
        ]
        self._started += services
        await asyncio.gather(*(asyncio.to_thread(each.start) for each in services))
        return services
