"""The ledger in PostgreSQL, for gateways of several machines.

A batch is one statement a table, with a list of values for each column: a tenth of
what a statement a row takes.
"""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast_resolver.ledger.additions import additions
from holdfast_resolver.ledger.layout import (
    ATTEMPTS,
    REQUESTS,
    USAGE,
    VERSION,
    VERSION_TABLE,
    Kind,
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
    import asyncpg
    from sqlalchemy import ClauseElement, Delete, Select

T = TypeVar("T")

_CONNECTIONS = 5
"""One that writes, and questions that are answered at a time."""

_CONNECT_S = 5.0
_WRITE_S = 30.0
"""For a batch, which takes 20 ms: a database that is so slow is as good as away."""

_DELETE_S = 300.0
"""For a thousand rows, and what it takes to wait for others."""

_ALONE = 0x66617374
"""The advisory lock of who does what one replica alone is to do: `fast`, in ASCII."""

_TYPES = {Kind.TEXT: "text", Kind.INTEGER: "bigint", Kind.BYTES: "bytea"}

_REFUSED = ("22", "23")
"""Classes of SQLSTATE that say that a value is wrong, or breaks a constraint."""

_UNAUTHENTICATED = "28"


class PostgresStore:
    """A database of PostgreSQL, and some connections to it."""

    def __init__(self, uri: Callable[[], str]) -> None:
        """Prepare; nothing is connected yet.

        Args:
            uri: Says where it is, as asyncpg takes it, with the password as it is
                then.
        """
        self._uri = uri
        self._pool: asyncpg.Pool[Any] | None = None
        self._is_migrated = False
        self._opening = asyncio.Lock()

    async def write(self, rows: Rows) -> None:
        """Write rows, all or none, and add them up."""

        async def insert(connection: "asyncpg.Connection[Any]") -> None:
            try:
                await _write(connection, rows)
            except RepeatedError:
                await _write_new(connection, rows)

        try:
            await self._on_connection(insert, _WRITE_S)
        except QueryTooLongError as error:
            raise LedgerAwayError(f"no answer within {_WRITE_S:g} s") from error

    async def read(
        self, query: "Select[Any]", within_s: float
    ) -> Sequence[tuple[Any, ...]]:
        """Answer a question."""
        text, values = _compiled(query)

        async def fetch(
            connection: "asyncpg.Connection[Any]",
        ) -> Sequence[tuple[Any, ...]]:
            found = await connection.fetch(text, *values)
            return [tuple(row.values()) for row in found]

        return await self._on_connection(fetch, within_s)

    async def has_rows(self, layout: Layout) -> bool:
        """Say whether a table holds anything."""
        text = f"SELECT EXISTS (SELECT 1 FROM {layout.name})"  # noqa: S608 - a name of our own

        async def ask(connection: "asyncpg.Connection[Any]") -> bool:
            return bool(await connection.fetchval(text))

        return await self._on_connection(ask, _WRITE_S)

    async def delete(self, deletions: "Sequence[Delete]") -> int:
        """Delete rows; their room is given back by autovacuum."""

        async def remove(connection: "asyncpg.Connection[Any]") -> int:
            deleted = 0
            async with connection.transaction():
                for deletion in deletions:
                    text, values = _compiled(deletion)
                    # It answers with a word and a number: DELETE 12.
                    status = await connection.execute(text, *values)
                    deleted += int(status.rpartition(" ")[2])
            return deleted

        try:
            return await self._on_connection(remove, _DELETE_S)
        except QueryTooLongError as error:
            raise LedgerAwayError(f"no answer within {_DELETE_S:g} s") from error

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Say whether no other replica does what one alone is to do."""
        import asyncpg  # noqa: PLC0415 - for who keeps the ledger there alone

        try:
            connection = await asyncpg.connect(self._uri(), timeout=_CONNECT_S)
            is_alone = await connection.fetchval(
                "SELECT pg_try_advisory_lock($1)", _ALONE
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise LedgerAwayError(_why(error)) from error
        try:
            yield bool(is_alone)
        finally:
            await connection.close()

    async def close(self) -> None:
        """Hang up."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _on_connection(
        self,
        do: "Callable[[asyncpg.Connection[Any]], Awaitable[T]]",
        within_s: float,
    ) -> T:
        import asyncpg  # noqa: PLC0415 - for who keeps the ledger there alone

        try:
            pool = await self._opened()
            async with pool.acquire(timeout=_CONNECT_S) as connection:
                try:
                    async with asyncio.timeout(within_s):
                        return await do(connection)
                except TimeoutError as error:
                    raise QueryTooLongError from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            state = getattr(error, "sqlstate", None) or ""
            if state[:2] in _REFUSED or isinstance(error, asyncpg.DataError):
                raise RowsRefusedError(_why(error)) from error
            if state[:2] == _UNAUTHENTICATED:
                # The password may be another one by now.
                await self.close()
            # A table may be gone: it is looked at anew.
            self._is_migrated = False
            raise LedgerAwayError(_why(error)) from error

    async def _opened(self) -> "asyncpg.Pool[Any]":
        """Connect if that has not been done, and see that the tables are there."""
        import asyncpg  # noqa: PLC0415 - for who keeps the ledger there alone

        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._uri(),
                    min_size=0,
                    max_size=_CONNECTIONS,
                    timeout=_CONNECT_S,
                )
            if not self._is_migrated:
                async with self._pool.acquire(timeout=_CONNECT_S) as connection:
                    version = await _version(connection)
                if version < VERSION:
                    await migrate(self._uri())
                self._is_migrated = True
            return self._pool


async def _version(connection: "asyncpg.Connection[Any]") -> str:
    """Say which migrations a database has had; none if it has no tables."""
    import asyncpg  # noqa: PLC0415 - for who keeps the ledger there alone

    try:
        found = await connection.fetchval(
            f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a name of our own
        )
    except asyncpg.UndefinedTableError:
        return ""
    return found or ""


async def _write(connection: "asyncpg.Connection[Any]", rows: Rows) -> None:
    """Write rows of which none is there.

    Raises:
        RepeatedError: One is; nothing was written.
    """
    async with connection.transaction():
        for layout, of_it in rows:
            # It answers with a word and two numbers: INSERT 0 12.
            status = await connection.execute(_insertion(layout), *_columns(of_it))
            inserted = int(status.rpartition(" ")[2])
            if inserted < len(of_it) and layout.name in COUNTED:
                raise RepeatedError
        await _add_up(connection, rows.of(REQUESTS), rows.of(ATTEMPTS))


async def _write_new(connection: "asyncpg.Connection[Any]", rows: Rows) -> None:
    """Write rows, and add up those that were not there."""
    new: dict[str, list[Row]] = {name: [] for name in COUNTED}
    async with connection.transaction():
        for layout, of_it in rows:
            key = [
                at
                for at, column in enumerate(layout.columns)
                if column.name in layout.key
            ]
            text = f"{_insertion(layout)} RETURNING {', '.join(layout.key)}"
            found = await connection.fetch(text, *_columns(of_it))
            if layout.name in COUNTED:
                written = {tuple(record.values()) for record in found}
                by_key = {tuple(row[at] for at in key): row for row in of_it}
                new[layout.name] += [by_key[each] for each in written]
        await _add_up(connection, new[REQUESTS.name], new[ATTEMPTS.name])


async def _add_up(
    connection: "asyncpg.Connection[Any]", requests: list[Row], attempts: list[Row]
) -> None:
    if added := additions(requests, attempts):
        await connection.execute(_insertion(USAGE), *_columns(added))


def _columns(rows: list[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


@functools.cache
def _insertion(layout: Layout) -> str:
    names = ", ".join(column.name for column in layout.columns)
    columns = ", ".join(
        f"${at}::{_TYPES[column.kind]}[]"
        for at, column in enumerate(layout.columns, start=1)
    )
    return (
        f"INSERT INTO {layout.name} ({names}) SELECT * FROM unnest({columns}) "  # noqa: S608 - names of our own
        f"{on_conflict(layout)}"
    )


def _compiled(statement: "ClauseElement") -> tuple[str, tuple[Any, ...]]:
    from sqlalchemy.dialects.postgresql import asyncpg as dialect  # noqa: PLC0415

    return compiled(statement, dialect.dialect())  # type: ignore[no-untyped-call]


def _why(error: Exception) -> str:
    """Say what failed without what a server says of it, which may quote a value."""
    code = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' {code}' if code else ''}"
