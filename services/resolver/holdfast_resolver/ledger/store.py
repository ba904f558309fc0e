"""What a database has to do for the ledger, whichever it is."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from holdfast_resolver.ledger.layout import ATTEMPTS, REQUESTS, Layout, Rows

if TYPE_CHECKING:
    # Eleven megabytes that only who reads the ledger needs.
    from sqlalchemy import ClauseElement, Delete, Dialect, Select


class LedgerAwayError(Exception):
    """The database cannot be reached, or is too busy: later it may be there again."""


class RowsRefusedError(Exception):
    """The database will never take these rows, however often they are written."""


class RepeatedError(Exception):
    """Some of the rows were there already: which ones, has to be looked at."""


COUNTED = frozenset({REQUESTS.name, ATTEMPTS.name})
"""Tables whose rows are added up as they are written, each of them once."""


class QueryTooLongError(Exception):
    """A question would have taken longer than it may."""


class Store(Protocol):
    """A database. It is opened, and migrated where it must be, by its first use."""

    async def write(self, rows: Rows) -> None:
        """Write rows, all or none. What is there already stays as it is.

        Raises:
            LedgerAwayError: They may be written later.
            RowsRefusedError: They may not.
        """

    async def read(
        self, query: "Select[Any]", within_s: float
    ) -> Sequence[tuple[Any, ...]]:
        """Answer a question.

        Raises:
            LedgerAwayError: It cannot be asked now.
            RowsRefusedError: It names a value that cannot be there.
            QueryTooLongError: It took longer than it may.
        """

    async def has_rows(self, layout: Layout) -> bool:
        """Say whether a table holds anything, without what questions need.

        Raises:
            LedgerAwayError: It cannot be asked now.
        """

    async def delete(self, deletions: "Sequence[Delete]") -> int:
        """Delete rows, all or none, so that nothing of them is left; count them.

        Raises:
            LedgerAwayError: They may be deleted later.
        """

    def alone(self) -> AbstractAsyncContextManager[bool]:
        """Say whether this is the one replica that does what one alone is to do.

        Raises:
            LedgerAwayError: Nobody knows.
        """

    async def close(self) -> None:
        """Let go of the database."""


def compiled(
    statement: "ClauseElement", dialect: "Dialect"
) -> tuple[str, tuple[Any, ...]]:
    """Write a statement in a database's own words, and return its values in order."""
    written: Any = statement.compile(
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    names: Sequence[str] = written.positiontup or ()
    return str(written), tuple(written.params[name] for name in names)


def on_conflict(layout: Layout) -> str:
    """Say what becomes of a row that is there already."""
    if not layout.sums:
        return "ON CONFLICT DO NOTHING"
    added = ", ".join(
        f"{name} = {layout.name}.{name} + excluded.{name}" for name in layout.sums
    )
    return f"ON CONFLICT ({', '.join(layout.key)}) DO UPDATE SET {added}"
