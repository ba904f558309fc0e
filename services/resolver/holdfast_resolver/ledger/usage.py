"""Adding up requests, tokens and money: what is asked, and what is made of it.

A request counts where it was served and when it was taken. Tokens and money count
where they were spent, when the attempt began: so that what a month has cost is the
same here and in its budgets.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from holdfast_resolver.ledger.additions import HOUR_MS
from holdfast_resolver.ledger.layout import DIMENSIONS as KEPT
from holdfast_resolver.ledger.layout import FIGURES, REQUEST_FIGURES
from holdfast_resolver.ledger.scope import Scope, Span

MOST_ROWS = 50_000
"""Of one answer: a month of minutes. More is nothing to look at."""


class Granularity(Enum):
    """How long the spans of time are; the value is what is asked of the database."""

    WHOLE = 0
    MINUTE = 60_000
    HOUR = 3_600_000
    DAY = 86_400_000
    MONTH = -1
    YEAR = -2

    @property
    def width_ms(self) -> int:
        """How long the spans are that the database adds up over; 0 for no end."""
        return Granularity.DAY.value if self.value < 0 else self.value


DIMENSIONS: Mapping[str, str] = {
    "model": "model_id",
    "requested_model": "requested_model",
    "deployment": "deployment_id",
    "provider": "provider_id",
    "geography": "geography",
    "organization": "organization_id",
    "project": "project_id",
    "key": "api_key_id",
    "surface": "surface",
}
"""What can be told apart, by the column that says it."""

TAG = "tag:"


@dataclass(frozen=True, slots=True)
class Usage:
    """What is asked.

    Attributes:
        span: Both ends are given.
        group_by: Names of `DIMENSIONS`, or `tag:` and a tag's name.
    """

    scope: Scope
    span: Span
    granularity: Granularity
    group_by: tuple[str, ...] = ()
    session_keys: frozenset[str] = frozenset()

    @property
    def hours(self) -> Span:
        """The part of the time for which the sums of hours say all that is asked.

        Empty, both ends the same, where they do not: they know of no minutes,
        sessions, surfaces or tags.
        """
        start, end = self.span.start_ms or 0, self.span.end_ms or 0
        known = all(DIMENSIONS.get(name) in KEPT for name in self.group_by)
        if not known or self.session_keys or self.granularity is Granularity.MINUTE:
            return Span(end, end)
        first = -(-start // HOUR_MS) * HOUR_MS
        last = end // HOUR_MS * HOUR_MS
        return Span(first, last) if first < last else Span(end, end)

    @property
    def edges(self) -> Sequence[Span]:
        """What is left of the time then, for which rows are added up."""
        start, end = self.span.start_ms or 0, self.span.end_ms or 0
        first, last = self.hours.start_ms or 0, self.hours.end_ms or 0
        return [
            Span(begins, ends)
            for begins, ends in ((start, first), (last, end))
            if begins < ends
        ]


OF_REQUESTS = len(REQUEST_FIGURES)
"""How many of the figures are of requests: they come first."""

Group = tuple[int, tuple[str, ...]]
"""When a span of time begins, in Unix milliseconds, and what is told apart."""


@dataclass(slots=True)
class Sums:
    """Figures by group."""

    rows: dict[Group, list[int]] = field(default_factory=dict)

    def add(
        self,
        found: Iterable[Sequence[Any]],
        usage: Usage,
        first: int,
    ) -> None:
        """Add what the database has added up over minutes, hours or days.

        Args:
            found: A span's beginning, its group, and figures.
            usage: What was asked.
            first: The place of the first of the figures among all.
        """
        groups = len(usage.group_by)
        for row in found:
            begins = bucket(int(row[0]), usage)
            group = (begins, tuple(map(str, row[1 : 1 + groups])))
            figures = self.rows.setdefault(group, [0] * len(FIGURES))
            for at, value in enumerate(row[1 + groups :], start=first):
                figures[at] += int(value or 0)


def bucket(begins_ms: int, usage: Usage) -> int:
    """Say when the span of time begins that a moment is in."""
    if usage.granularity is Granularity.WHOLE:
        return usage.span.start_ms or 0
    if usage.granularity.value > 0:
        return begins_ms
    moment = dt.datetime.fromtimestamp(begins_ms / 1_000, dt.UTC)
    month = moment.month if usage.granularity is Granularity.MONTH else 1
    first = moment.replace(month=month, day=1, hour=0, minute=0, second=0)
    return int(first.timestamp()) * 1_000
