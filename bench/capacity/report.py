"""docs/capacity.md, and docs/sizing.md with it: written from bench/measured.json."""

from pathlib import Path
from string import Template

from bench.capacity.writes import METERED_RESTING, RESTING
from bench.measured import SERVICES, Measured
from bench.processes import ROOT
from bench.sizing import report as sizing
from bench.sizing.model import Demand
from bench.tables import number, table

DOCUMENT = ROOT / "docs" / "capacity.md"
_TEMPLATE = Path(__file__).with_name("capacity.md")

_REQUESTS = {
    "small": "small",
    "sessions": "a session's later turn",
    "burst": "stream of 100 events at once",
    "fallback": "fallback",
    "body": "200 KB of messages",
    "embeddings": "16 vectors",
}
_EVENTS_S = (25, 50, 100)

_RESTING = {RESTING, METERED_RESTING}


def write() -> None:
    """Write both documents."""
    measured = Measured.read()
    DOCUMENT.write_text(document(measured), encoding="utf-8")
    sizing.DOCUMENT.write_text(sizing.document(Demand(), measured), encoding="utf-8")
    print(f"{DOCUMENT} and {sizing.DOCUMENT} written")


def document(measured: Measured) -> str:
    """Write docs/capacity.md."""
    parts = {
        "place": measured.place,
        "cores": _cores(measured),
        "streams": _streams(measured),
        "memory": _memory(measured),
        "writes": _writes(measured),
        "ledger": _ledger(measured),
        "binding_b": number(measured.binding["resolver_b"]),
        "etcd_b": number(measured.binding["etcd_b"]),
        "file_b": number(measured.binding["etcd_file_b"]),
        "event_us": number(measured.binding["event_us"]),
        "event_bytes": number(measured.binding["event_bytes"]),
        "put_us": number(measured.put_us),
        "deployments": f"{measured.deployments:,}",
    }
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(parts)


def _cores(measured: Measured) -> str:
    rows = [
        [
            name,
            *(
                number(1e6 / max(1.0, measured.cpu_us(scenario)[name]))
                for scenario in _REQUESTS
            ),
            number(100 * measured.idle_cores(name)),
        ]
        for name in SERVICES
    ]
    head = ["requests a second, one core", *_REQUESTS.values(), "idle, % of a core"]
    return table(head, rows)


def _streams(measured: Measured) -> str:
    rows = [
        [
            name,
            *(number(1e6 / each / measured.event_us(name)) for each in _EVENTS_S),
            number(measured.event_us(name)),
        ]
        for name in SERVICES
        if measured.event_us(name)
    ]
    paces = (f"of {each} events a second" for each in _EVENTS_S)
    head = ["streams open, one core", *paces, "CPU us an event"]
    return table(head, rows)


def _memory(measured: Measured) -> str:
    binding_b = measured.binding["resolver_b"]
    rows = [
        [
            name,
            number(measured.idle_mb(name)),
            number(measured.stream_kb(name)),
            number(binding_b) if name == "resolver" else "-",
            number(1024 * measured.deployment_kb(name)),
        ]
        for name in SERVICES
    ]
    head = [
        "memory",
        "idle, MB",
        "an open stream, KB",
        "a live session, bytes",
        "a deployment known, bytes",
    ]
    return table(head, rows)


def _writes(measured: Measured) -> str:
    rows = []
    for row in measured.writes:
        resting = row["what"] in _RESTING
        each = 1 if resting else max(1, row["moved"] or row["calls"])
        what = row["what"]
        if row.get("moved"):
            what = "a session that moves, as its deployment fails"
        pace = "-" if resting else f"{number(row['calls'] / row['seconds'])}"
        rows.append(
            [
                what,
                number(row["puts"] / each),
                number(row["entries"] / each),
                number(row["leases"] / each),
                number(row["sent_bytes"] / each),
                pace,
            ]
        )
    head = [
        "",
        "keys written",
        "entries of the log, synced",
        "leases",
        "bytes sent to one resolver",
        "measured at, a second",
    ]
    return table(head, rows)


def _ledger(measured: Measured) -> str:
    rows = [
        [
            {"sqlite": "SQLite", "postgres": "PostgreSQL"}[name],
            number(costs["noting_us"]),
            number(costs["writing_us"]),
            number(costs["bytes"]),
            number(costs["log_bytes"]) if costs["log_bytes"] else "-",
        ]
        for name, costs in measured.ledgers.items()
    ]
    head = [
        "a request, with one attempt",
        "CPU us on its path",
        "CPU us off it",
        "bytes, indexes among them",
        "bytes of write-ahead log",
    ]
    return table(head, rows)
