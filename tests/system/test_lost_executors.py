"""An executor is killed amid streams: what callers get, and what it is put down as."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.caller import in_time
from fakes.gateway import KEY, configuration
from fakes.patience import until
from fakes.provider import SimulatedProviders
from fakes.replicas import Services
from holdfast.model import BudgetStatus, Caller
from holdfast.rpc.clients import RemoteResolver
from holdfast_cli.demo.misbehaviour import Pace

pytestmark = pytest.mark.system

STREAMS = 6
USD = Decimal(10) ** 9
MODELS = {
    "sonnet": [
        {
            "id": "aws/sonnet",
            "provider": "aws",
            "pricing": {"input": "1", "output": "1000"},
        }
    ]
}
ORGANIZATIONS = [
    {
        "id": "acme",
        "budget": {"monthly_usd": "1000"},
        "projects": [{"id": "web", "keys": [{"id": "web-1", "key": KEY}]}],
    }
]


@pytest.fixture
def slow() -> Iterator[SimulatedProviders]:
    """Give providers that take two seconds for an answer."""
    with SimulatedProviders(pace=Pace(first_token_s=0.05, token_s=0.08)) as simulated:
        yield simulated


@pytest.fixture
async def services(
    slow: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> AsyncIterator[Services]:
    """Give an edge before two resolvers and two executors."""
    config = configuration(
        slow,
        MODELS,
        etcd={"endpoints": [etcd_endpoint], "prefix": etcd_prefix},
        organizations=ORGANIZATIONS,
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
    )
    async with Services(config, tmp_path, etcd_endpoint) as running:
        yield running


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """Give a caller."""
    async with httpx.AsyncClient(
        base_url=services.base_url, headers={"x-opper-api-key": KEY}, timeout=60
    ) as client:
        yield client


class Stream:
    """A caller's stream, as far as it has come."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.trace_id = ""
        self.is_whole = False

    async def read(self, http: httpx.AsyncClient) -> None:
        said = {"role": "user", "content": "Hello"}
        body = {"model": "sonnet", "messages": [said], "stream": True}
        async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
            self.trace_id = answer.headers["x-holdfast-trace-id"]
            async for line in answer.aiter_lines():
                self.is_whole |= line == "data: [DONE]"
                if line.startswith("data: {"):
                    event = json.loads(line.removeprefix("data: "))
                    assert "error" not in event, event
                    delta = event["choices"][0]["delta"]
                    self.words.append(delta.get("content") or "")


async def trace(http: httpx.AsyncClient, stream: Stream) -> Any:
    answer = await http.get(f"/v2/traces/{stream.trace_id}")
    return answer.raise_for_status().json()


def attempts(told: Any) -> list[dict[str, Any]]:
    spans = [span for span in told["spans"] if span["type"] != "request"]
    return sorted(spans, key=lambda span: int(span["meta"]["attempt"]))


async def test_half_answers_of_a_killed_executor_are_in_the_trace_and_in_the_budget(
    services: Services, http: httpx.AsyncClient
) -> None:
    """Callers have whole answers; both halves are paid for, and are put down."""
    undisturbed = Stream()
    await undisturbed.read(http)
    streams = [Stream() for _ in range(STREAMS)]
    reading = [asyncio.create_task(each.read(http)) for each in streams]
    await until(lambda: all(len(each.words) > 5 for each in streams))
    await asyncio.to_thread(services.executors[0].kill)
    await asyncio.gather(*reading)
    told = [await trace(http, each) for each in (undisturbed, *streams)]
    spent = await spent_of(services)

    lost = [each for each in told if len(attempts(each)) > 1]
    assert all(each.is_whole for each in streams)
    assert {"".join(each.words) for each in streams} == {"".join(undisturbed.words)}
    assert 0 < len(lost) < STREAMS
    for each in lost:
        first, second = attempts(each)
        assert first["meta"]["outcome"] == "executor-lost"
        assert (first["meta"]["attempt"], second["meta"]["attempt"]) == (1, 2)
        assert "estimated" in json.dumps(first)
        assert second["status"] == "ok"
        assert each["status"] == "ok"
    assert spent == sum(Decimal(each["cost"]) for each in told) * USD


async def spent_of(services: Services) -> Decimal:
    """Say what is spent of the budget, once nothing is set aside of it."""
    resolver = RemoteResolver([services.resolvers[0].address])

    async def standing() -> BudgetStatus:
        (budget,) = await resolver.list_budget_status(Caller("acme", "web"))
        return budget

    async def is_settled() -> bool:
        return not (await standing()).reserved_usd_nanos

    try:
        await in_time(is_settled)
        return Decimal((await standing()).spent_usd_nanos)
    finally:
        await resolver.close()
