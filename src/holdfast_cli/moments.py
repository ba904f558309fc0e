"""Moments as people write them on a command line: a date, a time, or `2h` ago."""

import datetime as dt
import re
from collections.abc import Callable

_AGO = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhdw])")

_UNITS = {
    "s": dt.timedelta(seconds=1),
    "m": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}

HELP = "a date, a time in UTC, or how long ago: 30m, 2h, 7d"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def absolute(text: str, now: Callable[[], dt.datetime] = _now) -> str:
    """Write what is so long ago as a moment; anything else is left as it is."""
    ago = _AGO.fullmatch(text)
    if ago is None:
        return text
    moment = now() - int(ago["count"]) * _UNITS[ago["unit"]]
    return moment.isoformat(timespec="seconds")


def short(moment: str | None) -> str:
    """Shorten a moment of the gateway's to what a table has room for."""
    if moment is None:
        return ""
    return moment.partition(".")[0].rstrip("Z").replace("T", " ")
