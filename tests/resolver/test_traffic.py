"""What a resolver counts of requests and attempts, as Prometheus reads it."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from fakes.clock import Clock
from fakes.ledger import A, B, Call, refused, told
from fakes.plans import deployment
from holdfast.errors import ModelNotFoundError
from holdfast.model import Outcome, SessionAffinity, Usage
from holdfast_resolver.traffic import Traffic


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


def shown(traffic: Traffic) -> dict[str, float]:
    registry = CollectorRegistry()
    with traffic.shown(registry):
        text = generate_latest(registry).decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
    return {name: float(value) for name, _, value in lines}


def test_attempts_are_counted_by_deployment_and_outcome(traffic):
    """Those that failed beside those that served."""
    told(
        Clock(),
        Call(A, Outcome.RATE_LIMITED, cost=0, usage=None),
        Call(B, cost=2_000_000_000, saving=500_000_000, usage=Usage(10, 5, 4)),
    ).tell(traffic)

    found = shown(traffic)

    limited = 'holdfast_attempts_total{deployment="a/m-eu",outcome="rate-limited"}'
    served = 'holdfast_attempts_total{deployment="b/m-eu",outcome="succeeded"}'
    assert found[limited] == found[served] == 1
    assert found['holdfast_tokens_total{kind="cached"}'] == 4
    assert found["holdfast_cost_usd_total"] == 2
    assert found["holdfast_cache_saving_usd_total"] == 0.5


def test_requests_are_counted_by_what_became_of_them(traffic):
    """Answered, or the reason why not; refused ones too."""
    told(Clock(), affinity=SessionAffinity.KEPT).tell(traffic)
    told(Clock(), error="ALL_ATTEMPTS_FAILED", surface="embeddings").tell(traffic)
    refused(traffic, ModelNotFoundError("none", model="x"))

    found = shown(traffic)

    for surface, result in (
        ("chat_completions", "answered"),
        ("embeddings", "all_attempts_failed"),
        ("none", "model_not_found"),
    ):
        name = f'holdfast_requests_total{{result="{result}",surface="{surface}"}}'
        assert found[name] == 1
    assert found['holdfast_session_affinity_total{affinity="kept"}'] == 1


def test_the_time_to_the_first_token_is_a_histogram(traffic):
    """By provider: each of the two attempts took a tenth of a second."""
    told(Clock(), Call(A, Outcome.INTERRUPTED), Call(A)).tell(traffic)

    found = shown(traffic)

    name = "holdfast_attempt_first_token_seconds"
    assert found[f'{name}_bucket{{le="0.1",provider="a"}}'] == 2
    assert found[f'{name}_count{{provider="a"}}'] == 2


def test_there_are_never_more_than_so_many_names(traffic):
    """A thousand deployments are told apart; more than that count as one."""
    for number in range(1_100):
        told(Clock(), Call(deployment(f"p{number}/m-eu"))).tell(traffic)

    found = shown(traffic)

    names = [name for name in found if name.startswith("holdfast_attempts_total")]
    others = 'holdfast_attempts_total{deployment="others",outcome="succeeded"}'
    assert len(names) == 1_001
    assert found[others] == 100
