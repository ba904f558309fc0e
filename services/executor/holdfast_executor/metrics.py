"""What an executor counts, for Prometheus. Read when somebody looks, never before."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast_executor.lessons import Lessons


class _Figures(Collector):
    def __init__(self, lessons: Lessons) -> None:
        self._lessons = lessons

    def collect(self) -> Iterable[Metric]:
        """Write down how things stand."""
        budget = CounterMetricFamily(
            "holdfast_executor_retry_budget",
            "Further attempts at deployments that had just failed, by what became "
            "of them: paid for out of the project's budget, or refused.",
            labels=["result"],
        )
        counts = self._lessons.budget.counts
        for each in fields(counts):
            budget.add_metric([each.name], getattr(counts, each.name))
        yield budget
        hedges = CounterMetricFamily(
            "holdfast_executor_hedges",
            "Attempts beside one that showed nothing, by what became of them: made, "
            "made and served, or not made since the project's share was used up.",
            labels=["result"],
        )
        made = self._lessons.hedges.counts
        for each in fields(made):
            hedges.add_metric([each.name], getattr(made, each.name))
        yield hedges
        yield GaugeMetricFamily(
            "holdfast_executor_deployments_resting",
            "Deployments that are left aside, as the resolver last said.",
            value=self._lessons.resting.count,
        )
        forms = CounterMetricFamily(
            "holdfast_executor_structured_answers",
            "Answers that were to have a form, by whether they did.",
            labels=["result"],
        )
        judged = self._lessons.forms.counts
        for each in fields(judged):
            forms.add_metric([each.name], getattr(judged, each.name))
        yield forms
        strays = CounterMetricFamily(
            "holdfast_executor_residency_contradictions",
            "Attempts that were worked on elsewhere than their deployment promises, "
            "by its address or by the provider's own word.",
            labels=["deployment"],
        )
        for deployment_id, many in self._lessons.strays.counts.items():
            strays.add_metric([deployment_id], many)
        yield strays


@contextmanager
def shown(lessons: Lessons, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
    """Show an executor's figures while the context lasts."""
    figures = _Figures(lessons)
    registry.register(figures)
    try:
        yield
    finally:
        registry.unregister(figures)
