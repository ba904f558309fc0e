"""`python -m bench.capacity`: what memory, etcd and the ledger carry.

Takes some five minutes. Keeps what it finds in bench/.results and, with what
`bench.shares` found of CPU, in bench/measured.json. Then writes docs/capacity.md and
docs/sizing.md from that.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from bench import ledger
from bench.capacity import bindings, memory, report, writes
from bench.measured import CAPACITY, gathered

_LEDGER_REQUESTS = 40_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts asked for and write the documents; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity")
    parser.add_argument(
        "parts", nargs="*", help="memory, writes, bindings, history, ledger"
    )
    parser.add_argument(
        "--postgres", help="postgresql+asyncpg://USER@HOST/NAME, for the ledger"
    )
    parser.add_argument(
        "--gather", action="store_true", help="take what was found last"
    )
    parser.add_argument(
        "--write", action="store_true", help="write the documents, and nothing else"
    )
    asked = parser.parse_args(arguments)

    def ledgers() -> dict[str, Any]:
        urls = {"sqlite": None}
        urls |= {"postgres": asked.postgres} if asked.postgres else {}
        return {
            name: dataclasses.asdict(ledger.measured(url, _LEDGER_REQUESTS))
            for name, url in urls.items()
        }

    known: dict[str, Callable[[], Any]] = {
        "memory": memory.measured,
        "writes": writes.measured,
        "bindings": bindings.measured,
        "history": bindings.history,
        "ledger": ledgers,
    }
    parts = asked.parts or ([] if asked.gather or asked.write else list(known))
    found = json.loads(CAPACITY.read_text("utf-8")) if CAPACITY.exists() else {}
    for part in parts:
        found[part] = known[part]()
        CAPACITY.parent.mkdir(parents=True, exist_ok=True)
        CAPACITY.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(part, json.dumps(found[part]), flush=True)
    if not asked.write:
        gathered()
    report.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
