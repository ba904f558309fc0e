"""Processes on hosts: started, harmed, started again.

They end with the process that started them, however that ends.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from ha.hosts import Host
from holdfast_cli.orphans import tethered

_START_S = 60.0
_STOP_S = 60.0


class Process:
    """A command on a host, as often as it is started.

    Attributes:
        host: Where it runs.
        name: What it is called in its log's name.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        command: Sequence[str],
        folder: Path,
        variables: Mapping[str, str],
        *,
        ready: str = "",
    ) -> None:
        """Prepare; `start` starts it.

        Args:
            ready: What the line begins with that it prints once it is ready. Empty:
                it prints none.
        """
        self.host = host
        self.name = name
        self.log = folder / f"{name}-{host.name}.log"
        self._command = command
        self._ready = ready
        self._variables = variables
        self._child: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return once it is ready."""
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *tethered(self.host.command(self._command)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self._ready else log,
                stderr=log,
                env={**_clean(), **self._variables},
                start_new_session=True,
            )
        if self._ready:
            assert self._child.stdout is not None
            async with asyncio.timeout(_START_S):
                line = (await self._child.stdout.readline()).decode()
            assert line.startswith(self._ready), self.log.read_text()[-2000:]

    @property
    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.returncode is None

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self._child is not None
        # Not by way of `subprocess`, which looks first whether it has ended and
        # takes the news from the event loop.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, number)

    def pause(self) -> None:
        """Have it do nothing, and not know that."""
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it go on."""
        self.send(signal.SIGCONT)

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """End it in good order, and return its exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> int:
        child = self._child
        if child is None:
            return 0
        if child.returncode is None:
            self.send(number)
            self.send(signal.SIGCONT)
        try:
            async with asyncio.timeout(_STOP_S):
                return await child.wait()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
            _close(child)


def _close(child: asyncio.subprocess.Process) -> None:
    # The pipe of one that has ended is closed by hand: nobody reads it to its end.
    child._transport.close()  # type: ignore[attr-defined]


def _clean() -> dict[str, str]:
    """Return this process's environment without settings that are for others."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOLDFAST_", "ETCD_", "FAKETIME"))
    }
