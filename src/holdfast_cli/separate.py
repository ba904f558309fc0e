"""Services as processes of their own, each started anew if it dies."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

from holdfast_cli.orphans import tethered

_log = structlog.get_logger("holdfast.up")

_START_TIMEOUT_S = 60.0
"""A service starts in two seconds; a laden machine gets thirty times that."""

_STOP_TIMEOUT_S = 20.0
"""Longer than the services drain for; then the process is killed."""

_PAUSE_S = 0.5
"""Before a service that died is started again."""

_READY = "ready "


class Service:
    """One service, as long as it is wanted."""

    def __init__(
        self, module: str, listen: str, environment: Mapping[str, str]
    ) -> None:
        """Prepare; `start` starts it.

        Args:
            module: The package to run, e.g. `holdfast_edge`.
            listen: Where it is to be served; port 0 picks a free one.
            environment: Its `HOLDFAST_*` variables.
        """
        self._module = module
        self._listen = listen
        self._environment = environment
        self._child: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Start it and return its address once it serves.

        Raises:
            OSError: It did not start.
        """
        self._child, address = await self._spawn()
        # With the port that was chosen: it is to come back where it was.
        self._listen = address
        self._keeper = asyncio.create_task(self._keep(self._child))
        return address

    async def stop(self) -> None:
        """End it; do nothing if it was not started."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._child is not None:
            await _end(self._child)

    async def _spawn(self) -> tuple[asyncio.subprocess.Process, str]:
        child = await asyncio.create_subprocess_exec(
            *tethered([sys.executable, "-m", self._module]),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **self._environment, "HOLDFAST_LISTEN": self._listen},
            # Ctrl-C is for this process; it tells the others in the right order.
            start_new_session=True,
        )
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                line = (await child.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        except BaseException:
            await _end(child)
            raise
        if not line.startswith(_READY):
            await _end(child)
            raise OSError(f"{self._module} did not start; its log above says why")
        return child, line.removeprefix(_READY).strip()

    async def _keep(self, child: asyncio.subprocess.Process) -> None:
        """Start the service again whenever it dies."""
        while True:
            status = await child.wait()
            _log.error("service_died", module=self._module, status=status)
            await asyncio.sleep(_PAUSE_S)
            with contextlib.suppress(OSError):
                child, _ = await self._spawn()
                self._child = child


@asynccontextmanager
async def running(services: Sequence[Service]) -> AsyncIterator[list[str]]:
    """Run services while the context lasts, and give their addresses.

    They are started all at once and ended one after the other, the last one
    first: it may still need those before it.

    Raises:
        OSError: One of them did not start.
    """
    try:
        started = await asyncio.gather(
            *(service.start() for service in services), return_exceptions=True
        )
        for outcome in started:
            if isinstance(outcome, BaseException):
                raise outcome
        yield [address for address in started if isinstance(address, str)]
    finally:
        for service in reversed(services):
            await service.stop()


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
