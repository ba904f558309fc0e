"""What the edge counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CALLER_GONE_STATUS = 499
"""What a request counts as whose caller did not wait for the answer: nginx's
own number for it. No caller ever sees it."""

_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""From an error that needs no provider to the longest answer by default."""


class EdgeMetrics:
    """Requests by surface and status, those running, and how long they took.

    Args:
        registry: Where they are exposed. One of these per registry.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._finished = Counter(
            "holdfast_edge_requests",
            "Requests that are over.",
            ("surface", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "holdfast_edge_request_duration_seconds",
            "From a request's head to the end of its answer.",
            ("surface",),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.in_flight = Gauge(
            "holdfast_edge_requests_in_flight",
            "Requests that are not over.",
            registry=registry,
        )
        # Finding the child of a set of labels costs more than counting.
        self._counters: dict[tuple[str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def finished(self, surface: str, status: int, seconds: float) -> None:
        """Count a request that is over."""
        counter = self._counters.get((surface, status))
        if counter is None:
            counter = self._finished.labels(surface, str(status))
            self._counters[surface, status] = counter
        counter.inc()
        histogram = self._histograms.get(surface)
        if histogram is None:
            histogram = self._histograms[surface] = self._seconds.labels(surface)
        histogram.observe(seconds)
