"""What a resolver counts, for Prometheus. Read when somebody looks, never before."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast_resolver.etcd_stores import EtcdStores
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.probes import Probes
from holdfast_resolver.quotas.admission import Admission
from holdfast_resolver.quotas.figures import figures as quota_figures
from holdfast_resolver.tenants import Tenants


class _Figures(Collector):
    def __init__(
        self,
        health: Health,
        probes: Probes,
        stores: EtcdStores,
        tenants: Tenants,
        admission: Admission,
    ) -> None:
        self._health = health
        self._probes = probes
        self._stores = stores
        self._tenants = tenants
        self._admission = admission

    def collect(self) -> Iterable[Metric]:
        """Write down how things stand."""
        decisions = CounterMetricFamily(
            "holdfast_resolver_health_decisions",
            "What was decided of deployments that failed, or are well again.",
            labels=["decision"],
        )
        counts = self._health.counts
        for each in fields(counts):
            decisions.add_metric([each.name], getattr(counts, each.name))
        yield decisions
        probes = CounterMetricFamily(
            "holdfast_resolver_probes",
            "Rests over that a request could have followed up, by what came of it.",
            labels=["result"],
        )
        claims = self._probes.counts
        for each in fields(claims):
            probes.add_metric([each.name], getattr(claims, each.name))
        yield probes
        standings = GaugeMetricFamily(
            "holdfast_resolver_deployments_unwell",
            "Deployments that rest, wait to be tried, or are coming back.",
            labels=["standing"],
        )
        for name, many in self._health.unwell().items():
            standings.add_metric([name], many)
        yield standings
        yield GaugeMetricFamily(
            "holdfast_resolver_health_synced",
            "Whether what is known of health is what all replicas know.",
            value=self._stores.health.synced,
        )
        yield from self._control()
        budgets = self._tenants.directory.budgets
        yield from quota_figures(self._admission, budgets)

    def _control(self) -> Iterable[Metric]:
        control = self._stores.control
        yield GaugeMetricFamily(
            "holdfast_resolver_generation",
            "The last edit of what administrators make that is in use here.",
            value=control.state.generation,
        )
        yield GaugeMetricFamily(
            "holdfast_resolver_control_stale_seconds",
            "For how long it has not been known whether there are later edits.",
            value=control.away_s,
        )
        yield GaugeMetricFamily(
            "holdfast_resolver_resources_shadowed",
            "Resources that the API made and the configuration file declares too.",
            value=len(self._tenants.shadowed),
        )
        edits = CounterMetricFamily(
            "holdfast_resolver_edits",
            "Edits asked of this replica, by what became of them.",
            labels=["outcome"],
        )
        for outcome, many in control.counts.by_outcome().items():
            edits.add_metric([outcome], many)
        yield edits


@contextmanager
def shown(  # noqa: PLR0913, PLR0917 - each is one thing that has figures
    health: Health,
    probes: Probes,
    stores: EtcdStores,
    tenants: Tenants,
    admission: Admission,
    registry: CollectorRegistry = REGISTRY,
) -> Iterator[None]:
    """Show a resolver's figures while the context lasts."""
    figures = _Figures(health, probes, stores, tenants, admission)
    registry.register(figures)
    try:
        yield
    finally:
        registry.unregister(figures)
