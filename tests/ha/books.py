"""What the ledgers say of a run, and what the counters in etcd do."""

import asyncio
import base64
import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ha.lab import Lab

_ATTEMPTS = (
    "SELECT a.plan_id, a.ordinal, a.project_id, a.cost_usd_nanos FROM ledger_attempts a"
)
_REQUESTS = "SELECT trace_id FROM ledger_requests"
_TALLIES = "/holdfast/1/q/"


@dataclass(frozen=True, slots=True)
class Books:
    """What is written down.

    Attributes:
        traces: Requests that are in a ledger.
        noted: What projects' attempts have cost by the ledgers, in billionths of a
            dollar, by project.
        counted: The same by the counters.
    """

    traces: Collection[str]
    noted: Mapping[str, int]
    counted: Mapping[str, int]


async def read(lab: Lab) -> Books:
    """Read all of them."""
    attempts: dict[tuple[str, str], tuple[str, int]] = {}
    for plan, ordinal, project, cost in await _rows(lab, _ATTEMPTS):
        attempts[plan, ordinal] = (project, int(cost))
    noted: dict[str, int] = {}
    for project, nanos in attempts.values():
        noted[project] = noted.get(project, 0) + nanos
    traces = {trace for (trace,) in await _rows(lab, _REQUESTS)}
    return Books(traces, noted, await _counted(lab))


async def _rows(lab: Lab, statement: str) -> Iterable[tuple[str, ...]]:
    if lab.database is not None:
        said = await asyncio.to_thread(lab.database.ask, statement)
        return [tuple(line.split("|")) for line in said.splitlines()]
    rows = [row for file in ledgers(lab) for row in _asked(file, statement)]
    return [tuple(map(str, row)) for row in rows]


def ledgers(lab: Lab) -> list[Path]:
    """Return the files, where each resolver has one of its own."""
    if lab.database is not None:
        return []
    return [
        lab.setting.ledgers.get(place.host.name, lab.folder)
        / f"ledger-{place.host.name}.db"
        for place in lab.places
    ]


def _asked(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


async def _counted(lab: Lab) -> Mapping[str, int]:
    """Return what budgets' counters say, by the last word of their scopes."""
    said = await lab.etcd.control(lab.hosts[0], "get", "--prefix", _TALLIES)
    found = {}
    for pair in (said or {}).get("kvs", ()):
        key = base64.b64decode(pair["key"]).decode()
        tally = json.loads(base64.b64decode(pair["value"]))
        found[key.rpartition("/")[2]] = int(tally[0])
    return found
