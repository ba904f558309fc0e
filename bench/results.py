"""What was measured, one line of JSON a run, so that a report can be made later."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.load.figures import Figures
from bench.processes import Memory


@dataclass(frozen=True, slots=True)
class Machine:
    """What it was measured on, and when.

    Attributes:
        date: ISO 8601, UTC.
        versions: Of the gateways, by name.
    """

    date: str
    processor: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one scenario against one gateway.

    Attributes:
        load: Requests a second that were offered; zero for as many as it takes.
        upstream: Requests that reached the simulated provider, by behaviour.
    """

    gateway: str
    scenario: str
    connections: int
    load: float
    round: int
    figures: Figures
    upstream: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Footprint:
    """A gateway's memory and start, etcd apart.

    Attributes:
        requests: Answered between the two measurements of memory.
        start_s: Seconds from its start until it served.
    """

    gateway: str
    round: int
    start_s: float
    idle: Memory
    after: Memory
    requests: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was not run, and why."""

    gateway: str
    scenario: str
    why: str


@dataclass(slots=True)
class Results:
    """All of one run of the bench."""

    machine: Machine
    measured: list[Measured] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Write them, one line of JSON each."""
        yield _line("machine", self.machine)
        for kind, rows in (
            ("measured", self.measured),
            ("footprint", self.footprints),
            ("skipped", self.skipped),
        ):
            for row in rows:
                yield _line(kind, row)

    def save(self, path: Path) -> None:
        """Write them to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(self.lines()) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, lines: Iterable[str]) -> "Results":
        """Read what `lines` wrote.

        Raises:
            ValueError: It does not begin with the machine.
        """
        rows = [json.loads(line) for line in lines]
        if not rows or rows[0].pop("kind") != "machine":
            raise ValueError("these are no results of the bench")
        results = cls(Machine(**rows[0]))
        for row in rows[1:]:
            results.add(row)
        return results

    def add(self, row: dict[str, Any]) -> None:
        """Add what was read of one line."""
        match row.pop("kind"):
            case "measured":
                figures = Figures.from_dict(row.pop("figures"))
                self.measured.append(Measured(**row, figures=figures))
            case "footprint":
                idle, after = (Memory(**row.pop(name)) for name in ("idle", "after"))
                self.footprints.append(Footprint(**row, idle=idle, after=after))
            case _:
                self.skipped.append(Skipped(**row))


def _line(kind: str, row: Any) -> str:
    return json.dumps({"kind": kind, **dataclasses.asdict(row)})
