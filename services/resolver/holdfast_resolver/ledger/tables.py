"""The ledger's tables for SQLAlchemy: imported by what asks, never by what writes."""

from sqlalchemy import BigInteger, LargeBinary, MetaData, Table, Text, text
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Index as SqlIndex

from holdfast_resolver.ledger import layout
from holdfast_resolver.ledger.layout import LAYOUTS, Kind, Layout

_TYPES = {Kind.TEXT: Text, Kind.INTEGER: BigInteger, Kind.BYTES: LargeBinary}

METADATA = MetaData()


def _table(described: Layout) -> Table:
    table = Table(
        described.name,
        METADATA,
        *(
            SqlColumn(
                column.name,
                _TYPES[column.kind],
                primary_key=column.name in described.key,
                nullable=column.nullable,
                autoincrement=False,
            )
            for column in described.columns
        ),
        sqlite_with_rowid=not described.clustered,
    )
    for index in described.indexes:
        where = text(f"{index.unless_empty} <> ''") if index.unless_empty else None
        SqlIndex(
            index.name,
            *(table.c[name] for name in index.columns),
            sqlite_where=where,
            postgresql_where=where,
        )
    return table


_TABLES = {described.name: _table(described) for described in LAYOUTS}

REQUESTS = _TABLES[layout.REQUESTS.name]
ATTEMPTS = _TABLES[layout.ATTEMPTS.name]
PLANS = _TABLES[layout.PLANS.name]
EXCLUSIONS = _TABLES[layout.EXCLUSIONS.name]
TAGS = _TABLES[layout.TAGS.name]
CONTENTS = _TABLES[layout.CONTENTS.name]
RESPONSES = _TABLES[layout.RESPONSES.name]
USAGE = _TABLES[layout.USAGE.name]
