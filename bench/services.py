"""etcd and the three services, a process each, so that each is measured by itself."""

import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.gateways import free_port
from bench.processes import Started, cpu_s, resident_mb, running
from holdfast.signing import new_key
from holdfast_cli.etcd_binary import find_etcd

SERVICES = ("edge", "resolver", "executor")

_PATIENCE_S = 60.0
"""What a service may take to serve; a resolver reads what etcd holds meanwhile."""

_POLL_S = 0.02

_COUNTING_S = 10.0

# As `holdfast up` runs its own (holdfast_cli.etcd_process).
_ETCD_FLAGS = (
    "--logger=zap",
    "--log-level=warn",
    "--auto-compaction-mode=periodic",
    "--auto-compaction-retention=10m",
    "--quota-backend-bytes=8589934592",
    "--heartbeat-interval=20",
    "--election-timeout=100",
)


@dataclass(frozen=True, slots=True)
class Etcd:
    """An etcd that runs."""

    endpoint: str
    process: Started

    def figures(self) -> dict[str, float]:
        """Read its own metrics, by name; those with labels are added up."""
        found: dict[str, float] = {}
        url = f"http://{self.endpoint}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line and not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    name = name.partition("{")[0]
                    found[name] = found.get(name, 0.0) + float(value)
        return found


@dataclass(frozen=True, slots=True)
class Service:
    """One service that runs.

    Attributes:
        counts: Where it writes what it holds, if it counts; see `bench.counted`.
    """

    name: str
    address: str
    process: Started
    counts: Path | None = None

    @property
    def rss_mb(self) -> float:
        """Its resident memory, in MiB."""
        return resident_mb(self.process.pid)

    @property
    def cpu_s(self) -> float:
        """The CPU seconds that it has used."""
        return cpu_s(self.process.pid)

    @property
    def files(self) -> int:
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - names

    def counted(self) -> dict[str, Any]:
        """Have it count what it holds, and return that.

        Raises:
            TimeoutError: It did not.
        """
        if self.counts is None:
            raise ValueError(f"{self.name} does not count")
        self.counts.unlink(missing_ok=True)
        self.process.process.send_signal(signal.SIGUSR1)
        ends = time.monotonic() + _COUNTING_S
        while time.monotonic() < ends:
            if self.counts.exists():
                found: dict[str, Any] = json.loads(self.counts.read_text("utf-8"))
                return found
            time.sleep(_POLL_S)
        raise TimeoutError(f"{self.name} did not count")


@dataclass(frozen=True, slots=True)
class Services:
    """All of them."""

    etcd: Etcd
    by_name: Mapping[str, Service] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the edge is called."""
        address = self.by_name["edge"].address
        return address if "://" in address else f"http://{address}"


@contextmanager
def etcd(folder: Path) -> Iterator[Etcd]:
    """Run an etcd while the context lasts."""
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    command = [
        str(find_etcd()),
        "--name=bench",
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=bench={peer}",
        *_ETCD_FLAGS,
    ]
    with running(command, log=folder / "etcd-log") as process:
        found = Etcd(client.removeprefix("http://"), process)
        ends = time.monotonic() + _PATIENCE_S
        while time.monotonic() < ends:
            process.require_alive()
            try:
                if found.figures().get("etcd_server_has_leader"):
                    break
            except OSError:
                pass
            time.sleep(_POLL_S)
        yield found


@contextmanager
def service(
    name: str,
    folder: Path,
    environ: Mapping[str, str],
    *,
    counts: bool = False,
    log: str = "",
) -> Iterator[Service]:
    """Run one service while the context lasts.

    Args:
        name: One of `SERVICES`.
        folder: For its files.
        environ: Its `HOLDFAST_*` variables.
        counts: Whether it can be asked what it holds, which costs it some MB.
        log: What its log is called, if not by its name.
    """
    log = log or name
    file = folder / f"{log}-counts.json" if counts else None
    module = ["bench.counted", f"holdfast_{name}", str(file)] if counts else []
    command = [sys.executable, "-m", *(module or [f"holdfast_{name}"])]
    with running(command, log=folder / log, environ=environ) as process:
        address = process.line("ready ", patience_s=_PATIENCE_S)
        yield Service(name, address.removeprefix("ready "), process, file)


def environment(folder: Path, config: Mapping[str, Any], store: Etcd) -> dict[str, str]:
    """Write the files that the services read, and return the variables they share."""
    file = folder / "holdfast.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(config), encoding="utf-8")
    keys = {}
    for kind in ("PLAN", "SEALING", "SESSION"):
        path = folder / f"{kind.lower()}.keys"
        path.write_text(new_key() + "\n", encoding="utf-8")
        keys[f"HOLDFAST_{kind}_KEYS_FILE"] = str(path)
    return {
        **keys,
        "HOLDFAST_CONFIG": str(file),
        "HOLDFAST_ETCD_ENDPOINTS": store.endpoint,
        "HOLDFAST_LOG_LEVEL": "warning",
        "HOLDFAST_DRAIN_SECONDS": "5",
    }


@contextmanager
def services(
    folder: Path, config: Mapping[str, Any], *, counts: bool = False
) -> Iterator[Services]:
    """Run etcd and the three services while the context lasts."""
    with ExitStack() as stack:
        store = stack.enter_context(etcd(folder))
        shared = environment(folder, config, store)
        found: dict[str, Service] = {}
        for name in ("resolver", "executor", "edge"):
            own = {"HOLDFAST_LISTEN": f"127.0.0.1:{free_port()}"}
            own |= {
                f"HOLDFAST_{other.upper()}_TARGETS": each.address
                for other, each in found.items()
            }
            found[name] = stack.enter_context(
                service(name, folder, {**shared, **own}, counts=counts)
            )
        yield Services(store, {name: found[name] for name in SERVICES})
