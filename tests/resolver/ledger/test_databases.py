"""Both databases: their tables, several replicas on one, being away, long questions."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, func, literal_column, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from fakes.clock import Clock
from fakes.ledger import told
from fakes.ledger_rows import rows
from fakes.patience import until
from fakes.postgres import Postgres
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.layout import REQUESTS as REQUESTS_LAYOUT
from holdfast_resolver.ledger.layout import VERSION, VERSION_TABLE, Rows
from holdfast_resolver.ledger.opening import postgres_uri
from holdfast_resolver.ledger.postgres import PostgresStore
from holdfast_resolver.ledger.sqlite import SqliteStore
from holdfast_resolver.ledger.store import (
    LedgerAwayError,
    QueryTooLongError,
    RowsRefusedError,
    Store,
)
from holdfast_resolver.ledger.tables import METADATA

_SQLITE = "sqlite:///"


def opened(uri: str) -> Store:
    """Return what another replica has of a database."""
    if uri.startswith(_SQLITE):
        return SqliteStore(Path(uri.removeprefix(_SQLITE)))
    return PostgresStore(lambda: uri)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a database of either kind without any table."""
    if request.param == "sqlite":
        return f"{_SQLITE}{tmp_path / 'deep' / 'ledger.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return postgres_uri(server.database(f"empty_{tmp_path.name}"))


async def test_replicas_that_start_at_once_make_the_tables_once(
    empty_uri: str, clock: Clock
) -> None:
    """Whoever comes second waits, and finds them there."""
    stores = [opened(empty_uri) for _ in range(4)]
    journals = [Journal(store, clock.now_ms) for store in stores]
    for journal in journals:
        told(clock).tell(journal)

    await asyncio.gather(*(journal.flush() for journal in journals))

    assert await rows(stores[0], "ledger_requests") == 4
    for journal in journals:
        await journal.close()


async def test_a_database_that_is_migrated_is_left_as_it_is(
    uri: str, clock: Clock
) -> None:
    """What is there stays there when another replica starts."""
    for count in (1, 2):
        store = opened(uri)
        journal = Journal(store, clock.now_ms)
        told(clock).tell(journal)
        await journal.flush()

        assert await rows(store, "ledger_requests") == count
        await journal.close()


async def test_a_later_versions_tables_are_used_all_the_same(
    uri: str, store: Store, clock: Clock
) -> None:
    """A replica of this version goes on beside newer ones."""
    await rows(store, "ledger_requests")
    await run(uri, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    other = opened(uri)
    journal = Journal(other, clock.now_ms)
    told(clock).tell(journal)

    await journal.flush()

    assert await rows(other, "ledger_requests") == 1
    await journal.close()


async def test_migrations_end_with_the_tables_that_are_written(uri: str) -> None:
    """What the migrations make is what the layouts say."""
    if uri.startswith(_SQLITE):
        engine = create_engine(uri, poolclass=NullPool)
        with engine.connect() as connection:
            differences = differ(connection)
    else:
        at = uri.replace("postgresql:", "postgresql+asyncpg:")
        remote = create_async_engine(at, poolclass=NullPool)
        async with remote.connect() as connection:
            differences = await connection.run_sync(differ)
        await remote.dispose()

    assert differences == []


def differ(connection):
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
    )
    return compare_metadata(context, METADATA)


def test_the_version_that_is_known_is_the_last_migration() -> None:
    """A migration that nobody would apply does not go unseen."""
    config = Config()
    config.set_main_option("script_location", "holdfast_resolver.ledger:migrations")

    assert ScriptDirectory.from_config(config).get_current_head() == VERSION


async def test_replicas_that_share_a_database_lose_nothing(
    uri: str, clock: Clock
) -> None:
    """They write at the same time, each its own and some the same."""
    journals = [Journal(opened(uri), clock.now_ms) for _ in range(3)]
    both = [told(clock) for _ in range(50)]
    for journal in journals:
        for each in both:
            each.tell(journal)
        for _ in range(400):
            told(clock).tell(journal)

    await asyncio.gather(*(journal.flush() for journal in journals))

    store = opened(uri)
    assert await rows(store, "ledger_requests") == 50 + 3 * 400
    assert all(journal.counts.failures == 0 for journal in journals)
    for journal in journals:
        await journal.close()
    await store.close()


async def test_a_question_that_takes_too_long_is_broken_off(store: Store) -> None:
    """And the next one is answered."""
    await rows(store, "ledger_requests")
    numbers = select(literal_column("1").label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + literal_column("1")))

    with pytest.raises(QueryTooLongError):
        await store.read(select(func.count()).select_from(numbers), 0.2)

    assert await rows(store, "ledger_requests") == 0


async def test_a_row_that_breaks_a_rule_is_refused(store: Store) -> None:
    """It is told from a database that is away."""
    bad = Rows()
    bad.add(REQUESTS_LAYOUT, tuple(None for _ in REQUESTS_LAYOUT.columns))

    with pytest.raises(RowsRefusedError):
        await store.write(bad)


async def test_one_replica_alone_is_alone(uri: str, store: Store) -> None:
    """While one has something to do alone, the others do not."""
    await rows(store, "ledger_requests")
    other = opened(uri)

    async with store.alone() as first, other.alone() as second:
        pass
    async with other.alone() as later:
        pass

    assert (first, second, later) == (True, False, True)
    await other.close()


async def test_a_file_that_cannot_be_written_is_away(tmp_path: Path) -> None:
    """Requests are served all the same; notes wait."""
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "ledger.db")

    with pytest.raises(LedgerAwayError):
        await store.write(Rows())

    await store.close()


async def test_nobody_else_may_read_the_files(tmp_path: Path, clock: Clock) -> None:
    """They may hold prompts."""
    store = SqliteStore(tmp_path / "ledger.db")
    journal = Journal(store, clock.now_ms)
    told(clock).tell(journal)
    await journal.flush()

    assert modes_in(tmp_path) == {0o600}
    await journal.close()


async def test_a_file_that_another_process_writes_is_waited_for(
    migrated_file: Path, tmp_path: Path, clock: Clock
) -> None:
    """What was noted is written as soon as the other one is done."""
    path = tmp_path / "ledger.db"
    shutil.copy(migrated_file, path)
    store = SqliteStore(path)
    journal = Journal(store, clock.now_ms)
    told(clock).tell(journal)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(journal.flush())
        await asyncio.sleep(0)
        other.execute("COMMIT")
        await writing

    assert await rows(store, "ledger_requests") == 1
    await journal.close()


def modes_in(folder: Path) -> set[int]:
    """Say who may do what with the files of a folder."""
    return {each.stat().st_mode & 0o777 for each in folder.iterdir()}


async def run(uri: str, statement: str) -> None:
    """Have a statement carried out, past the ledger."""
    if uri.startswith(_SQLITE):
        with closing(sqlite3.connect(uri.removeprefix(_SQLITE))) as connection:
            connection.execute(statement)
            connection.commit()
        return
    remote = await asyncpg.connect(uri)
    await remote.execute(statement)
    await remote.close()


async def test_postgresql_that_stops_and_comes_back_has_everything(
    clock: Clock,
) -> None:
    """Notes go on being taken while it is away, and none is written twice."""
    with Postgres() as server:
        store = PostgresStore(lambda: postgres_uri(server.uri))
        journal = Journal(store, clock.now_ms, period_s=0.05)
        journal.start()
        told_of = 0
        for phase in range(4):
            if phase in {1, 3}:
                await asyncio.to_thread(server.stop)
            if phase == 2:
                await asyncio.to_thread(server.start)
            for _ in range(300):
                told(clock).tell(journal)
                told_of += 1
                await asyncio.sleep(0)
            if phase == 0:
                await until(lambda: journal.counts.written > 100)
            if phase in {1, 3}:
                await until(lambda: journal.counts.failures > 0)
        await asyncio.to_thread(server.start)

        await until(lambda: journal.waiting == 0, within_s=30)

        assert await rows(store, "ledger_requests") == told_of
        assert journal.counts.lost == 0
        await journal.close()


async def test_postgresql_that_was_never_there_is_found_later(clock: Clock) -> None:
    """A ledger begins once its database does."""
    with Postgres() as server:
        server.stop()
        store = PostgresStore(lambda: postgres_uri(server.uri))
        journal = Journal(store, clock.now_ms, period_s=0.05)
        journal.start()
        told(clock).tell(journal)
        await until(lambda: journal.counts.failures > 0)

        await asyncio.to_thread(server.start)
        await until(lambda: journal.waiting == 0, within_s=30)

        assert await rows(store, "ledger_requests") == 1
        await journal.close()


@pytest.mark.parametrize(
    ("url", "password", "expected"),
    [
        ("postgresql+asyncpg://u@h/d", None, "postgresql://u@h/d"),
        ("postgresql+asyncpg://u@h/d", "a/b@c", "postgresql://u:a%2Fb%40c@h/d"),
        ("postgresql+asyncpg://u:old@h:5/d?x=1", "p", "postgresql://u:p@h:5/d?x=1"),
        ("postgresql+asyncpg://h/d", "p", "postgresql://:p@h/d"),
    ],
)
def test_a_password_of_its_own_goes_into_the_address(url, password, expected) -> None:
    """Whatever characters it has."""
    assert postgres_uri(url, password) == expected
