"""What a run of load came to."""

import dataclasses
import json
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How a time is distributed, in milliseconds."""

    p50: float
    p90: float
    p99: float
    mean: float
    max: float


def percentiles(seconds: Iterable[float]) -> Percentiles | None:
    """Sort out times; None if there are none."""
    ordered = sorted(seconds)
    if not ordered:
        return None

    def at(share: float) -> float:
        place = min(len(ordered) - 1, int(share * len(ordered)))
        return round(ordered[place] * 1_000, 3)

    mean = round(sum(ordered) / len(ordered) * 1_000, 3)
    return Percentiles(at(0.5), at(0.9), at(0.99), mean, at(1.0))


@dataclass(slots=True)
class Tally:
    """What is noted while the clock runs, times in seconds.

    Attributes:
        latencies: From a request's start, or from when it was due, to its end.
        first_events: To the first event of a stream.
        gaps: Between two reads that brought events.
    """

    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    first_events: "array[float]" = field(default_factory=lambda: array("d"))
    gaps: "array[float]" = field(default_factory=lambda: array("d"))
    events: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    affinities: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Figures:
    """The outcome of one run of load.

    Attributes:
        answered: Requests answered with status 200, and whole.
        rate: Of those, in a second.
        failed: Answers of another status and broken ones, by what went wrong.
        latency_ms: Of the answered ones.
        first_event_ms: Until a stream's first event.
        gap_ms: Between two reads that brought events of one stream.
        events: Events received in all.
        affinities: `x-holdfast-session-affinity` of the answers, counted.
        cpu_us: CPU microseconds of the gateway for each answered request, its
            etcd left out. None where it is not known which processes are it.
        store_cpu_us: The same of its etcd.
        gateway_cpu: Cores that the gateway kept busy; likewise the others.
        other_cpu: Cores that anybody else on the machine kept busy: above 0.3
            the times are not to be trusted.
    """

    seconds: float
    answered: int
    rate: float
    failed: dict[str, int]
    latency_ms: Percentiles | None
    first_event_ms: Percentiles | None
    gap_ms: Percentiles | None
    events: int
    affinities: dict[str, int]
    cpu_us: float | None
    store_cpu_us: float | None
    gateway_cpu: float
    load_cpu: float
    upstream_cpu: float
    other_cpu: float

    def to_json(self) -> str:
        """Write it on one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> "Figures":
        """Read what `to_json` wrote, parsed."""
        times = {
            name: Percentiles(**written[name]) if written[name] else None
            for name in ("latency_ms", "first_event_ms", "gap_ms")
        }
        return cls(**{**written, **times})
