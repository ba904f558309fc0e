"""What is deleted once it has expired, in SQL."""

from collections.abc import Iterator, Mapping

from sqlalchemy import ColumnElement, Delete, Table, and_, delete, select

from holdfast_resolver.ledger.tables import CONTENTS, RESPONSES


def deletions(
    now_ms: int, kept_since_ms: Mapping[tuple[str, str], int], rows: int
) -> list[Delete]:
    """Delete what has expired, so many rows at a time.

    Args:
        now_ms: The time.
        kept_since_ms: Since when each project keeps what was said, by organization
            and id.
        rows: How many are deleted by each at most.
    """
    return [
        _some(table, condition, rows)
        for table in (CONTENTS, RESPONSES)
        for condition in _conditions(table, now_ms, kept_since_ms)
    ]


def _conditions(
    table: Table, now_ms: int, kept_since_ms: Mapping[tuple[str, str], int]
) -> Iterator[ColumnElement[bool]]:
    yield table.c.expires_ms <= now_ms
    for (organization, project), since_ms in sorted(kept_since_ms.items()):
        yield and_(
            table.c.organization_id == organization,
            table.c.project_id == project,
            table.c.start_ms <= since_ms,
        )


def _some(table: Table, condition: ColumnElement[bool], rows: int) -> Delete:
    (key,) = table.primary_key.columns
    some = select(key).where(condition).limit(rows)
    return delete(table).where(key.in_(some))
