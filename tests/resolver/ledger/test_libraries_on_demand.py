"""What keeping a ledger costs a process that nobody asks: no library of its own."""

import subprocess
import sys

import pytest

_ALL = """
import asyncio, sys, time
from pathlib import Path
import holdfast_resolver.server
from fakes.clock import Clock
from fakes.ledger_notes import tell
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.sqlite import SqliteStore

async def main():
    journal = Journal(SqliteStore(Path(sys.argv[1])), lambda: time.time_ns() // 10**6)
    journal.start()
    tell(journal)
    await journal.close()
    assert journal.counts.written == 3, journal.counts

asyncio.run(main())
print(*{each.partition('.')[0] for each in sys.modules} & set(sys.argv[2:]))
"""
