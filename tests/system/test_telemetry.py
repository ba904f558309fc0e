"""Spans and metrics of a running gateway, as an operator's own tools receive them."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from fakes.gateway import Gateway, configuration
from fakes.listener import Asked, Listener
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "holdfast.json"
TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(Listener):
    """Takes spans, unless it is told not to."""

    def __init__(self) -> None:
        self.status = 200
        super().__init__(lambda _: (self.status, ""))

    def spans(self) -> list[Span]:
        return [span for asked in self.asked for span in spans_of(asked)]


def spans_of(asked: Asked) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(asked.body)
    return [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Give a collector."""
    with Collector() as listening:
        yield listening


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway that sends spans, and an alias of three deployments."""
    collector.asked.clear()
    places = [{"id": f"{name}/m", "provider": name} for name in "abc"]
    organizations = [
        {
            "id": "acme",
            "budget": {"monthly_usd": "100"},
            "aliases": [{"name": "all", "fallback_models": ["a/m", "b/m", "c/m"]}],
            "projects": [{"id": "web", "keys": [{"id": "k", "key": "hf-test-key"}]}],
        }
    ]
    config = configuration(shared_sim, {"m": places}, organizations=organizations)
    with Gateway(
        config,
        tmp_path_factory.mktemp("gateway"),
        separate=separate,
        environ={
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.uri,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
        },
    ) as running:
        yield running


def chat(gateway: Gateway, **headers: str) -> Any:
    body = {"model": "all", "messages": [{"role": "user", "content": "A secret word"}]}
    return gateway.http.post("/v1/chat/completions", json=body, headers=headers)


def within(seconds: float, found: Callable[[], Any]) -> Any:
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.05)
    return value


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value"))
        for each in span.attributes
    }


def test_attempts_join_the_callers_trace_and_the_providers(
    gateway: Gateway, shared_sim: SimulatedProviders, collector: Collector
) -> None:
    """503, then 429, then an answer: three spans below one, and one has usage."""
    shared_sim.fail("a", "503", times=1)
    shared_sim.fail("b", "429", times=1)
    shared_sim.forget()
    answer = chat(gateway, traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01")

    def found() -> list[Span]:
        mine = [s for s in collector.spans() if s.trace_id.hex() == TRACE_ID]
        return mine if len(mine) == 4 else []

    spans = within(20, found)

    assert answer.status_code == 200
    (request,) = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    attempts = [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert request.parent_span_id.hex() == SPAN_ID
    assert {span.parent_span_id for span in attempts} == {request.span_id}
    assert sorted(attributes(s)["holdfast.attempt.outcome"] for s in attempts) == [
        "rate-limited",
        "server-error",
        "succeeded",
    ]
    assert sum("gen_ai.usage.input_tokens" in attributes(s) for s in spans) == 1
    sent = {
        each.provider: each.headers["traceparent"] for each in shared_sim.received()
    }
    assert sent == {
        attributes(s)["gen_ai.provider.name"]: f"00-{TRACE_ID}-{s.span_id.hex()}-01"
        for s in attempts
    }
    trace = gateway.http.get(f"/v2/traces/{TRACE_ID}").json()
    assert {span["id"] for span in trace["spans"]} == {s.span_id.hex() for s in spans}


def test_no_span_holds_what_was_said(gateway: Gateway, collector: Collector) -> None:
    """Nor the credential, nor the key; and each says which environment it is of."""
    answer = chat(gateway)
    trace_id = bytes.fromhex(answer.headers["x-holdfast-trace-id"])
    within(20, lambda: [s for s in collector.spans() if s.trace_id == trace_id])

    everything = b"".join(asked.body for asked in collector.asked)

    for secret in (b"secret word", b"hf-test-key", b"key-of-", b"simulated provider"):
        assert secret not in everything
    assert b"deployment.environment" in everything
    assert all(asked.path == "/v1/traces" for asked in collector.asked)


def test_a_collector_that_is_away_costs_no_call(
    gateway: Gateway, collector: Collector
) -> None:
    """It is said once, and spans go when it is back."""
    collector.status = 503
    answers = [chat(gateway) for _ in range(3)]
    within(20, lambda: "otel_collector_away" in stderr(gateway))
    collector.status = 200

    wanted = {bytes.fromhex(a.headers["x-holdfast-trace-id"]) for a in answers}
    within(30, lambda: wanted <= {span.trace_id for span in collector.spans()})

    assert all(answer.status_code == 200 for answer in answers)
    assert stderr(gateway).count("otel_collector_away") == 1


def stderr(gateway: Gateway) -> str:
    return (gateway.folder / "stderr.log").read_text()


def test_the_dashboard_asks_for_what_there_is(gateway: Gateway) -> None:
    """Every metric that it names is one of a gateway's, with the labels it goes by."""
    if gateway.separate:
        pytest.skip("three processes show theirs at three addresses")
    chat(gateway)
    shown = gateway.http.get("/metrics").text
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", shown, re.MULTILINE))
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {
        target["expr"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }

    names = {name for expr in asked for name in re.findall(r"holdfast_\w+", expr)}

    assert len(names) > 20
    for name in sorted(names):
        family = name.removesuffix("_bucket")
        assert family in kinds, name
        assert ("_total" in name) == (kinds[family] == "counter"), name
    assert all("rate(" in expr for expr in asked if re.search(r"_total|_bucket", expr))
