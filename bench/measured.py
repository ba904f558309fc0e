"""What things cost, as measured last: bench/measured.json, and how it is read.

It is kept with the source, so that a size can be reckoned where nothing was measured.
`python -m bench.capacity` renews it from what it and `bench.shares` have found.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.capacity import bindings
from bench.capacity.writes import FIRST, METERED
from bench.machine import this_machine
from bench.processes import ROOT
from bench.shares import SHARES

MEASURED = ROOT / "bench" / "measured.json"
CAPACITY = ROOT / "bench" / ".results" / "capacity.json"

SERVICES = ("edge", "resolver", "executor")

_PACED_EVENTS = 100
_BODY_KB = 200
_QUOTAS = 2
"""Of the metered calls: a budget and a rate."""

ByService = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, looked up.

    Attributes:
        raw: The file's content.
    """

    raw: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path = MEASURED) -> "Measured":
        """Read the file.

        Raises:
            OSError: There is none.
        """
        return cls(json.loads(path.read_text(encoding="utf-8")))

    @property
    def place(self) -> str:
        """When and on what it was measured, in words."""
        machine = self.raw["machine"]
        return (
            f"Measured {machine['date']} UTC on {machine['processor']}, "
            f"{machine['cores']} cores, Python {machine['python']}"
        )

    def cpu_us(self, scenario: str) -> ByService:
        """Return the CPU microseconds of a request of each service, and of etcd."""
        found: ByService = self.raw["cpu_us"][scenario]
        return found

    def event_us(self, service: str) -> float:
        """Return what an event of a stream costs that comes at a reader's pace.

        The resolver hears of a stream when it is planned and when it has ended.
        """
        if service == "resolver":
            return 0.0
        small, paced = (self.cpu_us(name)[service] for name in ("small", "paced"))
        return max(0.0, paced - small) / _PACED_EVENTS

    def stream_us(self, service: str) -> float:
        """Return what a stream costs beside its events."""
        if service == "resolver":
            return self.cpu_us("burst")[service]
        return self.cpu_us("small")[service]

    def body_us(self, service: str) -> float:
        """Return what a KiB of messages costs."""
        small, body = (self.cpu_us(name)[service] for name in ("small", "body"))
        return max(0.0, (body - small) / _BODY_KB)

    def fallback_us(self, service: str) -> float:
        """Return what an attempt that fails at once costs.

        In the scenario the refusing deployment rests, as it does in earnest: what is
        tried is one request in some.
        """
        small, fallback = (self.cpu_us(name)[service] for name in ("small", "fallback"))
        return max(0.0, fallback - small)

    def idle_cores(self, service: str) -> float:
        """Return the share of a core that a service takes without requests."""
        return float(self.raw["idle_cores"][service])

    def idle_mb(self, service: str) -> float:
        """Return its memory with the shipped catalog and no request, in MiB."""
        return float(self.raw["memory"]["shipped_mb"][service])

    def stream_kb(self, service: str) -> float:
        """Return the memory of an open stream, in KiB."""
        return max(0.0, float(self.raw["memory"]["stream_kb"][service]))

    def deployment_kb(self, service: str) -> float:
        """Return the memory of a deployment that is known, in KiB."""
        return max(0.0, float(self.raw["memory"]["deployment_kb"][service]))

    @property
    def deployments(self) -> int:
        """How many the shipped catalog has."""
        return int(self.raw["memory"]["deployments"])

    @property
    def bindings(self) -> Sequence[Mapping[str, float]]:
        """The rows of `bench.capacity.bindings`."""
        rows: Sequence[Mapping[str, float]] = self.raw["bindings"]
        return rows

    @property
    def binding(self) -> Mapping[str, float]:
        """What a binding takes; see `bindings.slopes`."""
        return bindings.slopes(self.bindings)

    @property
    def overwritten(self) -> Mapping[str, float]:
        """What an overwritten key takes in etcd until it is compacted, in bytes."""
        found: Mapping[str, float] = self.raw["history"]
        return found

    @property
    def writes(self) -> Sequence[Mapping[str, Any]]:
        """The rows of `bench.capacity.writes`."""
        rows: Sequence[Mapping[str, Any]] = self.raw["writes"]
        return rows

    def written(self, what: str) -> Mapping[str, Any]:
        """Return one of those rows."""
        return next(row for row in self.writes if row["what"] == what)

    @property
    def first_turn_puts(self) -> float:
        """Keys written for the first turn of a session."""
        row = self.written(FIRST)
        return float(row["puts"] / row["calls"])

    @property
    def put_us(self) -> float:
        """Return etcd's CPU microseconds for each key that a session's turn writes."""
        row = self.written(FIRST)
        return float(row["etcd_cpu_s"] * 1e6 / row["puts"])

    @property
    def quota_puts_s(self) -> float:
        """Keys written a second, for each quota in use, by each replica."""
        row = self.written(METERED)
        return float(row["puts"] / row["seconds"] / _QUOTAS)

    @property
    def ledgers(self) -> Mapping[str, Mapping[str, float]]:
        """What a request costs in the ledger, by the kind of database."""
        found: Mapping[str, Mapping[str, float]] = self.raw["ledger"]
        return found


def gathered() -> None:
    """Write the file anew from what was found last."""
    with SHARES.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    cpu = {row["scenario"]: _by_service(row) for row in rows}
    idle = {name: median(row["idle_cores"][name] for row in rows) for name in SERVICES}
    found = json.loads(CAPACITY.read_text(encoding="utf-8"))
    machine = this_machine({})
    raw = {
        "machine": {
            "date": machine.date,
            "processor": machine.processor,
            "cores": machine.cores,
            "python": machine.python,
        },
        "cpu_us": cpu,
        "idle_cores": idle,
        **found,
    }
    MEASURED.write_text(json.dumps(_rounded(raw), indent=1) + "\n", encoding="utf-8")


def _by_service(row: Mapping[str, Any]) -> dict[str, float]:
    layers = row["layers"]
    found = {name: layers[name] + layers[f"{name}, in the kernel"] for name in SERVICES}
    return {**found, "etcd": row["store_us"] or 0.0}


def _rounded(value: Any) -> Any:
    """Round what was measured to what is meant: four digits."""
    match value:
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list():
            return [_rounded(each) for each in value]
        case float():
            return float(f"{value:.4g}")
        case _:
            return value
