"""`python -m tests.ha`: every scenario, and a report of what each cost.

    python -m tests.ha --only executor --keep /tmp/ha
    python -m tests.ha --random --seed 7 --minutes 5

Takes root, `ip`, and for some scenarios `nft` and libfaketime; those that cannot be
carried out are named with the reason. Writes docs/high-availability.md if all of them
were asked for.
"""

import argparse
import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from ha.hosts import why_not  # noqa: E402 - found by the line above
from ha.random_report import HEADING, write_down  # noqa: E402
from ha.random_runs import Plan, Run, carry_out_at_random, told  # noqa: E402
from ha.report import REPORT, Row, line, report  # noqa: E402
from ha.run import carry_out  # noqa: E402
from ha.scenarios import SCENARIOS, Scenario  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; return 1 if a call failed that need not have."""
    parser = argparse.ArgumentParser(prog="python -m tests.ha", description=__doc__)
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--keep", type=Path, help="a folder for logs and journals")
    parser.add_argument("--random", action="store_true", help="a random run instead")
    parser.add_argument("--seed", type=int, default=1, help="of the first such run")
    parser.add_argument("--runs", type=int, default=1, help="how many")
    parser.add_argument("--minutes", type=float, default=3.0, help="of each")
    parser.add_argument("--show", action="store_true", help="say what would happen")
    parser.add_argument("--write", action="store_true", help="write them down")
    asked = parser.parse_args(arguments)
    if asked.random:
        return _at_random(asked)
    if reason := why_not():
        sys.stderr.write(f"there can be no hosts here: {reason}\n")
        return 2
    chosen = [each for each in SCENARIOS if asked.only in each.name]
    rows = [_row(scenario, asked.keep) for scenario in chosen]
    if len(chosen) == len(SCENARIOS):
        found = REPORT.read_text() if REPORT.exists() else ""
        _, heading, others = found.partition(f"\n{HEADING}\n")
        page = report(rows, "python -m tests.ha")
        REPORT.write_text(page + heading + others)
    return 0 if all(row.holds for row in rows) else 1


def _at_random(asked: argparse.Namespace) -> int:
    plans = [Plan(asked.seed + number, asked.minutes) for number in range(asked.runs)]
    if asked.show:
        for plan in plans:
            sys.stdout.writelines(f"{happening}\n" for happening in plan.happenings)
        return 0
    if reason := why_not():
        sys.stderr.write(f"there can be no hosts here: {reason}\n")
        return 2
    runs = [_run(plan, asked.keep) for plan in plans]
    if asked.write:
        command = f"--random --seed {asked.seed} --runs {asked.runs}"
        command = f"python -m tests.ha {command} --minutes {asked.minutes:g}"
        write_down(runs, command)
    return 1 if any(run.complaints for run in runs) else 0


def _run(plan: Plan, keep: Path | None) -> Run:
    with _folder(keep, f"seed-{plan.seed}") as folder:
        run = asyncio.run(carry_out_at_random(plan, folder))
        sys.stdout.writelines(f"{line}\n" for line in told(run, folder))
        sys.stdout.flush()
    return run


@contextlib.contextmanager
def _folder(keep: Path | None, name: str) -> Iterator[Path]:
    """Give a folder for a lab, and keep what is of use of it."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-ha-"))
    try:
        yield folder
    finally:
        if keep is not None:
            kept = keep / name.replace(" ", "-")
            shutil.rmtree(kept, ignore_errors=True)
            unkept = shutil.ignore_patterns("etcd-*-*", "disk-*")
            shutil.copytree(folder, kept, ignore=unkept)
        shutil.rmtree(folder, ignore_errors=True)


def _row(scenario: Scenario, keep: Path | None) -> Row:
    if reason := scenario.lacks():
        row = Row(scenario, skipped=reason)
    else:
        with _folder(keep, scenario.name) as folder:
            row = Row(scenario, asyncio.run(carry_out(scenario, folder)))
    sys.stdout.write(line(row) + "\n")
    sys.stdout.flush()
    return row


if __name__ == "__main__":
    sys.exit(main())
