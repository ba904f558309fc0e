"""Pages of a list: `offset` and `limit` in the query, a count in the answer."""

import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Scope

from holdfast_edge.decoding import malformed

_ROWS = 100
"""How many rows a page has, if the caller does not say."""

MOST_ROWS = 10_000
"""The largest page."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are wanted."""

    offset: int
    limit: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Page":
        """Read what a query says.

        Raises:
            RequestMalformedError: One of the two is no number.
        """
        return cls(
            offset=_number(query, "offset", 0),
            limit=min(MOST_ROWS, _number(query, "limit", _ROWS)),
        )

    def rows(self, found: Sequence[T]) -> Sequence[T]:
        """Return the rows that are wanted of all there are."""
        return found[self.offset : self.offset + self.limit]

    def cut(self, found: Sequence[T], written: Callable[[T], Any]) -> dict[str, Any]:
        """Write the rows that are wanted, and how many there are in all."""
        return listed(map(written, self.rows(found)), total=len(found))


def listed(rows: Iterable[Any], *, total: int) -> dict[str, Any]:
    """Write a page of rows, and how many there are in all."""
    return {"meta": {"total_count": total}, "data": list(rows)}


def query_of(scope: Scope) -> dict[str, str]:
    """Return a query's fields; of several of one name the last."""
    text = scope["query_string"].decode("latin-1")
    return dict(urllib.parse.parse_qsl(text, keep_blank_values=True))


def _number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    text = query.get(name, str(otherwise))
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise malformed(name, "must be a whole number that is not negative")
    return int(text)
