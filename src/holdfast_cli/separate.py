"""A service as a process of its own, started anew if it dies."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
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


@asynccontextmanager
async def running(
    module: str, listen: str, environment: Mapping[str, str]
) -> AsyncIterator[str]:
    """Run a service while the context lasts, and give its address.

    Args:
        module: The package to run, e.g. `holdfast_edge`.
        listen: Where it is to be served.
        environment: Its `HOLDFAST_*` variables.

    Raises:
        OSError: It did not start.
    """
    child, address = await _start(module, listen, environment)
    # With the port that was chosen: it is to come back where it was.
    keeper = asyncio.create_task(_keep(child, module, address, environment))
    try:
        yield address
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _start(
    module: str, listen: str, environment: Mapping[str, str]
) -> tuple[asyncio.subprocess.Process, str]:
    child = await asyncio.create_subprocess_exec(
        *tethered([sys.executable, "-m", module]),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment, "HOLDFAST_LISTEN": listen},
        # Ctrl-C is for this process; it tells the others in the right order.
        start_new_session=True,
    )
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = (await child.stdout.readline()).decode()
    except TimeoutError:
        line = ""
    if not line.startswith(_READY):
        await _end(child)
        raise OSError(f"{module} did not start; its log above says why")
    return child, line.removeprefix(_READY).strip()


async def _keep(
    child: asyncio.subprocess.Process,
    module: str,
    address: str,
    environment: Mapping[str, str],
) -> None:
    """Start the service again whenever it dies; end it when cancelled."""
    try:
        while True:
            status = await child.wait()
            _log.error("service_died", module=module, status=status)
            await asyncio.sleep(_PAUSE_S)
            with contextlib.suppress(OSError):
                child, _ = await _start(module, address, environment)
    finally:
        await _end(child)


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
