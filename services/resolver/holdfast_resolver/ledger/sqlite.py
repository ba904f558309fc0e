"""The ledger in one file: SQLite, written by a thread of its own.

Several processes of a machine may share the file. A batch is a few statements of many
rows each, since a thread has to wait for the interpreter at every one.
"""

import asyncio
import fcntl
import functools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast_resolver.ledger.additions import additions
from holdfast_resolver.ledger.layout import (
    ATTEMPTS,
    REQUESTS,
    USAGE,
    VERSION,
    VERSION_TABLE,
    Layout,
    Row,
    Rows,
)
from holdfast_resolver.ledger.migration import migrate
from holdfast_resolver.ledger.store import (
    COUNTED,
    LedgerAwayError,
    QueryTooLongError,
    RepeatedError,
    RowsRefusedError,
    compiled,
    on_conflict,
)

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement, Delete, Select

T = TypeVar("T")

_BUSY_S = 5.0
"""How long is waited for another process to have written. A batch takes 20 ms."""

_SIZES = (50, 10, 1)
"""Rows of one statement, the most that there are of: of the widest table 1,400 values,
of 32,766 that SQLite takes."""

_STATEMENTS = 64
"""That are kept ready: those of every table in every size, and some to delete."""

_LOG_PAGES = 4_000
"""16 MB, after which the log goes into the file: a page that many batches change is
then written once."""

_READERS = 4
"""Questions that are answered at a time, in threads of their own."""

_STEPS = 100_000
"""Of SQLite's, after which is looked whether a question takes too long: 2 ms."""

_REFUSED = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    UnicodeEncodeError,
    OverflowError,
)


class SqliteStore:
    """A file, and the thread that writes it."""

    def __init__(self, path: Path) -> None:
        """Prepare; nothing is opened yet.

        Args:
            path: The file. It is made with its folder where it is not there.
        """
        self._path = path
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="ledger-write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="ledger-read")
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        self._opening = asyncio.Lock()

    async def write(self, rows: Rows) -> None:
        """Write rows, all or none, and add them up."""
        await self._open()
        try:
            await self._on_writer(lambda connection: _write(connection, rows))
        except RepeatedError:
            await self._on_writer(lambda connection: _write_new(connection, rows))

    async def read(
        self, query: "Select[Any]", within_s: float
    ) -> Sequence[tuple[Any, ...]]:
        """Answer a question on a connection of its own."""
        await self._open()
        ends = time.monotonic() + within_s

        def is_over() -> bool:
            return self._is_closed or time.monotonic() > ends

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._readers, _read, self._path, query, is_over
        )

    async def has_rows(self, layout: Layout) -> bool:
        """Say whether a table holds anything."""
        await self._open()
        text = f"SELECT EXISTS (SELECT 1 FROM {layout.name})"  # noqa: S608 - a name of our own
        return await self._on_writer(
            lambda connection: bool(connection.execute(text).fetchone()[0])
        )

    async def delete(self, deletions: "Sequence[Delete]") -> int:
        """Delete rows, overwrite where they were, and give the room back."""
        await self._open()
        return await self._on_writer(lambda connection: _delete(connection, deletions))

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Say whether no other process on this file does what one alone is to do."""
        try:
            lock = self._path.with_name(f"{self._path.name}.alone").open("w")
        except OSError as error:
            raise LedgerAwayError(f"{self._path}: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    async def close(self) -> None:
        """Close the file. Questions that are being answered are broken off."""
        self._is_closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._writer, self._let_go)
        self._writer.shutdown()
        await loop.run_in_executor(None, self._readers.shutdown)

    async def _open(self) -> None:
        """Open the file if it is not, and bring it to the form that is known here."""
        if self._connection is not None:
            return
        async with self._opening:
            if self._connection is not None:
                return
            version = await self._on_thread(lambda: _version(self._path))
            if version < VERSION:
                await migrate(f"sqlite:///{self._path}")
            self._connection = await self._on_thread(lambda: _connected(self._path))

    async def _on_writer(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """Have something done with the connection; after a failure it is a new one."""

        def done() -> T:
            if self._connection is None:
                raise LedgerAwayError(f"{self._path}: it was closed")
            try:
                return do(self._connection)
            except sqlite3.OperationalError:
                self._let_go()
                raise

        return await self._on_thread(done)

    async def _on_thread(self, do: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._writer, do)
        except _REFUSED as error:
            raise RowsRefusedError(type(error).__name__) from error
        except (sqlite3.Error, OSError) as error:
            raise LedgerAwayError(f"{self._path}: {error}") from error

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _version(path: Path) -> str:
    """Say which migrations a file has had; none if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Its log and all else that is made beside it get the same mode.
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
        try:
            found = connection.execute(
                f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a name of our own
            ).fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return ""
            raise
    return str(found[0]) if found else ""


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    # What is in the log survives a crash of the process; of the machine, all but
    # the last moments. With each deletion the bytes themselves are overwritten.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    return connection


def _write(connection: sqlite3.Connection, rows: Rows) -> None:
    """Write rows of which none is there.

    Raises:
        RepeatedError: One is; nothing was written.
    """
    with _transaction(connection):
        for layout, of_it in rows:
            if _insert(connection, layout, of_it) < len(of_it) and (
                layout.name in COUNTED
            ):
                raise RepeatedError
        _insert(connection, USAGE, additions(rows.of(REQUESTS), rows.of(ATTEMPTS)))


def _write_new(connection: sqlite3.Connection, rows: Rows) -> None:
    """Write rows one by one, and add up those that were not there."""
    new: dict[str, list[Row]] = {name: [] for name in COUNTED}
    with _transaction(connection):
        for layout, of_it in rows:
            for row in of_it:
                is_new = _insert(connection, layout, [row])
                if is_new and layout.name in COUNTED:
                    new[layout.name].append(row)
        added = additions(new[REQUESTS.name], new[ATTEMPTS.name])
        _insert(connection, USAGE, added)


def _insert(connection: sqlite3.Connection, layout: Layout, rows: list[Row]) -> int:
    """Insert rows, and count those that were not there."""
    at = inserted = 0
    while at < len(rows):
        size = next(size for size in _SIZES if size <= len(rows) - at)
        values = tuple(chain.from_iterable(rows[at : at + size]))
        inserted += connection.execute(_insertion(layout, size), values).rowcount
        at += size
    return inserted


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of what is inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@functools.cache
def _insertion(layout: Layout, rows: int) -> str:
    names = ", ".join(column.name for column in layout.columns)
    row = f"({', '.join('?' * len(layout.columns))})"
    values = ", ".join([row] * rows)
    return (
        f"INSERT INTO {layout.name} ({names}) VALUES {values} "  # noqa: S608 - names of our own
        f"{on_conflict(layout)}"
    )


def _read(
    path: Path, query: "Select[Any]", is_over: Callable[[], bool]
) -> Sequence[tuple[Any, ...]]:
    text, values = _compiled(query)
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_S)
    except sqlite3.Error as error:
        raise LedgerAwayError(f"{path}: {error}") from error
    with closing(connection):
        connection.set_progress_handler(is_over, _STEPS)
        try:
            connection.execute("PRAGMA query_only = ON")
            return connection.execute(text, values).fetchall()
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise QueryTooLongError from error
            raise LedgerAwayError(f"{path}: {error}") from error


def _delete(connection: sqlite3.Connection, deletions: "Sequence[Delete]") -> int:
    deleted = 0
    with _transaction(connection):
        for deletion in deletions:
            deleted += connection.execute(*_compiled(deletion)).rowcount
    if deleted:
        # What was overwritten in the file is in its log as it was, until that ends.
        connection.execute("PRAGMA incremental_vacuum").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return deleted


def _compiled(statement: "ClauseElement") -> tuple[str, tuple[Any, ...]]:
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415 - for who reads alone

    return compiled(statement, sqlite.dialect(paramstyle="qmark"))
