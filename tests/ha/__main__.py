"""`python -m tests.ha`: every scenario, and a report of what each cost.

    python -m tests.ha --only executor --keep /tmp/ha

Takes root, `ip`, and for some scenarios `nft` and libfaketime; those that cannot be
carried out are named with the reason. Writes docs/high-availability.md if all of them
were asked for.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from ha.hosts import why_not  # noqa: E402 - found by the line above
from ha.report import REPORT, Row, line, report  # noqa: E402
from ha.run import carry_out  # noqa: E402
from ha.scenarios import SCENARIOS, Scenario  # noqa: E402


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them; return 1 if a call failed that need not have."""
    parser = argparse.ArgumentParser(prog="python -m tests.ha", description=__doc__)
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--keep", type=Path, help="a folder for logs and journals")
    asked = parser.parse_args(arguments)
    if reason := why_not():
        sys.stderr.write(f"there can be no hosts here: {reason}\n")
        return 2
    chosen = [each for each in SCENARIOS if asked.only in each.name]
    rows = [_row(scenario, asked.keep) for scenario in chosen]
    if len(chosen) == len(SCENARIOS):
        REPORT.write_text(report(rows, "python -m tests.ha"))
    return 0 if all(row.holds for row in rows) else 1


def _row(scenario: Scenario, keep: Path | None) -> Row:
    if reason := scenario.lacks():
        row = Row(scenario, skipped=reason)
    else:
        folder = Path(tempfile.mkdtemp(prefix="holdfast-ha-"))
        try:
            row = Row(scenario, asyncio.run(carry_out(scenario, folder)))
        finally:
            if keep is not None:
                kept = keep / scenario.name.replace(" ", "-")
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("etcd-*-*"))
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(line(row) + "\n")
    sys.stdout.flush()
    return row


if __name__ == "__main__":
    sys.exit(main())
