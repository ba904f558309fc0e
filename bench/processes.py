"""Processes of the bench: started on cores of their own, measured, and ended by id."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The project: what is started finds its packages there."""

_STOP_S = 20.0
"""How long a process gets to end in order. Ours drains for ten seconds."""

_POLL_S = 0.02

_TICKS_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Cores = frozenset[int]
"""CPU cores by number; empty for any."""


def split_cores() -> tuple[Cores, Cores]:
    """Return the cores for the load and for the gateway: apart if there are two.

    The gateway gets one, so that what it takes is what a core can carry.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return frozenset(), frozenset()
    return frozenset(cores[:-1]), frozenset(cores[-1:])


@contextmanager
def on_cores(cores: Cores) -> Iterator[None]:
    """Have what is started meanwhile run on these cores."""
    own = os.sched_getaffinity(0)
    if cores:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


class NotReadyError(Exception):
    """A process did not get to serve in time, or ended."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process of the bench.

    What it prints goes to files: a pipe that nobody reads fills, and then its
    writer waits for ever.
    """

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def line(self, beginning: str = "", *, patience_s: float) -> str:
        """Wait for a line of its standard output that begins so, and return it.

        Raises:
            NotReadyError: None came in time, or it ended.
        """
        ends = time.monotonic() + patience_s
        while time.monotonic() < ends:
            for line in self._output(".out").splitlines(keepends=True):
                if line.startswith(beginning) and line.endswith("\n"):
                    return line.strip()
            self.require_alive()
            time.sleep(_POLL_S)
        raise NotReadyError(f"it did not say {beginning!r} within {patience_s:g} s")

    def require_alive(self) -> None:
        """Check that it runs.

        Raises:
            NotReadyError: It has ended.
        """
        status = self.process.poll()
        if status is not None:
            last = self._output(".err")[-1_000:]
            raise NotReadyError(f"it ended with status {status}: {last}")

    def _output(self, suffix: str) -> str:
        return self.log.with_suffix(suffix).read_text("utf-8", "replace")


@contextmanager
def running(
    command: Sequence[str],
    *,
    log: Path,
    cores: Cores = frozenset(),
    environ: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Iterator[Started]:
    """Run a command while the context lasts, and end all that it started.

    Args:
        command: What to run.
        log: What it prints goes to the files of this name with `.out` and `.err`.
        cores: Where it may run.
        environ: Added to this process's environment.
        folder: Where it is run.
    """
    with (
        log.with_suffix(".out").open("wb") as output,
        log.with_suffix(".err").open("wb") as errors,
        on_cores(cores),
    ):
        process = subprocess.Popen(  # noqa: S603 - the bench's own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(environ or {})},
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield Started(process, log)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its descendants: in order, then by force."""
    family = {pid: _started(pid) for pid in tree(process.pid)}
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    for pid, started in family.items():
        # A number may have gone to another process since: its start tells.
        if started and _started(pid) == started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's own count; empty if gone."""
    try:
        return _fields(pid)[19]
    except (OSError, IndexError):
        return ""


def _fields(pid: int) -> list[str]:
    """Return the fields of a process's stat from the third on, after its name."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return text.rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found: list[int] = []
    queue = [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                queue += map(int, (task / "children").read_text().split())
    return found


def is_store(pid: int) -> bool:
    """Tell whether a process is etcd, whose costs are reported apart."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "etcd"
    except OSError:
        return False


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, threads that have ended among them.

    From its CPU clock, which counts nanoseconds where /proc counts hundredths of
    a second (clock_getcpuclockid(3) makes the clock's number the same way).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a gateway has used so far.

    Attributes:
        cpu_s: CPU seconds of its processes.
        store_cpu_s: CPU seconds of the etcd it runs.
    """

    cpu_s: float = 0.0
    store_cpu_s: float = 0.0


def usage(root: int) -> Usage:
    """Measure a process and its descendants."""
    own = store = 0.0
    for pid in tree(root):
        if is_store(pid):
            store += cpu_s(pid)
        else:
            own += cpu_s(pid)
    return Usage(own, store)


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a gateway's processes, etcd left out.

    Attributes:
        rss_mb: Resident, MiB: pages that processes share count for each of them.
        pss_mb: Proportional, MiB: a shared page counts once, divided.
        store_rss_mb: Resident memory of its etcd, MiB.
    """

    rss_mb: float
    pss_mb: float
    store_rss_mb: float = 0.0


def memory(root: int, *, supervised: bool = False) -> Memory:
    """Measure a process and its descendants.

    Args:
        root: The process.
        supervised: Whether `root` only watches over the ones that serve, and is
            left out.
    """
    rss = pss = store = 0
    for pid in tree(root):
        if supervised and pid == root:
            continue
        with contextlib.suppress(OSError):
            resident = _resident(pid)
            if is_store(pid):
                store += resident
                continue
            rss += resident
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
            for line in rollup.splitlines():
                if line.startswith("Pss:"):
                    pss += int(line.split()[1]) * 1024
    return Memory(*(round(size / 2**20, 1) for size in (rss, pss, store)))


def resident_mb(pid: int) -> float:
    """Return the resident memory of one process, in MiB.

    Raises:
        OSError: There is no such process.
    """
    return _resident(pid) / 2**20


def _resident(pid: int) -> int:
    return int(_fields(pid)[21]) * _PAGE_BYTES


def machine_busy_s() -> float:
    """Return the CPU seconds that the whole machine has been busy since its start."""
    first = Path("/proc/stat").read_text(encoding="utf-8").partition("\n")[0]
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, first.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS_S
