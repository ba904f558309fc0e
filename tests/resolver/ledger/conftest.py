"""The databases that a ledger can be in: both of them, for real."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from fakes.clock import Clock
from fakes.ledger import ledger as ledger_of
from fakes.postgres import Postgres
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.migration import migrate
from holdfast_resolver.ledger.opening import postgres_uri
from holdfast_resolver.ledger.postgres import PostgresStore
from holdfast_resolver.ledger.service import LedgerService
from holdfast_resolver.ledger.sqlite import SqliteStore
from holdfast_resolver.ledger.store import Store

_NUMBERS = itertools.count()
_SQLITE = "sqlite:///"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give a PostgreSQL that tests share and none stops."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def new_postgres(postgres: Postgres) -> Callable[[], str]:
    """Make databases of PostgreSQL that have the tables."""
    asyncio.run(migrate(postgres_uri(postgres.database("migrated"))))
    return lambda: postgres_uri(
        postgres.database(f"test_{next(_NUMBERS)}", template="migrated")
    )


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file of SQLite that has the tables, to be copied."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    asyncio.run(migrate(f"{_SQLITE}{path}"))
    return path


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands in May 2025."""
    return Clock(1_747_300_000_000)


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a database of either kind that has the tables and nothing in them."""
    if request.param == "sqlite":
        path = tmp_path / "ledger.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        return f"{_SQLITE}{path}"
    made: str = request.getfixturevalue("new_postgres")()
    return made


def opened(uri: str) -> Store:
    """Return what a replica has of a database."""
    if uri.startswith(_SQLITE):
        return SqliteStore(Path(uri.removeprefix(_SQLITE)))
    return PostgresStore(lambda: uri)


@pytest_asyncio.fixture
async def store(uri: str) -> AsyncIterator[Store]:
    """Give an empty database of either kind."""
    made = opened(uri)
    yield made
    await made.close()


@pytest.fixture
def journal(store: Store, clock: Clock) -> Journal:
    """Give a journal that writes when it is told to."""
    return Journal(store, clock.now_ms)


@pytest.fixture
def ledger(journal: Journal, store: Store, clock: Clock) -> LedgerService:
    """Give a ledger."""
    return ledger_of(journal, store, clock)
