"""Very many sessions: what etcd holds of them, and what a resolver does to know them.

Bindings are written to an etcd as a resolver writes them, a thousand keys a lease;
then a resolver is started, and the part of it that reads them is watched by itself.
"""

import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.gateways import Place, free_port
from bench.gateways.holdfast import configuration
from bench.processes import cpu_s, resident_mb, running
from bench.services import Etcd, environment, etcd, service
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import LEASE_GRANT, TXN, EtcdClient

SIZES = (10_000, 100_000, 1_000_000)

_PREFIX = "/holdfast/1/s/"
_PLACES = 40
"""Deployments that sessions are bound to."""

_BATCH = 60
_KEYS_PER_LEASE = 960
_IN_FLIGHT = 4
_LIFE_S = 7_200
_DEADLINE_S = 10.0
_EVENTS = 30_000
"""Bindings written again, to see what watching them takes."""

_OVERWRITTEN = 200_000
_TIMES = 5

_PATIENCE_S = 120.0


def measured() -> list[dict[str, float]]:
    """Measure each size on an etcd of its own, none at all first."""
    return [_measured(many) for many in (0, *SIZES)]


def history() -> dict[str, float]:
    """Write bindings again and again; return what each that is overwritten takes."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        etcd(Path(name)) as store,
    ):
        asyncio.run(_write(store, _OVERWRITTEN))
        before = resident_mb(store.process.pid)
        file_mb = _file_mb(store)
        for _ in range(_TIMES):
            asyncio.run(_write(store, _OVERWRITTEN, again=True))
        versions = _OVERWRITTEN * _TIMES
        return {
            "etcd_b": (resident_mb(store.process.pid) - before) * 2**20 / versions,
            "etcd_file_b": (_file_mb(store) - file_mb) * 2**20 / versions,
        }


def _file_mb(store: Etcd) -> float:
    return store.figures()["etcd_mvcc_db_total_size_in_bytes"] / 2**20


def _measured(many: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with etcd(folder) as store:
            before = resident_mb(store.process.pid)
            seconds = asyncio.run(_write(store, many)) if many else 0.0
            found = {
                "bindings": float(many),
                "written_a_second": many / seconds if seconds else 0.0,
                "etcd_mb": resident_mb(store.process.pid),
                "etcd_before_mb": before,
                "etcd_file_mb": _file_mb(store),
            }
            found |= _resolver(folder, store)
            found |= _mirror(folder, store, many)
    print({name: round(value, 3) for name, value in found.items()}, flush=True)
    return found


def _resolver(folder: Path, store: Etcd) -> dict[str, float]:
    """Start a resolver; return when it serves, and what it then takes."""
    place = Place("http://127.0.0.1:9", folder)
    shared = environment(folder, configuration(place, "hf-bench-capacity"), store)
    own = {"HOLDFAST_LISTEN": f"127.0.0.1:{free_port()}"}
    begun = time.monotonic()
    with service("resolver", folder, {**shared, **own}) as resolver:
        serves_s = time.monotonic() - begun
        pid = resolver.process.pid
        # What is still being read is over when nothing is done for a second.
        used = -1.0
        while (now := cpu_s(pid)) - used > 0.2:
            used = now
            time.sleep(1.0)
        return {
            "serves_s": serves_s,
            "resolver_cpu_s": now,
            "resolver_mb": resolver.rss_mb,
            "resolver_peak_mb": _peak_mb(pid),
        }


def _mirror(folder: Path, store: Etcd, many: int) -> dict[str, float]:
    """Watch the bindings' mirror by itself, in a process of its own."""
    command = [sys.executable, "-m", "bench.capacity.mirrored", store.endpoint]
    with running(command, log=folder / "mirrored") as process:
        read = json.loads(process.line("{", patience_s=_PATIENCE_S))
        if not many:
            return {f"mirror_{name}": value for name, value in read.items()}
        sent = _sent(store)
        used = cpu_s(process.pid)
        begun = time.monotonic()
        events = min(_EVENTS, many)
        asyncio.run(_write(store, events, again=True))
        seconds = time.monotonic() - begun
        time.sleep(1.0)
        idle = seconds + 1.0
        cpu = cpu_s(process.pid) - used - idle * read["idle_cores"]
        read["event_us"] = cpu * 1e6 / events
        read["event_bytes"] = (_sent(store) - sent) / events
    return {f"mirror_{name}": value for name, value in read.items()}


def _sent(store: Etcd) -> float:
    return store.figures()["etcd_network_client_grpc_sent_bytes_total"]


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


_written: list[bytes] = []
"""Names of the bindings written last, some of which are written again."""


async def _write(store: Etcd, many: int, *, again: bool = False) -> float:
    """Write bindings, new or again; return the seconds it took."""
    client = EtcdClient([store.endpoint])
    begun = time.monotonic()
    if not again:
        _written.clear()
        _written.extend(_name() for _ in range(many))
    batches = iter([_written[at : at + _BATCH] for at in range(0, many, _BATCH)])
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_IN_FLIGHT):
                group.create_task(_writer(client, batches))
    finally:
        await client.close()
    return time.monotonic() - begun


async def _writer(client: EtcdClient, batches: Iterator[list[bytes]]) -> None:
    left, lease = 0, 0
    for names in batches:
        if left < len(names):
            request = wire.LeaseGrantRequest(ttl=_LIFE_S)
            lease = (await client.call(LEASE_GRANT, request)).id
            left = _KEYS_PER_LEASE
        left -= len(names)
        puts = [
            wire.RequestOp(
                put=wire.PutRequest(key=name, value=_value(name), lease=lease)
            )
            for name in names
        ]
        await client.call(TXN, wire.TxnRequest(success=puts), deadline_s=_DEADLINE_S)


def _name() -> bytes:
    name = secrets.token_hex(12)
    return f"{_PREFIX}{name[:2]}/{name}".encode()


def _value(name: bytes) -> bytes:
    place = int(name[-4:], 16) % _PLACES
    minute = int(time.time() // 60) - int(name[-6:-4], 16) % 15
    return f"provider-{place}/claude-sonnet-4-5-eu|{minute}".encode()


def slopes(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return what a binding takes by the largest size, in bytes and microseconds."""
    none, most = rows[0], rows[-1]
    many = most["bindings"]

    def each(name: str) -> float:
        return (most[name] - none[name]) / many

    return {
        "resolver_b": each("resolver_mb") * 2**20,
        "resolver_peak_b": each("resolver_peak_mb") * 2**20,
        "reading_us": each("mirror_read_s") * 1e6,
        "etcd_b": each("etcd_mb") * 2**20,
        "etcd_file_b": each("etcd_file_mb") * 2**20,
        "event_us": most["mirror_event_us"],
        "event_bytes": most["mirror_event_bytes"],
    }
