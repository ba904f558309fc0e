"""What all replicas know of one deployment that failed: a value, and how it grows.

A record is made when a deployment is first left aside. It stays while the
deployment rests, while it is due to be tried, and for a while after it came
back, so that who fails again right away rests longer than before.
"""

import random
import re
from dataclasses import dataclass, replace
from datetime import timedelta

from holdfast.outcome import Rest

RAMP = timedelta(seconds=30)
"""How long who came back takes to its full share of cold starts: Envoy's slow
start is commonly set to it. Bound sessions return at once."""

LEAST_SHARE = 0.1
"""What it begins with, as Envoy's `min_weight_percent` does."""

_FORGOTTEN_AFTER_MS = 60_000
"""After the ramp: who has been well for so long begins anew. A provider that is
up and down within a minute counts as one that is down."""

_UNTRIED_MS = 600_000
"""How long who is due and whom nobody asks for stays known. Nothing is served
there meanwhile, so nothing is lost by forgetting it then."""

_SETTLED_MS = 300
"""Until every replica knows: what was sent earlier was sent by one that did not,
and its answer says nothing against the failure."""

_MOST_DOUBLINGS = 16
"""Keeps the arithmetic small; every bound is reached long before."""


@dataclass(frozen=True, slots=True)
class _Pace:
    """How long rests are: the first, and how they grow.

    Attributes:
        first: Doubles with each rest in a row.
        longest: The bound of it.
        patient: The part of the time it has been away that is another bound,
            though none below `prompt`: zero for none.
        prompt: What that bound begins with.
    """

    first: timedelta
    longest: timedelta
    patient: float = 0.0
    prompt: timedelta = timedelta()


_PACES = {
    # A blip is over within a second. Whatever is away for a minute is tried
    # every five seconds, and whatever is away longer every twelfth of that: it
    # is back soon after it is well, and an hour's outage costs few probes.
    Rest.BRIEFLY: _Pace(
        timedelta(seconds=1), timedelta(seconds=60), 1 / 12, timedelta(seconds=5)
    ),
    # Providers count by the minute, so a second is too short.
    Rest.AS_TOLD: _Pace(timedelta(seconds=5), timedelta(seconds=60)),
    # A credential is mended by people, who see it used within ten minutes.
    Rest.FOR_LONG: _Pace(timedelta(seconds=60), timedelta(minutes=10)),
}


@dataclass(frozen=True, slots=True)
class Record:
    """How it stands with one deployment. Moments are Unix milliseconds.

    Attributes:
        until_ms: When its rest ends.
        failed_ms: When the failure ended that it rests for.
        since_ms: When its first rest in a row began.
        times: Rests in a row.
        told: Whether the provider said until when: it is then back by itself.
        well_ms: When the success began that brought it back. Zero: none did.
        back_ms: When that was known.
    """

    until_ms: int
    failed_ms: int
    since_ms: int
    times: int
    told: bool = False
    well_ms: int = 0
    back_ms: int = 0

    @property
    def is_back(self) -> bool:
        """Whether a success since the last failure brought it back."""
        return self.well_ms > self.failed_ms

    def is_aside(self, now_ms: int) -> bool:
        """Tell whether it rests, or is due and has not been tried."""
        return not self.is_back and not (self.told and now_ms >= self.until_ms)

    def share(self, now_ms: int) -> float:
        """Return its share of its usual cold starts, where it is not aside: 0 to 1."""
        if not self.is_back:
            return 1.0
        ramped = (now_ms - self.back_ms) / _milliseconds(RAMP)
        return min(1.0, max(LEAST_SHARE, ramped))

    @property
    def ends_ms(self) -> int:
        """When it is as if it had never been."""
        if self.is_back:
            return self.back_ms + _milliseconds(RAMP) + _FORGOTTEN_AFTER_MS
        return self.until_ms + (_FORGOTTEN_AFTER_MS if self.told else _UNTRIED_MS)

    def joined(self, other: "Record") -> "Record":
        """Join what two replicas know: the later moment of each stands.

        Of two that have nothing to do with each other the later one stands whole.
        """
        older, newer = sorted((self, other), key=lambda record: record.since_ms)
        if newer.since_ms >= older.ends_ms:
            return newer
        until_ms, told = max((self.until_ms, self.told), (other.until_ms, other.told))
        return Record(
            until_ms,
            max(self.failed_ms, other.failed_ms),
            min(self.since_ms, other.since_ms),
            max(self.times, other.times),
            told,
            max(self.well_ms, other.well_ms),
            max(self.back_ms, other.back_ms),
        )

    def serialize(self) -> bytes:
        """Write it as `parse` reads it, to the byte."""
        return (
            f"{self.until_ms}|{self.failed_ms}|{self.since_ms}|{self.times}"
            f"|{'told' if self.told else 'due'}|{self.well_ms}|{self.back_ms}"
        ).encode()

    @staticmethod
    def parse(value: bytes) -> "Record":
        """Read a record.

        Raises:
            ValueError: It is none.
        """
        match = _WRITTEN.fullmatch(value)
        if match is None:
            raise ValueError("not a health record")
        until, failed, since, times, told, well, back = match.groups()
        return Record(
            int(until),
            int(failed),
            int(since),
            int(times),
            told == b"told",
            int(well),
            int(back),
        )


# Numbers without leading zeros, so that a record is written as it was read.
_NUMBER = rb"(0|[1-9][0-9]{0,14})"
_WRITTEN = re.compile(
    rb"\|".join([_NUMBER] * 4 + [rb"(told|due)"] + [_NUMBER] * 2), re.ASCII
)


def rested(  # noqa: PLR0913 - each is one fact about the failure
    known: Record | None,
    rest: Rest,
    *,
    failed_ms: int,
    now_ms: int,
    cap: timedelta,
    jitter: float = 0.0,
) -> Record:
    """Leave a deployment aside, longer if it was before.

    Args:
        known: What was known of it.
        rest: How it rests.
        failed_ms: When the failure ended.
        now_ms: The time.
        cap: The longest brief rest.
        jitter: From 0 to 1; lengthens the rest by a tenth at most, so that what
            failed together does not come back together.
    """
    times = known.times + 1 if known else 1
    since_ms = known.since_ms if known else now_ms
    pace = _PACES[rest]
    span = pace.first * (1 << min(times - 1, _MOST_DOUBLINGS))
    bound = pace.longest if rest is Rest.FOR_LONG else min(cap, pace.longest)
    if pace.patient:
        away = timedelta(milliseconds=now_ms - since_ms)
        bound = min(bound, max(pace.prompt, away * pace.patient))
    span = min(span, bound) * (1 + jitter / 10)
    fresh = Record(now_ms + _milliseconds(span), failed_ms, since_ms, times)
    return (
        fresh
        if known is None
        else replace(fresh, well_ms=known.well_ms, back_ms=known.back_ms)
    )


def told(
    known: Record | None,
    wish: timedelta,
    *,
    failed_ms: int,
    now_ms: int,
    needs_probe: bool,
) -> Record:
    """Leave a deployment aside for as long as its provider asked.

    Args:
        known: What was known of it.
        wish: How long, within whatever bound there is.
        failed_ms: When the failure ended.
        now_ms: The time.
        needs_probe: Whether it is believed to be well only once it was tried.
    """
    fresh = Record(
        now_ms + _milliseconds(wish),
        failed_ms,
        known.since_ms if known else now_ms,
        known.times if known else 1,
        told=not needs_probe,
    )
    return fresh if known is None else known.joined(fresh)


def recovered(known: Record, *, began_ms: int, now_ms: int) -> Record | None:
    """Bring a deployment back for a success; None if the success is no news.

    Args:
        known: What was known of it.
        began_ms: When the call that succeeded was sent.
        now_ms: The time.
    """
    if not known.is_aside(now_ms) or began_ms <= known.failed_ms + _SETTLED_MS:
        return None
    return replace(known, well_ms=began_ms, back_ms=now_ms)


def chance() -> float:
    """Return a number from 0 to 1 that replicas do not have in common."""
    return random.SystemRandom().random()


def _milliseconds(span: timedelta) -> int:
    return round(span / timedelta(milliseconds=1))
