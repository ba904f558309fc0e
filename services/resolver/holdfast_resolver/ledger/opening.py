"""Finds the database that the configuration names."""

import re
from pathlib import Path
from urllib.parse import quote

from holdfast.settings import NO_LEDGER, LedgerSettings
from holdfast_resolver.ledger.postgres import PostgresStore
from holdfast_resolver.ledger.sqlite import SqliteStore
from holdfast_resolver.ledger.store import LedgerAwayError, Store

FILE = "ledger.db"
"""In the state directory, where the configuration names no database."""

_SQLITE = "sqlite:///"

_AUTHORITY = re.compile(r"//(?:(?P<user>[^:@/]*)(?::[^@/]*)?@)?(?P<rest>.*)", re.DOTALL)


def store_of(settings: LedgerSettings, state_dir: Path) -> Store | None:
    """Return the database that is named, None if nothing is to be kept."""
    if settings.url is None:
        return SqliteStore(state_dir / FILE)
    url = settings.url.read() or ""
    if url == NO_LEDGER:
        return None
    if url.startswith(_SQLITE):
        return SqliteStore(Path(url.removeprefix(_SQLITE)))
    return PostgresStore(lambda: _postgres_uri_of(settings))


def postgres_uri(url: str, password: str | None = None) -> str:
    """Write where PostgreSQL is as its driver takes it.

    Args:
        url: As the configuration names it.
        password: In place of that in the address, if there is one.
    """
    scheme, _, place = url.partition(":")
    bare = f"{scheme.partition('+')[0]}:{place}"
    if password is None or (parts := _AUTHORITY.match(place)) is None:
        return bare
    return f"postgresql://{parts['user'] or ''}:{quote(password, '')}@{parts['rest']}"


def _postgres_uri_of(settings: LedgerSettings) -> str:
    """Read the address and the password as they are now: either may have changed."""
    url = settings.url.read() if settings.url is not None else None
    if url is None:
        raise LedgerAwayError("its address is not there")
    return postgres_uri(url, settings.password.read() if settings.password else None)
