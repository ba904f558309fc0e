"""What the edge counts, for Prometheus."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

CALLER_GONE_STATUS = 499
"""What a request counts as whose caller did not wait for the answer: nginx's
own number for it. No caller ever sees it."""

_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""From an error that needs no provider to the longest answer by default."""

_BUCKET_NAMES = (*(str(float(seconds)) for seconds in _BUCKETS_S), "+Inf")


@dataclass(slots=True)
class _Durations:
    """How long the requests of a surface took: how many in each bucket, and in all."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BUCKET_NAMES))
    seconds: float = 0.0


class EdgeMetrics(Collector):
    """Requests by surface and status, those running, and how long they took.

    Counts in plain numbers, since one thread does all of it, and names them only
    when somebody asks: each of the library's own counters takes a lock.

    Args:
        registry: Where they are exposed. One of these per registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = 0
        self._finished: Counter[tuple[str, int]] = Counter()
        self._durations: defaultdict[str, _Durations] = defaultdict(_Durations)
        registry.register(self)

    def finished(self, surface: str, status: int, seconds: float) -> None:
        """Count a request that is over."""
        self._finished[surface, status] += 1
        durations = self._durations[surface]
        durations.counts[bisect_left(_BUCKETS_S, seconds)] += 1
        durations.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        """Say what was counted."""
        finished = CounterMetricFamily(
            "holdfast_edge_requests",
            "Requests that are over.",
            labels=("surface", "status"),
        )
        for (surface, status), count in self._finished.items():
            finished.add_metric((surface, str(status)), count)
        yield finished
        durations = HistogramMetricFamily(
            "holdfast_edge_request_duration_seconds",
            "From a request's head to the end of its answer.",
            labels=("surface",),
        )
        for surface, taken in self._durations.items():
            buckets = zip(_BUCKET_NAMES, accumulate(taken.counts), strict=True)
            durations.add_metric((surface,), [*buckets], taken.seconds)
        yield durations
        yield GaugeMetricFamily(
            "holdfast_edge_requests_in_flight",
            "Requests that are not over.",
            value=self.in_flight,
        )
