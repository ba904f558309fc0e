"""A metered replica in a process of its own, which can be killed and stopped.

    async with RemoteReplica.running(endpoint, prefix) as replica:
        reservation = await replica.reserve(5)

It is told what to do in lines of JSON, and answers each with one.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from holdfast.errors import GatewayError
from holdfast.model import Reservation


class Asked(msgspec.Struct):
    """What a replica is to do: let a call in, or settle one."""

    usd: float
    cents: float = 0.0
    settle: Reservation | None = None
    nanos: int = 0


class Told(msgspec.Struct):
    """What came of it."""

    reservation: Reservation | None = None
    refused: str = ""


class RemoteReplica:
    """A replica in another process."""

    def __init__(self, process: asyncio.subprocess.Process, usd: float) -> None:
        self._process = process
        self._usd = usd

    @staticmethod
    @contextlib.asynccontextmanager
    async def running(
        endpoint: str, prefix: str, usd: float = 1.0
    ) -> AsyncIterator["RemoteReplica"]:
        """Run one with an organization's budget of so many dollars."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            endpoint,
            prefix,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            assert await process.stdout.readline() == b"ready\n"
            yield RemoteReplica(process, usd)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.communicate()

    async def reserve(self, cents: float) -> Reservation | None:
        """Let a call in; None if it is not let in."""
        return (await self.ask(Asked(self._usd, cents))).reservation

    async def settle(self, reservation: Reservation, nanos: int) -> None:
        """Have it hear what a call cost."""
        await self.ask(Asked(self._usd, settle=reservation, nanos=nanos))

    async def ask(self, asked: Asked) -> Told:
        """Have it do something."""
        await self.begin(asked)
        return await self.answer()

    async def begin(self, asked: Asked) -> None:
        """Tell it to do something, and do not wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(asked) + b"\n")
        await self._process.stdin.drain()

    async def answer(self) -> Told:
        """Wait for the next answer."""
        assert self._process.stdout is not None
        return msgspec.json.decode(await self._process.stdout.readline(), type=Told)

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._process.kill()
        await self._process.wait()

    def stop(self) -> None:
        """Have it stand still."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it go on."""
        self._process.send_signal(signal.SIGCONT)


async def _serve(endpoint: str, prefix: str) -> None:
    # This file is run as it is: what it needs is found only by then.
    from fakes.metered import budget, cents, connected, member  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with connected(endpoint, prefix) as replica:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while line := await reader.readline():
            asked = msgspec.json.decode(line, type=Asked)
            told = Told()
            if asked.settle is not None:
                replica.settle(asked.settle, asked.nanos)
            else:
                try:
                    who = member(budget(asked.usd, "acme"))
                    told.reservation = await replica.reserve(who, cents(asked.cents))
                except GatewayError as error:
                    told.refused = error.reason
            sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    import structlog

    sys.path.insert(0, str(Path(__file__).parents[1]))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_serve(*sys.argv[1:]))
