"""What becomes of notes while the database is there, slow, away or refuses."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fakes.clock import Clock
from fakes.ledger import Call, told
from fakes.patience import until
from holdfast_resolver.ledger.journal import MOST_CONTENT_WAITING, Journal
from holdfast_resolver.ledger.layout import ATTEMPTS, CONTENTS, REQUESTS, Rows
from holdfast_resolver.ledger.store import LedgerAwayError, RowsRefusedError


class StoreInMemory:
    """Keeps rows, unless it is away; never takes the rows of some plans.

    Attributes:
        batches: What was written, in order.
    """

    def __init__(self, refuses: str = "") -> None:
        self.batches: list[Rows] = []
        self.is_away = False
        self.is_closed = False
        self._refuses = refuses

    async def write(self, rows: Rows) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise LedgerAwayError("it is away")
        if self._refuses and any(
            row[0] == self._refuses for _, of_it in rows for row in of_it
        ):
            raise RowsRefusedError("no")
        if len(rows):
            self.batches.append(rows)

    def plans(self) -> list[str]:
        return [row[0] for batch in self.batches for row in batch.of(REQUESTS)]

    def of(self, layout) -> Sequence[Any]:
        return [row for batch in self.batches for row in batch.of(layout)]

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_notes_are_written_together_soon(clock):
    """Nobody has to ask for it."""
    store = StoreInMemory()
    journal = Journal(store, clock.now_ms, period_s=0.01)
    journal.start()
    for _ in range(5):
        told(clock).tell(journal)

    await until(lambda: len(store.plans()) == 5)
    await journal.close()

    assert len(store.batches) == 1
    assert journal.counts.written == 15


async def test_a_database_that_is_away_is_known_at_the_start(clock):
    """Before there is anything to write."""
    store = StoreInMemory()
    store.is_away = True
    journal = Journal(store, clock.now_ms, period_s=1_000)
    journal.start()

    await until(lambda: journal.counts.failures == 1)
    await journal.close()


async def test_a_full_batch_does_not_wait(clock):
    """Under load nothing waits for the period to be over."""
    store = StoreInMemory()
    journal = Journal(store, clock.now_ms, period_s=1_000)
    journal.start()
    for _ in range(700):
        told(clock).tell(journal)

    await until(lambda: journal.waiting == 0)
    await journal.close()

    assert len(store.plans()) == 700


async def test_nothing_is_lost_while_the_database_is_away(clock):
    """Notes wait, and are written once each when it is back."""
    store = StoreInMemory()
    store.is_away = True
    journal = Journal(store, clock.now_ms, period_s=0.01)
    journal.start()
    for _ in range(1_000):
        told(clock).tell(journal)

    await until(lambda: journal.counts.failures > 1)
    clock.advance(3)
    lag_s = journal.lag_s
    store.is_away = False
    await until(lambda: journal.waiting == 0)
    await journal.close()

    assert lag_s == 3
    assert journal.lag_s == 0
    assert len(set(store.plans())) == len(store.plans()) == 1_000
    assert journal.counts.lost == 0


async def test_beyond_the_bound_new_notes_are_lost_and_counted(clock):
    """What waits is kept, and memory stays as it is."""
    store = StoreInMemory()
    store.is_away = True
    journal = Journal(store, clock.now_ms, most_waiting=30)
    first = [told(clock) for _ in range(10)]
    for each in first:
        each.tell(journal)
    for _ in range(5):
        told(clock).tell(journal)

    store.is_away = False
    await journal.flush()

    assert store.plans() == [each.plan.plan_id for each in first]
    assert journal.counts.lost == 15


async def test_content_has_a_bound_of_its_own(clock):
    """Beyond it a trace has none, and says how much was left out."""
    store = StoreInMemory()
    journal = Journal(store, clock.now_ms)
    piece = b"x" * (MOST_CONTENT_WAITING // 2)
    for _ in range(3):
        told(clock, content=(piece, b""), content_days=1).tell(journal)

    assert journal.waiting_content_bytes == MOST_CONTENT_WAITING
    await journal.flush()

    assert journal.waiting_content_bytes == 0
    assert len(store.of(CONTENTS)) == 2
    assert [row[-1] for row in store.of(REQUESTS)] == [0, 0, len(piece)]


async def test_one_row_that_no_database_takes_spoils_no_other(clock):
    """It alone is lost."""
    bad = told(clock, Call(), Call())
    store = StoreInMemory(refuses=bad.plan.plan_id)
    journal = Journal(store, clock.now_ms)
    for at in range(40):
        if at == 17:
            bad.tell(journal)
        told(clock).tell(journal)

    await journal.flush()

    assert len(store.plans()) == 40
    assert bad.plan.plan_id not in store.plans()
    assert len(store.of(ATTEMPTS)) == 40
    assert journal.counts.lost == 4
    assert journal.waiting == 0


async def test_the_last_notes_are_written_at_the_end(clock):
    """Who stops loses nothing while the database is there."""
    store = StoreInMemory()
    journal = Journal(store, clock.now_ms, period_s=1_000)
    journal.start()
    told(clock).tell(journal)

    await journal.close()

    assert len(store.plans()) == 1
    assert store.is_closed


async def test_what_cannot_be_written_at_the_end_is_counted(clock):
    """It is lost, and the count says so."""
    store = StoreInMemory()
    store.is_away = True
    journal = Journal(store, clock.now_ms)
    told(clock).tell(journal)

    await journal.close()

    assert journal.counts.lost == 3
