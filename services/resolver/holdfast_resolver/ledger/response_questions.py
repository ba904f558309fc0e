"""What is asked about kept responses, in SQL: imported by who asks alone."""

from typing import Any

from sqlalchemy import Delete, Select, delete, select

from holdfast.model import Caller
from holdfast_resolver.ledger.tables import RESPONSES


class Questions:
    """The questions; a conversation is followed from its last response to its first."""

    @staticmethod
    def chain(caller: Caller, response_id: str, now_ms: int) -> Select[Any]:
        """Ask for the records of a conversation, the first one first."""
        kept = RESPONSES.c
        found = (
            select(kept.response_id, kept.previous_id, kept.start_ms, kept.record)
            .where(
                kept.response_id == response_id,
                kept.organization_id == caller.organization_id,
                kept.project_id == caller.project_id,
                kept.expires_ms > now_ms,
            )
            .cte("conversation", recursive=True)
        )
        before = RESPONSES.alias("before")
        whole = found.union_all(
            select(
                before.c.response_id,
                before.c.previous_id,
                before.c.start_ms,
                before.c.record,
            ).where(
                before.c.response_id == found.c.previous_id,
                before.c.organization_id == caller.organization_id,
                before.c.project_id == caller.project_id,
            )
        )
        return select(whole.c.record).order_by(whole.c.start_ms)

    @staticmethod
    def deletion(caller: Caller, response_id: str) -> Delete:
        """Delete one record."""
        kept = RESPONSES.c
        return delete(RESPONSES).where(
            kept.response_id == response_id,
            kept.organization_id == caller.organization_id,
            kept.project_id == caller.project_id,
        )
