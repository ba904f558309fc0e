"""Budgets and rates as applications and operators meet them, with OpenAI's SDK."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import openai
import pytest

from fakes.caller import Caller as Application
from fakes.caller import at_once, in_time
from fakes.gateway import Gateway, configuration
from fakes.metered import USD
from fakes.provider import SimulatedProviders
from fakes.replicas import Services, running
from holdfast.model import BudgetStatus, Caller
from holdfast.pricing import usd
from holdfast.rpc.clients import RemoteResolver

pytestmark = pytest.mark.system

# A dollar for a thousand output tokens: the simulated answers cost some cents.
PRICES = {"input": "0", "output": "1000"}
MODELS = {
    "m": [
        {"id": "a/m", "provider": "a", "pricing": PRICES},
        {"id": "b/m", "provider": "b", "pricing": PRICES},
    ],
    "alone": [{"id": "a/alone", "provider": "a", "pricing": PRICES}],
}
HELLO = [{"role": "user", "content": "Hello"}]


def keys(*names: str, **facts: object) -> list[dict[str, object]]:
    """Declare keys, each of the same facts."""
    return [{"id": name, "key": f"hf-{name}", **facts} for name in names]


ORGANIZATIONS = [
    {
        "id": "acme",
        "budget": {"monthly_usd": "1000", "warn_at": 0.9},
        "projects": [
            {
                "id": "web",
                "keys": [
                    *keys("poor", budget={"monthly_usd": "0.2", "warn_at": 0.01}),
                    *keys(
                        "stream",
                        "failing",
                        "plain",
                        "whole",
                        budget={"monthly_usd": "500"},
                    ),
                    *keys("slow", requests_per_minute=2),
                    *keys("boss", admin=True),
                ],
            }
        ],
    }
]


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway in front of two providers that cost something."""
    shared_sim.recover()
    config = configuration(shared_sim, MODELS, organizations=ORGANIZATIONS)
    folder = tmp_path_factory.mktemp("budgets")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
async def budgets(gateway: Gateway) -> AsyncIterator[RemoteResolver]:
    """Give whom to ask how budgets stand."""
    far = RemoteResolver([gateway.resolver])
    yield far
    await far.close()


async def standing(budgets: RemoteResolver, key: str) -> BudgetStatus:
    """Say how a key's own budget stands."""
    statuses = await budgets.list_budget_status(Caller("acme", "web", key))
    return statuses[-1]


async def settled(budgets: RemoteResolver, key: str) -> int:
    """Wait until nothing is set aside for a key, and say what it has spent."""

    async def nothing_is_set_aside() -> bool:
        return (await standing(budgets, key)).reserved_usd_nanos == 0

    await in_time(nothing_is_set_aside)
    return (await standing(budgets, key)).spent_usd_nanos


async def test_budget_is_spent_and_then_says_so(
    gateway: Gateway, budgets: RemoteResolver
) -> None:
    """The call that reaches the limit completes; the next learns when it may again."""
    client = gateway.openai("hf-poor")
    cost, warnings = 0.0, []
    with pytest.raises(openai.APIStatusError) as refused:  # noqa: PT012 - until then
        while cost < 10:
            answer = client.chat.completions.with_raw_response.create(
                model="m", messages=HELLO, max_tokens=50
            )
            warnings.append(answer.headers.get("x-holdfast-budget-warning"))
            cost += answer.parse().usage.cost

    error = refused.value
    now = datetime.now(UTC)
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    assert 0.2 <= cost < 0.2 + 0.05
    assert error.status_code == 402
    assert error.code == "budget_exhausted"
    assert error.type == "insufficient_quota"
    assert "acme/web/poor" in error.message
    assert f"{following:%Y-%m-%dT%H:%M:%SZ}" in error.message
    assert error.response.headers["x-should-retry"] == "false"
    assert warnings[0] is None
    assert warnings[-1] == "acme/web/poor"
    assert await settled(budgets, "poor") == pytest.approx(cost * USD)


async def test_what_the_answers_cost_is_what_is_spent(
    gateway: Gateway, budgets: RemoteResolver
) -> None:
    """To the nanodollar, whole and streamed, as the answers themselves say."""
    async with Application(gateway.base_url, "hf-whole") as application:
        answers = await at_once(
            8,
            [
                lambda n=n: application.ask(
                    "m",
                    stream=n % 2 > 0,
                    max_tokens=500,
                    **(
                        {"stream_options": {"include_usage": True}} if n % 2 > 0 else {}
                    ),
                )
                for n in range(40)
            ],
        )

    cost = sum(answer.cost or 0.0 for answer in answers)
    assert all(answer.is_whole for answer in answers)
    assert cost > 0
    assert usd(await settled(budgets, "whole")) == f"{cost:.9f}".rstrip("0")


async def test_stream_that_the_caller_breaks_off_is_paid_for(
    gateway: Gateway, budgets: RemoteResolver, shared_sim: SimulatedProviders
) -> None:
    """What it had used by then is spent, and the rest comes back."""
    shared_sim.fail("a", "stall", after=3, times=1)
    client = gateway.openai("hf-stream")
    stream = client.chat.completions.create(
        model="alone", messages=HELLO, stream=True, max_tokens=5_000
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            break
    stream.close()

    assert 0 < await settled(budgets, "stream") < 5 * USD


async def test_attempt_that_failed_is_paid_for(
    gateway: Gateway, budgets: RemoteResolver, shared_sim: SimulatedProviders
) -> None:
    """A stream that broke off and was taken up elsewhere costs what both did."""
    shared_sim.fail("a", "cut", after=3, times=1)
    shared_sim.fail("b", "cut", after=3, times=1)
    stream = gateway.openai("hf-failing").chat.completions.create(
        model="m",
        messages=HELLO,
        stream=True,
        max_tokens=5_000,
        stream_options={"include_usage": True},
    )
    told = [chunk.usage.cost for chunk in stream if chunk.usage]
    spent = await settled(budgets, "failing")
    shared_sim.recover()

    assert len(told) == 1
    assert spent == pytest.approx(told[0] * USD)


def test_rate_of_a_key_holds_and_says_how_long(gateway: Gateway) -> None:
    """The third of two a minute waits for the next one."""
    client = gateway.openai("hf-slow")
    with pytest.raises(openai.RateLimitError) as refused:  # noqa: PT012 - until then
        for _ in range(5):
            client.chat.completions.create(model="m", messages=HELLO)

    error = refused.value
    assert error.code == "rate_limited"
    assert "2 requests a minute" in error.message
    assert 1 <= int(error.response.headers["retry-after"]) <= 60
    assert error.response.headers["x-should-retry"] == "true"


def test_budgets_are_among_the_figures(gateway: Gateway) -> None:
    """What is spent of each, and what is left."""
    if gateway.separate:
        pytest.skip("the resolver's figures are at an address of its own")
    text = gateway.http.get("/metrics").text

    assert 'holdfast_resolver_budget_spent_usd{budget="acme/web/plain"} 0.0' in text
    assert 'holdfast_resolver_budget_left_usd{budget="acme/web/plain"} 500.0' in text


async def test_sum_of_the_ledger_is_what_is_spent(
    gateway: Gateway, budgets: RemoteResolver, shared_sim: SimulatedProviders
) -> None:
    """Of all that the tests before this one have called, and of some more."""
    shared_sim.fail("a", "cut", after=3, times=2)
    async with Application(gateway.base_url, "hf-plain") as application:
        await at_once(
            4, [lambda n=n: application.ask("m", stream=n % 2 > 0) for n in range(12)]
        )
    shared_sim.recover()
    spent = await settled(budgets, "plain")
    headers = {"x-api-key": "hf-boss"}

    async def both_say_the_same() -> bool:
        rows = gateway.http.get("/v2/analytics/usage", headers=headers).json()
        listed = gateway.http.get("/v2/budgets", headers=headers).json()["data"]
        (organization,) = [each for each in listed if not each["project"]]
        ledger = sum(Decimal(row["cost"]) for row in rows)
        return ledger == Decimal(organization["this_month"]["spent_usd"])

    await in_time(both_say_the_same)
    assert spent > 0


async def test_budget_that_is_edited_holds_at_once(gateway: Gateway) -> None:
    """Made, raised and deleted while calls go on, through the API."""
    at, headers = "/v2/budgets/projects/web", {"x-api-key": "hf-boss"}

    def put(usd: str) -> None:
        gateway.http.put(at, headers=headers, json={"monthly_usd": usd})

    async with Application(gateway.base_url, "hf-plain") as application:

        async def status() -> int:
            return (await application.ask("m", max_tokens=50)).status

        async def is_refused() -> bool:
            return await status() == 402

        async def is_let_in() -> bool:
            return await status() == 200

        put("0.01")
        await in_time(is_refused)
        put("100")
        await in_time(is_let_in)
        put("0.01")
        await in_time(is_refused)
        deleted = gateway.http.delete(at, headers=headers)
        await in_time(is_let_in)

    assert deleted.status_code == 204


async def test_several_gateways_spend_one_budget(
    sim: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """Two hundred calls at once, at four gateways: one too many at most."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    organizations = [
        {
            "id": "acme",
            "budget": {"monthly_usd": "1"},
            "projects": [{"id": "web", "keys": keys("web-1")}],
        }
    ]
    config = configuration(sim, MODELS, etcd=etcd, organizations=organizations)
    gateways = [Gateway(config, tmp_path / name) for name in "abcd"]
    async with running(*gateways):
        applications = [Application(each.base_url, "hf-web-1") for each in gateways]
        answers = await at_once(
            200,
            [
                lambda n=n: applications[n % 4].ask(
                    "m", stream=n % 3 == 0, max_tokens=50, **streamed(n % 3 == 0)
                )
                for n in range(200)
            ],
        )
        later = [await each.ask("m", max_tokens=50) for each in applications]
        for each in applications:
            await each.close()

    cost = sum(answer.cost or 0.0 for answer in [*answers, *later])
    assert {answer.status for answer in answers} == {200, 402}
    assert cost < 1 + 0.05
    refused = [a.error["code"] for a in answers if a.status == 402]
    assert set(refused) == {"budget_exhausted"}
    assert cost >= 1 or any(answer.status == 200 for answer in later)


def streamed(is_so: bool) -> dict[str, object]:
    return {"stream_options": {"include_usage": True}} if is_so else {}


async def test_resolvers_killed_in_the_midst_cost_no_more_than_a_call(
    sim: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """What calls under way cost is counted by the resolver that is left."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    organizations = [
        {
            "id": "acme",
            "budget": {"monthly_usd": "1"},
            "projects": [{"id": "web", "keys": keys("web-1")}],
        }
    ]
    config = configuration(sim, MODELS, etcd=etcd, organizations=organizations)
    for provider in "ab":
        sim.fail(provider, "slow", seconds=1)
    async with (
        Services(config, tmp_path, etcd_endpoint) as services,
        Application(services.base_url, "hf-web-1", at_once=100) as application,
    ):

        async def ask() -> object:
            return await application.ask("m", max_tokens=50)

        under_way = asyncio.create_task(at_once(8, [ask] * 8))
        await in_time(lambda: asyncio.sleep(0, len(sim.received()) >= 8))
        await asyncio.to_thread(services.resolvers[0].kill)
        answers = await under_way
        for provider in "ab":
            sim.recover(provider)
        answers += await at_once(100, [ask] * 100)

    cost = sum(answer.cost or 0.0 for answer in answers)
    assert {answer.status for answer in answers} == {200, 402}
    assert cost < 1 + 0.05
