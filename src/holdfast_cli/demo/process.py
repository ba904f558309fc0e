"""The simulated providers as a child process that never outlives its parent."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence

from holdfast_cli.demo.misbehaviour import Pace
from holdfast_cli.demo.server import READY

_START_SECONDS = 20.0
"""A Python process listens within one; a loaded machine may take several."""

_STOP_SECONDS = 5.0
"""It has nothing to finish, so it ends at once or hangs."""

DEMO_PACE = Pace(first_token_s=0.15, token_s=0.02)
"""Quick for a model, and slow enough that a stream is seen to run."""


class SimulatorFailedError(Exception):
    """The simulated providers did not start; why is on their standard error."""


class SimulatorProcess:
    """Simulated providers at work in a process of their own.

    Attributes:
        port: Where they listen, on loopback.
    """

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    @classmethod
    async def start(
        cls, *, providers: Sequence[str] = (), pace: Pace = DEMO_PACE, port: int = 0
    ) -> "SimulatorProcess":
        """Start them and return when they can be called.

        Raises:
            SimulatorFailedError: They ended, or did not listen in time.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast_cli.demo.server", "--with-parent"),
            *("--port", str(port), "--providers", ",".join(providers)),
            *("--first-token-s", str(pace.first_token_s)),
            *("--token-s", str(pace.token_s)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C is for the gateway; it stops these when it has stopped itself.
            start_new_session=True,
        )
        try:
            return cls(process, await _listening(process))
        except BaseException:
            await _end(process)
            raise

    async def stop(self) -> None:
        """Stop them; do nothing if they have ended."""
        await _end(self._process)


async def _listening(process: asyncio.subprocess.Process) -> int:
    line = b""
    if process.stdout is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                line = await process.stdout.readline()
    word, _, port = line.decode().strip().partition(" ")
    if word != READY:
        raise SimulatorFailedError(
            f"the simulated providers did not start within {_START_SECONDS:g} s"
        )
    return int(port)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
