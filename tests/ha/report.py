"""Writing down what every scenario cost, for people."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ha.lab import Setting
from ha.scenarios import Scenario
from ha.verdict import Cost
from holdfast_cli.etcd_binary import find_etcd, version_of

REPORT = Path(__file__).parents[2] / "docs" / "high-availability.md"

_COLUMNS = (
    "scenario",
    "calls",
    "streamed",
    "**failed**",
    "held by a dead edge",
    "slowest",
    "sessions moved",
    "answered twice",
)

_HEAD = """# High availability, measured

What becomes of calls while hosts, services and etcd fail. `make test-ha` carries
every scenario out and writes this page; a short form is part of `make test`.

{when}: {machine}.
Command: `{command}`.

## The hosts

Five network namespaces on a switch of their own, which joins no interface of the
machine's:

| host | runs |
|---|---|
| one, two | an edge, a resolver with a ledger (SQLite), an executor, a member of etcd |
| three | a member of etcd |
| providers | three simulated providers, each with a deployment of the one model |
| callers | the load |

The load is {rate:g} calls a second of {sessions} sessions, half of them streamed, and
{streams} further streams that are open at any time, at both edges in turn: chats,
structured answers, Messages and Responses.
A caller whose connection an edge refuses or drops asks the other edge, as behind a
load balancer that retries. A caller that gets an error, or part of an answer, does not.

## What it cost

{table}

* **failed**: no whole answer, or a connection lost at an edge that nothing was done to.
* **held by a dead edge**: the caller's connection broke because its edge was killed or
  cut off; it asked the other edge and has its answer.
* **slowest**: how long the slowest caller waited for the whole answer, in seconds, all
  that was tried included. An answer to a stream takes about a second by itself.
* **sessions moved**: met another deployment at some turn than at the one before.
* **answered twice**: calls that providers answered whole more than once, and so bill
  twice. Of these, needless: those whose first answer had not been lost with an
  executor, nor with the caller's connection.

A stream whose executor dies is asked for again where another executor takes it up: what
the first one had got by then is billed besides, and is not counted here. In traces and
budgets it is, as `executor-lost`, by an estimate.

A host that loses its network for some seconds cannot connect to providers and reports
so. That is not held against deployments while others reach them, so that no session
moves for it but those of calls that it held and that were answered elsewhere.
{failures}
## What was done

{what}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one scenario; what it cost, or why it was not carried out."""

    scenario: Scenario
    cost: Cost | None = None
    skipped: str = ""

    @property
    def holds(self) -> bool:
        """Whether nobody lost anything that need not be lost."""
        return self.cost is None or (self.cost.failed == 0 and self.cost.needless == 0)


def line(row: Row) -> str:
    """Say what came of one, in a line."""
    if row.cost is None:
        return f"{row.scenario.name}: skipped, {row.skipped}"
    cost = row.cost
    words = [
        f"{cost.made} calls",
        f"{cost.failed} failed",
        f"{cost.held} held by a dead edge",
        f"slowest {cost.slowest_s:.1f} s",
        f"{cost.moved} of {cost.sessions} sessions moved",
        f"{cost.twice} answered twice",
        f"{cost.needless} needlessly",
        *(f"{many} x {why}" for why, many in cost.failures.items()),
    ]
    return f"{row.scenario.name}: {', '.join(words)}"


def report(rows: Sequence[Row], command: str) -> str:
    """Write the page.

    Args:
        rows: Every scenario's.
        command: What was run.
    """
    setting = Setting()
    return _HEAD.format(
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine(),
        command=command,
        rate=setting.rate,
        sessions=setting.sessions,
        streams=setting.streams,
        table="\n".join(_table(rows)),
        failures=_failures(rows),
        what="\n".join(f"* **{r.scenario.name}**: {r.scenario.what}" for r in rows),
    )


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [_COLUMNS, ("---",) + ("--:",) * (len(_COLUMNS) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (*lines, *map(_cells, rows))]


def _cells(row: Row) -> tuple[str, ...]:
    name, cost = row.scenario.name, row.cost
    if cost is None:
        return (name, f"skipped: {row.skipped}", *("",) * (len(_COLUMNS) - 2))
    twice = f"{cost.twice}, {cost.needless} needlessly" if cost.twice else "0"
    return (
        name,
        str(cost.made),
        str(cost.streamed),
        f"**{cost.failed}**",
        str(cost.held),
        f"{cost.slowest_s:.1f}",
        f"{cost.moved} of {cost.sessions}",
        twice,
    )


def _failures(rows: Sequence[Row]) -> str:
    said = [
        f"* {row.scenario.name}: {many} x {why}"
        for row in rows
        if row.cost is not None
        for why, many in row.cost.failures.items()
    ]
    return "\nWhy calls failed:\n\n" + "\n".join(said) + "\n" if said else ""


def machine() -> str:
    """Say in a line what it was run on."""
    return (
        f"{len(os.sched_getaffinity(0))} cores of {_processor()}; "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"etcd {version_of(find_etcd())}"
    )


def _processor() -> str:
    for each in Path("/proc/cpuinfo").read_text().splitlines():
        if each.startswith("model name"):
            return each.partition(": ")[2]
    return platform.machine()
