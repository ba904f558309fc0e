"""Brings the ledger's tables to the form that this version knows.

In a process of its own: what it needs for that is ten megabytes that nobody needs
afterwards, and tables that are changed for minutes hold nobody up. Replicas that start
at once wait for one another.
"""

import asyncio
import subprocess
import sys

from holdfast_resolver.ledger.store import LedgerAwayError

_PATIENCE_S = 900.0
"""For an index on a table of a hundred million rows."""

_LOCK = 0x686F6C64
"""The advisory lock of PostgreSQL that whoever migrates holds: `hold`, in ASCII."""

_SQLITE = "sqlite:///"

_BUSY_S = 30.0
"""How long is waited for whoever writes the file meanwhile."""


async def migrate(uri: str) -> None:
    """Migrate a database, in a process of its own.

    Args:
        uri: `sqlite:///PATH`, or PostgreSQL's as asyncpg takes it, with its password.

    Raises:
        LedgerAwayError: It could not be done now.
    """
    # The event loop would fork, and what gRPC does then has a word to say of it.
    child = await asyncio.to_thread(_started)
    try:
        _, said = await asyncio.to_thread(child.communicate, uri, _PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise LedgerAwayError("its tables could not be migrated in time") from error
    finally:
        if child.poll() is None:
            child.kill()
    if child.returncode != 0:
        why = said.strip().rpartition("\n")[2]
        raise LedgerAwayError(f"its tables could not be migrated: {why}")


def _started() -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C is for this process, which ends the other one.
        start_new_session=True,
    )


def main() -> int:
    """Migrate the database that is named on standard input; return the status."""
    uri = sys.stdin.read()
    try:
        if uri.startswith(_SQLITE):
            _migrate_file(uri.removeprefix(_SQLITE))
        else:
            asyncio.run(_migrate_postgres(uri))
    except Exception as error:  # noqa: BLE001 - told to the parent, whatever it is
        # Without its message, which may hold the address with its password.
        sys.stderr.write(f"{type(error).__name__}\n")
        return 1
    return 0


def _migrate_file(path: str) -> None:
    from sqlalchemy import URL, create_engine  # noqa: PLC0415

    engine = create_engine(
        URL.create("sqlite", database=path),
        connect_args={"isolation_level": None, "timeout": _BUSY_S},
    )
    with engine.begin() as connection:
        # Takes effect only as long as there are no tables.
        connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        # The driver would change each table in a transaction of its own. Who comes
        # second waits here, and finds all done.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        _upgrade(connection)
    engine.dispose()


async def _migrate_postgres(uri: str) -> None:
    import asyncpg  # noqa: PLC0415
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=NullPool,
        async_creator=lambda: asyncpg.connect(uri),
    )
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        await connection.run_sync(_upgrade)
    await engine.dispose()


def _upgrade(connection: object) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "holdfast_resolver.ledger:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


if __name__ == "__main__":
    sys.exit(main())
