"""What keeping a ledger costs a process that nobody asks: no library of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

_WRITES = """
import asyncio, sys, time
from pathlib import Path
import holdfast_resolver.server
from fakes.clock import Clock
from fakes.ledger import told
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.retention import Retention
from holdfast_resolver.ledger.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    journal = Journal(store, lambda: time.time_ns() // 10**6)
    journal.start()
    told(Clock()).tell(journal)
    await journal.flush()
    assert await Retention(store, dict, lambda: 0).look() == 0
    await journal.close()
    assert journal.counts.written == 3, journal.counts

asyncio.run(main())
print(*{each.partition('.')[0] for each in sys.modules} & set(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    "library", ["sqlalchemy", "alembic", "asyncpg", "opentelemetry"]
)
def test_who_writes_loads_none_of_them(library: str, tmp_path: Path) -> None:
    """A resolver that keeps a ledger in SQLite, and finds nothing to delete in it."""
    done = subprocess.run(
        [sys.executable, "-c", _WRITES, str(tmp_path / "ledger.db"), library],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.split() == []
