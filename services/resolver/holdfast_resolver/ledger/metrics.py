"""What the ledger counts, for Prometheus. Read when somebody looks, never before."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast_resolver.ledger.journal import Journal


class _Figures(Collector):
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def collect(self) -> Iterable[Metric]:
        """Write down how the ledger stands."""
        counts = self._journal.counts
        notes = CounterMetricFamily(
            "holdfast_ledger_notes",
            "Notes of plans, attempts and requests, by what became of them.",
            labels=["result"],
        )
        notes.add_metric(["written"], counts.written)
        notes.add_metric(["lost"], counts.lost)
        yield notes
        yield CounterMetricFamily(
            "holdfast_ledger_write_failures",
            "How often the database could not be written.",
            value=counts.failures,
        )
        yield GaugeMetricFamily(
            "holdfast_ledger_waiting_notes",
            "Notes that are not written.",
            value=self._journal.waiting,
        )
        yield GaugeMetricFamily(
            "holdfast_ledger_waiting_content_bytes",
            "Prompts and answers that are not written.",
            value=self._journal.waiting_content_bytes,
        )
        yield GaugeMetricFamily(
            "holdfast_ledger_lag_seconds",
            "How old what the database lacks is at most.",
            value=self._journal.lag_s,
        )


@contextmanager
def shown(journal: Journal, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Show the ledger's figures while the context lasts."""
    figures = _Figures(journal)
    registry.register(figures)
    try:
        yield
    finally:
        registry.unregister(figures)
