"""`python -m bench.report [RESULTS] [DOCUMENT]`: write docs/performance.md.

Every number comes from one run's results; none is written by hand.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.goals import (
    ADDED_P50_MS,
    GOALS,
    GROWTH_MB,
    IDLE_MB,
    LOAD_RATIO,
    SEPARATE,
    TOGETHER,
)
from bench.load.figures import Figures
from bench.processes import ROOT
from bench.results import Measured, Results
from bench.shares import SHARES

DOCUMENT = ROOT / "docs" / "performance.md"
LATEST = ROOT / "bench" / ".results" / "latest.jsonl"

_NONE = "-"
_OURS = (TOGETHER, SEPARATE)
_NOISY_CORES = 0.3

Read = Callable[[Figures], float | None]


class _Table:
    """What was measured, looked up by gateway, scenario, connections and rate."""

    def __init__(self, results: Results) -> None:
        self._by_key: dict[tuple[str, str, int, float], list[Figures]] = {}
        self.columns: list[tuple[str, int, float]] = []
        self.gateways: list[str] = []
        for row in results.measured:
            column = _column(row)
            self._by_key.setdefault((row.gateway, *column), []).append(row.figures)
            if column not in self.columns:
                self.columns.append(column)
            if row.gateway not in self.gateways:
                self.gateways.append(row.gateway)

    def value(
        self, gateway: str, column: tuple[str, int, float], read: Read
    ) -> float | None:
        """Return the median over the rounds; None if it was not measured."""
        found = [read(figures) for figures in self._by_key.get((gateway, *column), [])]
        values = [value for value in found if value is not None]
        return median(values) if values else None


def _column(row: Measured) -> tuple[str, int, float]:
    return row.scenario, row.connections, row.load


def _titled(column: tuple[str, int, float]) -> str:
    scenario, connections, load = column
    return f"{scenario}, {load:g}/s" if load else f"{scenario}, {connections}"


def tables(results: Results) -> str:
    """Write all tables, as Markdown."""
    found = _Table(results)
    sections = [
        _goals(found, results),
        _costs(found),
        _ratios(found),
        _latency(found),
        _throughput(found),
        _streams(found),
        _store(found),
        _memory(results),
        _sessions(results),
        _omissions(results),
    ]
    return "\n\n".join(section for section in sections if section)


def _cost(figures: Figures) -> float | None:
    return figures.cpu_us


def _p50(figures: Figures) -> float | None:
    return figures.latency_ms.p50 if figures.latency_ms else None


def _p99(figures: Figures) -> float | None:
    return figures.latency_ms.p99 if figures.latency_ms else None


def _goals(found: _Table, results: Results) -> str:
    rows: list[list[str]] = []
    for goal in GOALS:
        for gateway in _OURS:
            cost = found.value(gateway, (goal.scenario, goal.connections, 0.0), _cost)
            name = f"{goal.scenario}, {goal.connections} connections: CPU us"
            rows += _held(name, gateway, cost, goal.of(gateway))
    for gateway in _OURS:
        alone, loaded = (
            found.value(gateway, ("small", connections, 0.0), _cost)
            for connections in (1, 64)
        )
        ratio = loaded / alone if loaded and alone else None
        rows += _held(
            "small: cost with 64 in flight / alone", gateway, ratio, LOAD_RATIO
        )
        added = _added(found, gateway, ("small", 1, 0.0), _p50)
        rows += _held("small: added latency p50, ms", gateway, added, ADDED_P50_MS)
    for footprint in results.footprints:
        if footprint.gateway == SEPARATE:
            idle, after = footprint.idle.rss_mb, footprint.after.rss_mb
            rows += _held("memory idle, MB", SEPARATE, idle, IDLE_MB)
            grown = f"memory after {footprint.requests:,} requests, MB more"
            rows += _held(grown, SEPARATE, after - idle, GROWTH_MB)
    head = ["what", "how it runs", "at most", "measured", "measured / at most"]
    return _section("Goals", head, rows)


def _held(what: str, gateway: str, value: float | None, most: float) -> list[list[str]]:
    if value is None:
        return []
    cells = [what, gateway, _number(most), _number(value), f"{value / most:.2f}"]
    return [cells]


def _costs(found: _Table) -> str:
    return _by_gateway(found, "CPU microseconds a request", found.columns, _cost)


def _by_gateway(
    found: _Table, title: str, columns: Sequence[tuple[str, int, float]], read: Read
) -> str:
    rows = []
    for gateway in found.gateways:
        values = [found.value(gateway, column, read) for column in columns]
        if any(value is not None for value in values):
            rows.append([gateway, *map(_number, values)])
    return _section(title, ["gateway", *map(_titled, columns)], rows)


def _ratios(found: _Table) -> str:
    columns = [
        column for column in found.columns if column[1] == 16 or column[0] == "paced"
    ]
    rows = []
    for ours in _OURS:
        for other in found.gateways:
            if other in _OURS:
                continue
            cells = []
            for column in columns:
                own = found.value(ours, column, _cost)
                their = found.value(other, column, _cost)
                cells.append(f"{their / own:.2f}" if own and their else _NONE)
            if any(cell != _NONE for cell in cells):
                rows.append([f"{other} / {ours}", *cells])
    return _section(
        "How many times what ours costs (above 1: ours is cheaper)",
        ["", *map(_titled, columns)],
        rows,
    )


def _added(
    found: _Table, gateway: str, column: tuple[str, int, float], read: Read
) -> float | None:
    own = found.value(gateway, column, read)
    direct = found.value("direct", column, read)
    return own - direct if own is not None and direct is not None else None


def _latency(found: _Table) -> str:
    columns = [c for c in found.columns if c[0] == "small" and (c[1] == 1 or c[2])]
    rows = []
    for gateway in found.gateways:
        cells = [
            f"{_number(_added(found, gateway, column, _p50))} / "
            f"{_number(_added(found, gateway, column, _p99))}"
            for column in columns
        ]
        if gateway != "direct" and any(cell != f"{_NONE} / {_NONE}" for cell in cells):
            rows.append([gateway, *cells])
    title = "Added latency, milliseconds, p50 / p99"
    return _section(title, ["gateway", *map(_titled, columns)], rows)


def _throughput(found: _Table) -> str:
    columns = [column for column in found.columns if not column[2]]
    title = "Requests a second, the gateway on one core"
    return _by_gateway(found, title, columns, lambda figures: figures.rate)


def _streams(found: _Table) -> str:
    columns = [column for column in found.columns if column[0] in ("burst", "paced")]

    def first(figures: Figures) -> float | None:
        return figures.first_event_ms.p50 if figures.first_event_ms else None

    def gap(figures: Figures) -> float | None:
        return figures.gap_ms.p99 if figures.gap_ms else None

    parts = [
        _by_gateway(found, "First event, milliseconds, p50", columns, first),
        _by_gateway(
            found,
            "Between two reads of a paced stream, milliseconds, p99",
            [column for column in columns if column[0] == "paced"],
            gap,
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _store(found: _Table) -> str:
    def store(figures: Figures) -> float | None:
        return figures.store_cpu_us or None

    title = "CPU microseconds a request of etcd, apart from the above"
    return _by_gateway(found, title, found.columns, store)


def _memory(results: Results) -> str:
    rows = [
        [
            row.gateway,
            _number(row.start_s),
            _number(row.idle.rss_mb),
            _number(row.idle.pss_mb),
            _number(row.after.rss_mb),
            _number(row.after.pss_mb),
            f"{row.requests:,}",
            _number(row.after.store_rss_mb or None),
        ]
        for row in results.footprints
    ]
    head = ["gateway", "start, s", "idle RSS", "idle PSS", "RSS after", "PSS after"]
    return _section("Memory, MB", [*head, "requests between", "etcd RSS"], rows)


def _sessions(results: Results) -> str:
    rows = [
        [
            row.gateway,
            f"{row.figures.answered:,}",
            *(f"{row.figures.affinities.get(word, 0):,}" for word in _AFFINITIES),
        ]
        for row in results.measured
        if row.scenario == "sessions" and row.figures.affinities
    ]
    return _section("Sessions", ["gateway", "turns answered", *_AFFINITIES], rows)


_AFFINITIES = ("new", "kept", "moved", "unknown", "none")
"""What the gateway says of a session's affinity in its answers."""


def _omissions(results: Results) -> str:
    lines = [f"* {s.gateway}, {s.scenario}: {s.why}" for s in results.skipped]
    lines += [
        f"* {row.gateway}, {_titled(_column(row))}: "
        f"{row.figures.answered:,} answered, failed: {row.figures.failed or 'none'}"
        for row in results.measured
        if row.figures.failed or not row.figures.answered
    ]
    return "### Not measured, or failed\n\n" + "\n".join(lines) if lines else ""


def _number(value: float | None) -> str:
    if value is None:
        return _NONE
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _section(title: str, head: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    written = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"### {title}\n\n{written}"


def document(results: Results) -> str:
    """Write the whole document."""
    machine = results.machine
    versions = "; ".join(
        f"{name} {v}" for name, v in machine.versions.items() if v != "-"
    )
    others = [row.figures.other_cpu for row in results.measured]
    noisy = sum(cpu > _NOISY_CORES for cpu in others)
    quiet = (
        f"Somebody else kept more than {_NOISY_CORES:g} of a core busy in {noisy} of "
        f"{len(others)} runs (median {median(others):.2f} cores): trust CPU and ratios "
        "there, not times."
        if noisy
        else "The machine was otherwise quiet."
    )
    place = (
        f"Measured {machine.date} UTC on {machine.processor}, {machine.cores} cores, "
        f"{machine.memory_gb:g} GB, Linux {machine.kernel}, Python {machine.python}. "
        f"{versions}. {quiet}"
    )
    written = [
        _INTRODUCTION,
        place,
        tables(results),
        _profile(PROFILE, "one process, by layer"),
        _profile(SHARES, "three processes, by service"),
    ]
    return "\n\n".join(part.strip() for part in written if part) + "\n"


def _profile(path: Path, where: str) -> str:
    """Write where the time goes, if that was measured."""
    if not path.exists():
        return ""
    with path.open(encoding="utf-8") as lines:
        # The last of each scenario.
        told = {each["scenario"]: each for each in map(json.loads, lines)}
    names = dict.fromkeys(name for each in told.values() for name in each["layers"])
    rows = [
        [name, *(_number(each["layers"].get(name)) for each in told.values())]
        for name in names
    ]
    title = f"Where the time goes in {where}: CPU microseconds a request"
    return _section(title, ("layer", *told), rows)


_INTRODUCTION = """# Performance

Written by `make bench`; do not edit. To repeat it:

```
make bench-peers    # once: the other gateways, into bench/.peers
make bench          # about ten minutes
```

[bench/README.md](../bench/README.md) says what each scenario is and how it is
measured. In short: every gateway runs by itself on one core, and the load and one
simulated provider, the same for all, on the others. `holdfast` is `holdfast up`,
`holdfast-separate` is `holdfast up --separate`; both with etcd, sessions, a policy,
prices and metrics. `floor` is a proxy in Python that decides nothing, `direct` no
gateway at all. Costs are CPU time of all processes of a gateway over requests
answered; etcd's are apart. A column names its scenario and the connections open, or
the requests offered a second. Differences under 1.5x are none: figures wander by as
much from run to run. What a core of each service carries is in
[capacity.md](capacity.md).
"""


PROFILE = LATEST.with_name("profile.jsonl")
"""Where `bench.profile --save` adds to."""


def main() -> int:
    """Write the document; return the process's exit status."""
    given = [Path(argument) for argument in sys.argv[1:]]
    source, target = (*given, *(LATEST, DOCUMENT)[len(given) :])
    with source.open(encoding="utf-8") as lines:
        results = Results.load(lines)
    target.write_text(document(results), encoding="utf-8")
    print(f"{target} written from {source}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
