"""docs/sizing.md: the model's answers for one load, in tables."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from string import Template

from bench.measured import SERVICES, Measured
from bench.processes import ROOT
from bench.sizing.limits import limits
from bench.sizing.model import Demand, Size, request_us, size
from bench.tables import number, table

DOCUMENT = ROOT / "docs" / "sizing.md"
_TEMPLATE = Path(__file__).with_name("sizing.md")


def tables(demand: Demand, measured: Measured) -> str:
    """Write what a load takes, as Markdown."""
    found = size(demand, measured)
    return "\n\n".join(
        [
            _demand(demand),
            _services(demand, measured, found),
            _store(found),
            _rest(found),
            _limits(demand, measured, found),
        ]
    )


def document(demand: Demand, measured: Measured) -> str:
    """Write the whole document."""
    found = size(demand, measured)
    edges, resolvers, executors = (found.services[name].replicas for name in SERVICES)
    parts = {
        "place": measured.place,
        "links": number(edges * (resolvers + executors)),
        "demand": _demand(demand),
        "services": _services(demand, measured, found),
        "store": _store(found),
        "rest": _rest(found),
        "limits": _limits(demand, measured, found),
        "bindings": _bindings(measured),
    }
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(parts)


def _demand(demand: Demand) -> str:
    meanings = _meanings()
    rows = [
        [
            f"`--{field.name.replace('_', '-')}`",
            number(getattr(demand, field.name)),
            meanings[field.name],
        ]
        for field in fields(Demand)
    ]
    rows += [
        ["sessions that begin in a second", number(demand.new_sessions_s), "follows"],
        ["turns of a session", number(demand.turns), "follows"],
        ["streams open", number(demand.open_streams), "follows"],
    ]
    return table(["", "here", "what it is"], rows)


def _meanings() -> dict[str, str]:
    """Return what the docstring says of each of a demand's attributes."""
    attributes = inspect.cleandoc(Demand.__doc__ or "").partition("Attributes:\n")[2]
    found = re.split(r"^    (\w+): ", attributes, flags=re.MULTILINE)[1:]
    return {
        name: " ".join(words.split())
        for name, words in zip(found[::2], found[1::2], strict=True)
    }


def _services(demand: Demand, measured: Measured, found: Size) -> str:
    rows = [
        [
            name,
            number(request_us(demand, measured, name)),
            number(found.services[name].cores),
            str(found.services[name].replicas),
            number(found.services[name].memory_mb),
            number(found.services[name].streams) if name != "resolver" else "-",
        ]
        for name in SERVICES
    ]
    head = [
        "service",
        "CPU us a request",
        "cores busy",
        "replicas",
        "MB each",
        "streams open at each",
    ]
    return table(head, rows)


def _store(found: Size) -> str:
    store, resolvers = found.store, found.services["resolver"].replicas
    rows = [
        ["first turns", number(store.first_turns_s), "keys/s"],
        ["sessions in use written again", number(store.renewals_s), "keys/s at most"],
        ["budgets and rates", number(store.quotas_s), "keys/s"],
        ["**all keys written**", number(store.puts_s), "keys/s"],
        ["entries of etcd's log, synced", number(store.entries_s), "a second"],
        ["bindings that run out", number(store.expiries_s), "keys/s"],
        ["leases granted", number(store.leases_s), "a second"],
        ["**changes told to each resolver**", number(store.events_s), "a second"],
        ["sent to each", number(1024 * store.sent_mb_s / resolvers), "KB/s"],
        ["sent to all resolvers", number(store.sent_mb_s), "MB/s"],
        [
            "the largest deployment fails: moves",
            number(store.moves_s),
            "keys/s at first",
        ],
        ["... until so many have moved", number(store.moved), "sessions"],
        ["etcd's CPU, one member", number(store.cores), "cores"],
        ["etcd's memory, each member", number(store.memory_mb), "MB"],
        ["its file", number(store.file_mb), "MB"],
    ]
    return table(["etcd", "", ""], rows)


def _rest(found: Size) -> str:
    ledger = found.ledger
    rows = [
        ["a resolver's start: reading all bindings", number(found.start_s), "s"],
        [
            "its memory when it reads them all again",
            number(found.start_peak_mb),
            "MB",
        ],
        [
            "following what the others write",
            number(100 * found.watch_share),
            "% of a resolver's core",
        ],
        ["ledger: rows", number(ledger.rows_s), "a second"],
        ["ledger: tables and indexes", number(ledger.gb_day), "GB a day at that pace"],
        [
            "ledger: PostgreSQL's write-ahead log",
            number(ledger.log_gb_day),
            "GB a day at that pace",
        ],
        [
            "ledger: written by the resolvers",
            number(ledger.cores),
            "cores, among theirs above",
        ],
    ]
    return table(["restart, watch, ledger", "", ""], rows)


def _limits(demand: Demand, measured: Measured, found: Size) -> str:
    rows = [
        [
            limit.what,
            f"{number(limit.at)} {limit.unit}",
            number(limit.has) if limit.has else "-",
            limit.known,
            limit.then,
        ]
        for limit in limits(demand, found, measured)
    ]
    return table(["limit", "reached at", "here", "known", "then"], rows)


def _bindings(measured: Measured) -> str:
    rows = [
        [
            f"{row['bindings']:,.0f}",
            number(row["etcd_mb"]),
            number(row["etcd_file_mb"]),
            number(row["serves_s"]),
            number(row["resolver_mb"]),
            number(row["mirror_read_s"]),
            number(1_000 * row["mirror_read_stall_s"]),
            number(row["mirror_again_peak_mb"] - row["mirror_before_mb"]),
        ]
        for row in measured.bindings
    ]
    head = [
        "live sessions",
        "etcd, MB",
        "its file, MB",
        "a resolver serves after, s",
        "resolver, MB",
        "of that reading, s",
        "the event loop stood still at most, ms",
        "bindings alone, when read again, MB",
    ]
    return table(head, rows)
