"""Calendar months and minutes, in UTC: what a quota is counted in. Pure."""

import functools
from dataclasses import dataclass
from datetime import UTC, datetime

_MINUTE_S = 60
_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Period:
    """A span of time.

    Attributes:
        name: Sorts as time goes, among periods of one length.
        ends_s: When the next one begins, in Unix seconds.
    """

    name: str
    ends_s: int


def month(at_s: float) -> Period:
    """Return the calendar month of a moment, as in `2026-08`."""
    return _month_of_hour(int(at_s) // _HOUR_S)


def minute(at_s: float) -> Period:
    """Return the minute of a moment, as in `2026-08-01T12:34`."""
    return _minute(int(at_s) // _MINUTE_S)


# Every request asks which it is in, and those of one time are in the same.
@functools.lru_cache(64)
def _month_of_hour(hour: int) -> Period:
    at = datetime.fromtimestamp(hour * _HOUR_S, UTC)
    following = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return Period(f"{at:%Y-%m}", int(following.timestamp()))


@functools.lru_cache(64)
def _minute(number: int) -> Period:
    begins_s = number * _MINUTE_S
    at = datetime.fromtimestamp(begins_s, UTC)
    return Period(f"{at:%Y-%m-%dT%H:%M}", begins_s + _MINUTE_S)
