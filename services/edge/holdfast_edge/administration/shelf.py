"""What is looked at: resources as they are kept, and budgets as they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from holdfast.control.administration import Administration, Stored
from holdfast.control.resources import Budget
from holdfast.model import BudgetStatus
from holdfast.ports import Budgets
from holdfast_edge.administration.views import shown

_NANOS = Decimal(10) ** -9
"""Of a US dollar."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Shows resources to those who look at them."""

    administration: Administration
    budgets: Budgets

    async def documents(
        self, principal: bytes, found: Sequence[Stored]
    ) -> list[dict[str, Any]]:
        """Write resources of one kind, with all that there is to say of them.

        Args:
            principal: The digest of the key that asks.
            found: What it may see.
        """
        if not any(isinstance(stored.resource, Budget) for stored in found):
            return [shown(stored) for stored in found]
        standing = {
            status.budget.id: status
            for status in await self.budgets.list_budget_status(principal)
        }
        return [
            {**shown(stored), "this_month": _figures(standing.get(_id(stored)))}
            for stored in found
        ]


def _id(stored: Stored) -> str:
    """Return what a budget is called where it is charged."""
    budget = stored.resource
    assert isinstance(budget, Budget)  # noqa: S101 - they are of one kind
    scope = (budget.organization, budget.project, budget.key)
    return "" if stored.shadowed else "/".join(filter(None, scope))


def _figures(status: BudgetStatus | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return {
        "spent_usd": _usd(status.spent_usd_nanos),
        "reserved_usd": _usd(status.reserved_usd_nanos),
        "left_usd": _usd(status.left_usd_nanos),
        "resets_at": datetime.fromtimestamp(status.reset_s, UTC),
        "warns": status.warns,
        "is_current": status.is_current,
    }


def _usd(nanos: int) -> str:
    """Write an amount exactly, and without zeros that say nothing."""
    text = f"{nanos * _NANOS:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
