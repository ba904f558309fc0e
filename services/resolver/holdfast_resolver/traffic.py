"""What a resolver counts of requests and their attempts, for Prometheus."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.errors import GatewayError
from holdfast.model import (
    Attempt,
    Caller,
    Deployment,
    Exclusion,
    Outcome,
    Plan,
    SessionAffinity,
)
from holdfast.ports import AttemptReport, ResolveModelRequest
from holdfast_resolver.words import AFFINITIES, OUTCOMES

_MOST_LABELS = 1_000
"""Deployments, and providers, that are told apart; those that are called after that
count as one. A gateway calls some dozens, and Prometheus keeps each for weeks."""

_OTHERS = "others"

_BUCKETS_S = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 30, 60)
"""From a small model around the corner to the longest that is waited by default."""

_BUCKET_NAMES = (*(str(float(seconds)) for seconds in _BUCKETS_S), "+Inf")

_ANSWERED = "answered"


@dataclass(slots=True)
class _Times:
    """How long something took: how often within each bound, and in all."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_BUCKET_NAMES))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class Traffic:
    """A `Recorder` that counts what it is told.

    In plain numbers, since one thread does all of it: each of the library's own
    counters takes a lock.
    """

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._requests: Counter[tuple[str, str]] = Counter()
        self._attempts: Counter[tuple[str, Outcome]] = Counter()
        self._affinities: Counter[SessionAffinity] = Counter()
        self._first_tokens: defaultdict[str, _Times] = defaultdict(_Times)
        self._tokens: Counter[str] = Counter()
        self._deployments: set[str] = set()
        self._cost_usd_nanos = 0
        self._saving_usd_nanos = 0

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Wait for how it ends."""

    def refused(
        self,
        plan_id: str,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Count a request that got no plan."""
        self._requests["none", error.reason.lower()] += 1

    def attempted(
        self, report: AttemptReport, attempt: Attempt, deployment: Deployment | None
    ) -> None:
        """Count how an attempt ended, what it used, and how long it was silent."""
        name = _bounded(attempt.deployment_id, self._deployments)
        self._deployments.add(name)
        self._attempts[name, attempt.outcome] += 1
        if attempt.first_token is not None and deployment is not None:
            provider = _bounded(deployment.provider_id, self._first_tokens)
            self._first_tokens[provider].add(attempt.first_token.total_seconds())
        usage = attempt.usage
        if usage is not None:
            self._tokens["input"] += usage.input_tokens
            self._tokens["output"] += usage.output_tokens
            self._tokens["cached"] += usage.cache_read_input_tokens
            self._cost_usd_nanos += attempt.cost_usd_nanos
            self._saving_usd_nanos += attempt.cache_saving_usd_nanos

    def finished(
        self, report: AttemptReport, deployment: Deployment | None, content_days: int
    ) -> None:
        """Count how a request ended, and what its session had to do with it."""
        finished = report.finished
        if finished is None:
            return
        result = finished.error_reason.lower() or _ANSWERED
        self._requests[finished.surface, result] += 1
        if not finished.error_reason:
            self._affinities[finished.session_affinity] += 1

    @contextmanager
    def shown(self, registry: CollectorRegistry = REGISTRY) -> Iterator[None]:
        """Show the figures while the context lasts."""
        figures = _Figures(self._collect)
        registry.register(figures)
        try:
            yield
        finally:
            registry.unregister(figures)

    def _collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily(
            "holdfast_requests",
            "Requests that have ended, by the API they were written in and whether "
            "they were answered, or why not.",
            labels=["surface", "result"],
        )
        for key, many in self._requests.items():
            requests.add_metric(key, many)
        yield requests
        attempts = CounterMetricFamily(
            "holdfast_attempts",
            "Calls of deployments, by how they ended.",
            labels=["deployment", "outcome"],
        )
        for (deployment, outcome), many in self._attempts.items():
            attempts.add_metric([deployment, OUTCOMES[outcome]], many)
        yield attempts
        affinities = CounterMetricFamily(
            "holdfast_session_affinity",
            "Requests that were answered, by how their session bore on who did.",
            labels=["affinity"],
        )
        for affinity, many in self._affinities.items():
            affinities.add_metric([AFFINITIES[affinity]], many)
        yield affinities
        first_tokens = HistogramMetricFamily(
            "holdfast_attempt_first_token_seconds",
            "From a call to the first content of a streamed answer.",
            labels=["provider"],
        )
        for provider, times in self._first_tokens.items():
            buckets = zip(_BUCKET_NAMES, accumulate(times.counts), strict=True)
            first_tokens.add_metric([provider], [*buckets], times.seconds)
        yield first_tokens
        tokens = CounterMetricFamily(
            "holdfast_tokens",
            "Tokens that providers reported; those that were cached are of the input.",
            labels=["kind"],
        )
        for kind, many in self._tokens.items():
            tokens.add_metric([kind], many)
        yield tokens
        yield CounterMetricFamily(
            "holdfast_cost_usd",
            "What attempts cost. Exact sums are in the ledger.",
            value=self._cost_usd_nanos * 1e-9,
        )
        yield CounterMetricFamily(
            "holdfast_cache_saving_usd",
            "What providers' prompt caches saved.",
            value=max(0, self._saving_usd_nanos) * 1e-9,
        )


class _Figures(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        """Write down what was counted."""
        return self._collect()


def _bounded(name: str, known: Collection[str]) -> str:
    """Return a name, or what stands for those that are too many to be told apart."""
    return name if name in known or len(known) < _MOST_LABELS else _OTHERS
