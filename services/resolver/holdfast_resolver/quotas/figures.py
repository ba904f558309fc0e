"""How quotas stand, for Prometheus."""

from collections.abc import Iterable
from dataclasses import fields

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from holdfast.model import Budget
from holdfast_resolver.quotas.admission import Admission

_USD = 1e-9
"""Of a nanodollar. A gauge is a float: good for looking at, not for adding up."""


def figures(admission: Admission, budgets: Iterable[Budget]) -> Iterable[Metric]:
    """Write down how budgets stand, and what became of requests that have any."""
    spent = GaugeMetricFamily(
        "holdfast_resolver_budget_spent_usd",
        "What is spent of a budget in the present month, by all replicas.",
        labels=["budget"],
    )
    left = GaugeMetricFamily(
        "holdfast_resolver_budget_left_usd",
        "What is left of it, less what calls under way may cost.",
        labels=["budget"],
    )
    for status in admission.status(budgets):
        spent.add_metric([status.budget.id], status.spent_usd_nanos * _USD)
        left.add_metric([status.budget.id], status.left_usd_nanos * _USD)
    yield spent
    yield left
    metered = CounterMetricFamily(
        "holdfast_resolver_metered_requests",
        "Requests with a budget or a rate that were not simply let in, by why.",
        labels=["why"],
    )
    for each in fields(admission.counts):
        metered.add_metric([each.name], getattr(admission.counts, each.name))
    yield metered
    turns = CounterMetricFamily(
        "holdfast_resolver_quota_turns",
        "Times that this replica told the others what is spent, by what came of it.",
        labels=["result"],
    )
    counts = admission.exchange.counts
    for each in fields(counts):
        turns.add_metric([each.name], getattr(counts, each.name))
    yield turns
    yield GaugeMetricFamily(
        "holdfast_resolver_quotas_shared",
        "Whether what is spent can be told to other replicas.",
        value=not admission.exchange.is_away,
    )
