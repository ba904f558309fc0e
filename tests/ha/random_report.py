"""Writing down what came of random runs, beside what came of the scenarios."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from ha.misfortunes import DATABASE_KINDS, KINDS
from ha.random_runs import Run
from ha.report import REPORT, machine

HEADING = "## Random runs"

_COLUMNS = (
    "seed",
    "ledger",
    "happenings",
    "calls",
    "streamed",
    "**failed**",
    "held by a dead edge",
    "failed by every provider",
    "slowest",
    "sessions moved",
    "answered twice",
    "counter less ledger",
    "unwritten",
    "machine",
)

_TEXT = """{heading}

Things happen at random moments, for as long as they happen to, two or three at a time.
`make test-ha-random` carries runs out and writes this section; a short one with a seed
of its own is part of `make test`.

{when}: {machine}.
Command: `{command}`.
{runs} runs of {minutes:g} minutes: {calls} calls, **{failed} failed**.

The same seed has the same things happen: `--show` says which and when. Each call that
fails is printed with what went on, its trace, and what services logged of it. Never is
all of a service harmed at once, nor all providers; of etcd, and of ledgers, all may be
gone. What is harmed is whole for some seconds before its like may be.

The load has every API that answers a chat, whole and streamed, structured answers,
callers who read slowly and callers who leave, and two projects with budgets: one of
plenty, of which counter and ledger are compared in the end, and one that runs out.

{table}

* **calls**, **failed**, **held by a dead edge**, **slowest**: as above. A connection
  lost at an edge that was not being killed or cut off at that very time is a failure.
* **failed by every provider**: each provider failed at some time while the call was
  made, and the call met each as it did.
* **sessions moved**: mostly away from a provider that failed. Those with no such
  reason: {moved}.
* **answered twice**: of these, with no executor or connection lost under them:
  {needless}.
* **counter less ledger**: what etcd's counter says that the project of plenty has
  spent, less what the ledgers do, in US dollars. They differ by what a killed resolver
  had been told in its last moment, and by attempts that it was told of and another one
  once more ([budgets](budgets.md#when-replicas-die)); an answer costs two cents.
* **unwritten**: calls answered that are in no ledger, since the resolver or executor
  that had them to write was killed or cut off. Without that reason: {missing}.
* **machine**: how much of its processors was in use. Runs shared it with other work.

What can happen, and how often it did:

{kinds}
{lacking}{complaints}"""


def write_down(runs: Sequence[Run], command: str) -> None:
    """Write them to the page, in place of those there.

    Args:
        runs: At least one.
        command: What was run.
    """
    page = REPORT.read_text().partition(f"\n{HEADING}\n")[0].rstrip("\n")
    REPORT.write_text(f"{page}\n\n{section(runs, command)}")


def section(runs: Sequence[Run], command: str) -> str:
    """Write what stands on the page."""
    return _TEXT.format(
        heading=HEADING,
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=machine(),
        command=command,
        runs=len(runs),
        minutes=runs[0].plan.minutes,
        calls=sum(run.reckoning.cost.made for run in runs),
        failed=sum(run.reckoning.cost.failed for run in runs),
        table="\n".join(_table(runs)),
        moved=sum(run.reckoning.moved for run in runs),
        needless=sum(run.reckoning.cost.needless for run in runs),
        missing=sum(len(run.reckoning.missing) for run in runs),
        kinds="\n".join(_kinds(runs)),
        lacking=_lacking(),
        complaints=_complaints(runs),
    )


def _table(runs: Sequence[Run]) -> list[str]:
    lines = [_COLUMNS, ("--:", "---", *("--:",) * (len(_COLUMNS) - 2))]
    return [f"| {' | '.join(cells)} |" for cells in (*lines, *map(_cells, runs))]


def _cells(run: Run) -> tuple[str, ...]:
    cost = run.reckoning.cost
    return (
        str(run.plan.seed),
        "PostgreSQL" if run.plan.has_database else "SQLite",
        str(len(run.past)),
        str(cost.made),
        str(cost.streamed),
        f"**{cost.failed}**",
        str(cost.held),
        str(run.reckoning.exhausted),
        f"{cost.slowest_s:.1f}",
        f"{cost.moved} of {cost.sessions}",
        str(cost.twice),
        f"{run.off / 1e9:.3f}",
        str(run.reckoning.excused),
        f"{run.pressure.busy:.0%}",
    )


def _kinds(runs: Sequence[Run]) -> list[str]:
    often = Counter(past.happening.kind.what for run in runs for past in run.past)
    every = dict.fromkeys(kind.what for kind in (*KINDS, *DATABASE_KINDS))
    return [f"* {what}: {often[what]}" for what in every]


def _lacking() -> str:
    said = {
        f"* {kind.what}: {reason}"
        for kind in (*KINDS, *DATABASE_KINDS)
        if (reason := kind.lacks())
    }
    return _listed("What cannot be done here", sorted(said))


def _complaints(runs: Sequence[Run]) -> str:
    said = [f"* seed {r.plan.seed}: {why}" for r in runs for why in r.complaints]
    return _listed("What should not be", said)


def _listed(heading: str, lines: Sequence[str]) -> str:
    return "\n".join((f"\n{heading}:\n", *lines, "")) if lines else ""
