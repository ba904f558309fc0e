"""What is in the tables of a ledger."""

from sqlalchemy import func, select, table

from holdfast_resolver.ledger.store import Store


async def rows(store: Store, name: str) -> int:
    """Count what is in a table."""
    found = await store.read(select(func.count()).select_from(table(name)), 5)
    return int(found[0][0])
