"""An etcd of one's own, for as long as this process lives.

It listens on loopback alone, keeps its data in a folder, is started again when
it dies, and ends with the process that runs it, however that ends.
"""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import IO

import structlog

from holdfast_cli.etcd_binary import find_etcd, is_for_demos_and_tests, version_of
from holdfast_cli.orphans import tethered

_log = structlog.get_logger()

_FLAGS = (
    "--name=holdfast",
    "--logger=zap",
    "--log-level=warn",
    "--log-outputs=stderr",
    # History is kept so that a watch can resume after a cut; ten minutes of it.
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=10m",
    # The most that etcd suggests; it refuses writes beyond its default, 2 GiB.
    "--quota-backend-bytes=8589934592",
    # It has nobody to hold an election with: it serves 0.1 s after its start
    # where the defaults, 100 and 1000, take 0.7 to 1.6 s.
    "--heartbeat-interval=20",
    "--election-timeout=100",
)

_PORT_ATTEMPTS = 5
_POLL_S = 0.02
_STOP_TIMEOUT_S = 5.0
_FIRST_BACKOFF_S = 0.1
_LAST_BACKOFF_S = 5.0
# An etcd that has lived this long had started well.
_SETTLED_S = 10.0
_LARGEST_LOG_BYTES = 10 << 20


class EtcdStartError(Exception):
    """Etcd ended before it listened; its log says why."""


class EtcdProcess:
    """One etcd, supervised.

    Use it from one thread, which must outlive it: on Linux etcd ends when the
    thread that started it does.
    """

    def __init__(self, folder: Path, *, binary: Path | None = None) -> None:
        """Prepare; `start` starts it.

        Args:
            folder: Where its data and its log are, `data` and `etcd.log`. Made
                where it is missing.
            binary: The etcd to run, where it is not to be looked for.
        """
        self._folder = folder
        self._binary = binary
        self._ports = (0, 0)
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @property
    def endpoint(self) -> str:
        """Where clients reach it, `host:port`: the same until it is stopped."""
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is no process."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    @property
    def log_path(self) -> Path:
        """Where its log is."""
        return self._folder / "etcd.log"

    async def start(self) -> str:
        """Start it, and return its endpoint once it listens there.

        Raises:
            EtcdNotFoundError: There is no etcd on this machine.
            EtcdStartError: It ended at once.
        """
        if self._binary is None:
            self._binary = await asyncio.to_thread(find_etcd)
        version = await asyncio.to_thread(version_of, self._binary)
        if is_for_demos_and_tests(version):
            _log.warning("etcd_for_demos_and_tests_only", version=version)
        self._folder.mkdir(parents=True, exist_ok=True)
        for _ in range(_PORT_ATTEMPTS):
            # Another process may take a free port before etcd does: try others.
            # The peer's need not be the one its data remembers: nobody calls it.
            self._ports = _free_ports()
            self._process = await self._spawn()
            if await self._listens():
                self._supervisor = asyncio.create_task(self._supervise())
                return self.endpoint
        raise EtcdStartError(f"etcd does not start; see {self.log_path}")

    async def wait_ready(self, timeout: float) -> bool:  # noqa: ASYNC109, bounded
        """Wait up to `timeout` seconds until it serves, and return whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    if await self._is_healthy():
                        return True
                    await asyncio.sleep(_POLL_S)
        return False

    async def stop(self) -> None:
        """End it, in good order if it ends within five seconds."""
        if self._supervisor is not None:
            async with self._starting:  # not between a start and knowing of it
                self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            self._supervisor = None
        process, self._process = self._process, None
        if process is None:
            return
        # SIGCONT too: a process that is stopped ends no sooner than it goes on.
        for number, patience_s in (
            (signal.SIGTERM, _STOP_TIMEOUT_S),
            (signal.SIGKILL, None),
        ):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await process.wait()
                    return

    async def _supervise(self) -> None:
        """Start it again, on the same ports, whenever it ends."""
        now = asyncio.get_running_loop().time
        backoff_s = _FIRST_BACKOFF_S
        while True:
            started = now()
            if self._process is not None:
                code = await self._process.wait()
                _log.warning("etcd_ended", code=code, log=str(self.log_path))
            if now() - started >= _SETTLED_S:
                backoff_s = _FIRST_BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)
            async with self._starting:
                try:
                    self._process = await self._spawn()
                except OSError as error:  # no more processes, no more disk
                    self._process = None
                    _log.warning("etcd_not_started", reason=str(error))

    async def _spawn(self) -> asyncio.subprocess.Process:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._ports)
        command = (
            str(self._binary),
            f"--data-dir={self._folder / 'data'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=holdfast={peer}",
            *_FLAGS,
        )
        # etcd takes settings from ETCD_*: those that are there are not for it.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("ETCD_")}
        with self._open_log() as log:
            return await asyncio.create_subprocess_exec(
                *tethered(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                # Ctrl-C is for us: we write what is queued, then end etcd.
                start_new_session=True,
            )

    def _open_log(self) -> IO[bytes]:
        path = self.log_path
        large = path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES
        return path.open("wb" if large else "ab")

    async def _listens(self) -> bool:
        """Wait until it accepts connections; return False if it ends instead."""
        while self.pid is not None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._ports[0])
                writer.close()
                await writer.wait_closed()
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def _is_healthy(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[0])
        except OSError:
            return False
        try:
            writer.write(b"GET /health HTTP/1.0\r\n\r\n")
            return b'"health":"true"' in await reader.read()
        except OSError:
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _free_ports() -> tuple[int, int]:
    """Return two ports of loopback that nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
