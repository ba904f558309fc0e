"""How long a provider asks to be left alone, in whichever way it says so.

Read only from refusals that waiting can cure: some providers send Retry-After
with every answer, and believing it there would rest a healthy deployment.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

HINTED_STATUSES = frozenset({429, 503, 529})
"""Rate limited, unavailable (RFC 9110 15.6.4) and Anthropic's overloaded."""

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)", re.ASCII)
_SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_IN_WORDS = re.compile(
    r"(?:(?:retry|try again) (?:in|after)|wait(?: for)?) "
    r"(\d+(?:\.\d+)?(?= ?sec)|(?:\d+(?:\.\d+)?(?:ms|h|m|s))+)",
    re.ASCII | re.IGNORECASE,
)
_RESET = re.compile(
    r"(x-ratelimit-)reset(-\w+)?|(anthropic-ratelimit-[\w-]+?)-reset", re.ASCII
)
_EPOCH_SECONDS = 1e9
"""A plain number from here on is a moment (2001 and later), not a wait."""


def retry_after(
    status: int, headers: Mapping[str, str], body_json: Any, now: datetime
) -> timedelta | None:
    """Read how long to wait, from what is most precise to what is least.

    Args:
        status: The HTTP status.
        headers: By lower-case name.
        body_json: The body as parsed JSON, None if it is none.
        now: Against which moments are measured, with its time zone.

    Returns:
        The wish as it is, however long. None if there is none that can be read.
    """
    if status not in HINTED_STATUSES:
        return None
    for read in _SOURCES:
        waits = [wait for wait in read(headers, body_json, now) if wait is not None]
        if waits:
            return max(waits)
    return None


def _asked(
    headers: Mapping[str, str], _body: Any, now: datetime
) -> Iterator[timedelta | None]:
    """Read the headers made for it. Azure sends both, and the larger one holds."""
    if value := headers.get("retry-after-ms"):
        yield _milliseconds(value)
    if value := headers.get("retry-after"):
        yield read_wait(value, now)


def _detailed(
    _headers: Mapping[str, str], body: Any, _now: datetime
) -> Iterator[timedelta | None]:
    """Read the `google.rpc.RetryInfo` of an error's details."""
    for error in _errors(body):
        details = error.get("details")
        for detail in details if isinstance(details, list) else ():
            delay = detail.get("retryDelay") if isinstance(detail, dict) else None
            if isinstance(delay, str):
                yield _duration(delay)


def _reset(
    headers: Mapping[str, str], _body: Any, now: datetime
) -> Iterator[timedelta | None]:
    """Read when a used-up allowance is full again.

    One that is known to be left over is not why the provider refused; where all
    of them are, the one back soonest is the best guess.
    """
    left_over: list[timedelta] = []
    for name, value in headers.items():
        found = _RESET.fullmatch(name)
        if found is None or (wait := read_wait(value, now)) is None:
            continue
        rest = name.replace("reset", "remaining")
        if _NUMBER.fullmatch(remaining := headers.get(rest, "")) and float(remaining):
            left_over.append(wait)
        else:
            yield wait
    if left_over and not any(_used_up(headers)):
        yield min(left_over)


def _used_up(headers: Mapping[str, str]) -> Iterator[bool]:
    for name in headers:
        if _RESET.fullmatch(name):
            remaining = headers.get(name.replace("reset", "remaining"), "")
            yield not (_NUMBER.fullmatch(remaining) and float(remaining))


def _worded(
    _headers: Mapping[str, str], body: Any, _now: datetime
) -> Iterator[timedelta | None]:
    """Read `try again in 20s` and its like from the message."""
    for error in _errors(body):
        message = error.get("message")
        if isinstance(message, str) and (found := _IN_WORDS.search(message)):
            yield _seconds(found[1]) or _duration(found[1])


_Source = Callable[[Mapping[str, str], Any, datetime], Iterator[timedelta | None]]
_SOURCES: tuple[_Source, ...] = (_asked, _detailed, _reset, _worded)


def _errors(body: Any) -> Iterator[dict[str, Any]]:
    if isinstance(body, list):
        body = body[0] if body else None
    if isinstance(body, dict):
        error = body.get("error")
        yield error if isinstance(error, dict) else body


def read_wait(value: str, now: datetime) -> timedelta | None:
    """Read seconds, a duration, or a moment: in Unix time, RFC 3339 or RFC 9110."""
    value = value.strip()
    if _NUMBER.fullmatch(value):
        number = float(value)
        if number >= 1000 * _EPOCH_SECONDS:
            return _positive(number / 1000 - now.timestamp())
        if number >= _EPOCH_SECONDS:
            return _positive(number - now.timestamp())
        return _positive(number)
    if _DURATION.fullmatch(value):
        return _duration(value)
    moment = _moment(value)
    return None if moment is None else _positive((moment - now).total_seconds())


def _moment(value: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _milliseconds(value: str) -> timedelta | None:
    value = value.strip()
    return _positive(float(value) / 1000) if _NUMBER.fullmatch(value) else None


def _seconds(value: str) -> timedelta | None:
    return _positive(float(value)) if _NUMBER.fullmatch(value) else None


def _duration(value: str) -> timedelta | None:
    """Read a duration as Go and protobuf write it, e.g. `6m0s` or `17.399s`."""
    if not _DURATION.fullmatch(value):
        return None
    parts = _DURATION_PART.findall(value)
    return _positive(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _positive(seconds: float) -> timedelta | None:
    if not math.isfinite(seconds) or seconds < 0:
        return None
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return None
