"""What the query of a question about the past says, and what is wrong with it."""

import datetime as dt
import urllib.parse
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.types import Scope

from holdfast_edge.decoding import malformed

T = TypeVar("T")

_LONGEST = 1_024
"""Characters of a value; the longest name there is has 255."""


_MOST_FIELDS = 1_000
"""In one query: there are a dozen, and some may be repeated."""


class Query:
    """The fields of a query, each as often as it is given."""

    def __init__(self, scope: Scope, known: Collection[str]) -> None:
        """Read a query.

        Raises:
            RequestMalformedError: It has a field that is not known, or a long one.
        """
        text = scope["query_string"].decode("latin-1")
        self._values: dict[str, list[str]] = {}
        if text.count("&") >= _MOST_FIELDS:
            raise malformed("query", f"has more than {_MOST_FIELDS} fields")
        for name, value in urllib.parse.parse_qsl(text, keep_blank_values=True):
            if name not in known:
                raise malformed(
                    name[:_LONGEST], f"is none of: {', '.join(sorted(known))}"
                )
            if len(value) > _LONGEST or "\0" in value:
                raise malformed(name, f"may have {_LONGEST} characters, none of them 0")
            self._values.setdefault(name, []).append(value)

    def text(self, name: str, *others: str) -> str:
        """Return a field under one of its names; empty if it is not there.

        Raises:
            RequestMalformedError: It is there several times, and differs.
        """
        found = {
            value for each in (name, *others) for value in self._values.get(each, ())
        }
        if len(found) > 1:
            raise malformed(name, "is given twice with different values")
        return next(iter(found), "")

    def texts(self, name: str) -> list[str]:
        """Return a field that may be repeated, or hold several with commas."""
        parts = (
            part for value in self._values.get(name, ()) for part in value.split(",")
        )
        return [part.strip() for part in parts if part.strip()]

    def every(self, name: str) -> Sequence[str]:
        """Return a field that may be repeated."""
        return self._values.get(name, ())

    def number(self, name: str, otherwise: int, least: int, most: int) -> int:
        """Return a whole number.

        Raises:
            RequestMalformedError: It is none, or too small or large.
        """
        if name not in self._values:
            return otherwise
        text = self.text(name)
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise malformed(name, "must be a whole number that is not negative")
        if not least <= int(text) <= most:
            raise malformed(name, f"must be from {least} to {most}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Return whether something is wanted.

        Raises:
            RequestMalformedError: It is neither `true` nor `false`.
        """
        return self.one_of(name, {"": False, "true": True, "false": False})

    def one_of(self, name: str, values: Mapping[str, T]) -> T:
        """Return what a word stands for.

        Raises:
            RequestMalformedError: It is none of them.
        """
        text = self.text(name)
        if text not in values or (not text and name in self._values):
            choices = ", ".join(each for each in values if each)
            raise malformed(name, f"must be one of: {choices}")
        return values[text]

    def span(self) -> tuple[Timestamp | None, Timestamp | None]:
        """Return the span of time that is asked about: its beginning and its end.

        Raises:
            RequestMalformedError: One is no moment, or the end is not the later one.
        """
        start = self._moment("from_date", "from")
        end = self._moment("to_date", "to")
        if start and end and start.ToNanoseconds() >= end.ToNanoseconds():
            raise malformed("to_date", "must be later than `from_date`")
        return start, end

    def _moment(self, name: str, other: str) -> Timestamp | None:
        """Return a moment, None if it is not there; a date begins in UTC.

        Raises:
            RequestMalformedError: It is no date and no time.
        """
        text = self.text(name, other)
        if not text:
            return None
        # A plus sign that was not escaped has become a space.
        date, space, zone = text.rpartition(" ")
        if space and "T" in date:
            text = f"{date}+{zone}"
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            raise malformed(
                name, "must be a date such as 2025-05-31, or 2025-05-31T12:00:00Z"
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        written = Timestamp()
        try:
            written.FromDatetime(moment.astimezone(dt.UTC))
        except (ValueError, OverflowError):
            raise malformed(name, "is out of all time") from None
        return written
