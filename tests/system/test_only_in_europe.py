"""What may stay in Europe alone stays there, though all else is cheaper and healthier.

Two projects share a gateway: one whose data has to stay, and one whose may go anywhere
and which shows that everything does go there, is hedged, probed and taken up there.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fakes.caller import Answer, Caller, at_once, in_time
from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders
from holdfast_cli.demo.misbehaviour import Pace

pytestmark = pytest.mark.system

ANYWHERE_KEY = "hf-test-key-anywhere"
CAREFUL_KEY = "hf-test-key-careful"

STAYS, GOES, FORGOTTEN = "This stays in Europe.", "This may go.", "This is forgotten."
"""What the callers of each key say, by which it is known again."""

EUROPEAN = ("eu-a", "eu-b", "eu-c", "eu-own")
ELSEWHERE = ("us-a", "us-b", "worldwide", "unplaced", "us-own", "unplaced-own")
FORGETFUL = ("eu-b", "us-b")

CHEAP = {"input": "0.01", "output": "0.01"}
DEAR = {"input": "30", "output": "150"}


def place(provider: str, geography: str | None, **more: Any) -> dict[str, Any]:
    """Declare a deployment: dear in Europe, and next to nothing elsewhere."""
    is_european = geography == "eu"
    return {
        "id": f"{provider}/sonnet",
        "provider": provider,
        "pricing": DEAR if is_european else CHEAP,
        "weight": 1 if is_european else 1000,
        "capabilities": ["tools", "assistant_prefix"],
        **({"geography": geography} if geography else {}),
        **more,
    }


MODELS = {
    "sonnet": [
        place("us-a", "us"),
        place("worldwide", "global"),
        place("unplaced", None),
        place("eu-a", "eu", data={"trains_on_data": True, "retention_days": 0}),
        place("eu-b", "eu", data={"trains_on_data": False, "retention_days": 0}),
        place("eu-c", "eu", data={"trains_on_data": False, "retention_days": 30}),
        place("us-b", "us", data={"trains_on_data": False, "retention_days": 0}),
    ]
}

ALIASES = [
    {"name": "best", "fallback_models": ["us-a/sonnet", "acme/us", "sonnet"]},
    {"name": "own", "fallback_models": ["acme/unplaced", "acme/home", "sonnet"]},
    {
        "name": "hasty",
        "fallback_models": ["sonnet", "acme/home"],
        "defaults": {"hedge": {"after_s": 0.01, "max_share": 1}},
    },
]
NAMES = ["sonnet", "best", "own", "hasty", "acme/home", "eu-a/sonnet", "us-a/sonnet"]
OUTSIDE = {"us-a/sonnet"}
"""What stands for nothing in Europe."""

FAULTS = ["429", "503", "reset", "empty", "cut", "cut", "error-mid-stream", "slow"]


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that take a moment for each word."""
    with SimulatedProviders(pace=Pace(first_token_s=0.01, token_s=0.001)) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway that hedges, rescues streams and rests nobody for long."""
    own = {
        "home": ("eu-own", "eu"),
        "us": ("us-own", "us"),
        "unplaced": ("unplaced-own", None),
    }
    organization = {
        "id": "acme",
        "aliases": ALIASES,
        "custom_models": [
            {
                "name": f"acme/{name}",
                "identifier": "openai/sonnet",
                "api_key": "own",
                "extra": {"api_base": providers.base_uri(host)}
                | ({"region": region} if region else {}),
                "allow_private_network": True,
            }
            for name, (host, region) in own.items()
        ],
        "projects": [
            {
                "id": "web",
                "policy": {"geographies": ["eu"]},
                "keys": [{"id": "web-1", "key": KEY}],
            },
            {
                "id": "free",
                "keys": [
                    {"id": "free-1", "key": ANYWHERE_KEY},
                    {
                        "id": "careful",
                        "key": CAREFUL_KEY,
                        "policy": {
                            "data": {"training": "deny", "max_retention_days": 0}
                        },
                    },
                ],
            },
        ],
    }
    config = configuration(
        providers,
        MODELS,
        organizations=[organization],
        defaults={
            "hedge": {"after_s": 0.05, "max_share": 1},
            "attempt": {"first_token_timeout_s": 1, "idle_timeout_s": 1},
            "retry_after_cap_s": 1,
        },
    )
    folder = tmp_path_factory.mktemp("europe")
    with Gateway(config, folder, separate=separate) as started:
        yield started


@pytest.fixture
async def callers(
    gateway: Gateway, providers: SimulatedProviders
) -> AsyncIterator[dict[str, Caller]]:
    """Give a caller for each key, by what it says; every provider is well."""
    providers.recover()
    providers.forget()
    keys = {STAYS: KEY, GOES: ANYWHERE_KEY, FORGOTTEN: CAREFUL_KEY}
    async with AsyncExitStack() as stack:
        yield {
            says: await stack.enter_async_context(Caller(gateway.base_url, key))
            for says, key in keys.items()
        }


def heard(providers: SimulatedProviders, words: str) -> Counter[str]:
    """Count who was told what, by whoever said it."""
    return Counter(
        each.provider
        for each in providers.received()
        if any(message["content"] == words for message in each.parsed["messages"])
    )


async def test_nothing_leaves_however_the_traffic_is_made_to_go_round(
    callers: dict[str, Caller], providers: SimulatedProviders
) -> None:
    """Not in turn, as a hedge, a probe, by an alias, nor when a stream breaks off."""
    chance = random.Random(20_241_231)

    async def call(number: int) -> tuple[str, str, Answer]:
        if chance.random() < 0.5:
            providers.fail(
                chance.choice(EUROPEAN),
                chance.choice(FAULTS),
                times=chance.randint(1, 3),
                retry_after=chance.choice([None, 0, 1]),
            )
        if number % 25 == 0:
            # So that those elsewhere are left aside, and somebody has to try them.
            providers.fail(chance.choice(ELSEWHERE), "429", times=1, retry_after=0)
        says = STAYS if number % 4 else GOES
        name = chance.choice(NAMES)
        answer = await callers[says].ask(
            name,
            messages=[{"role": "user", "content": says}],
            stream=chance.random() < 0.7,
            session=chance.choice(["", f"session-{number % 30}"]),
        )
        return says, name, answer

    answers = await at_once(16, (lambda n=n: call(n) for n in range(600)))

    whole = [each for each in answers if each[2].is_whole]
    stayed = [(name, each) for says, name, each in answers if says == STAYS]
    told = heard(providers, STAYS)
    assert told.keys() <= set(EUROPEAN)
    assert {each.geography for says, _, each in whole if says == STAYS} == {"eu"}
    assert all(each.status == 403 for name, each in stayed if name in OUTSIDE)
    assert all(each.status != 403 for name, each in stayed if name not in OUTSIDE)
    # All of it was the case: most were answered, many by others than the first,
    # and whoever may go elsewhere went.
    assert sum(each.is_whole for _, each in stayed) > len(stayed) / 3
    assert sum(each.attempts > 1 for _, each in stayed) > 30
    assert sum(heard(providers, GOES)[each] for each in ELSEWHERE) > 50


@pytest.mark.parametrize("name", ["sonnet", "best", "own"])
async def test_a_stream_that_breaks_off_is_taken_up_in_europe_or_nowhere(
    callers: dict[str, Caller], providers: SimulatedProviders, name: str
) -> None:
    """While all who are elsewhere would go on with it at once."""
    for each in EUROPEAN:
        providers.fail(each, "cut")

    asked = [
        callers[STAYS].ask(
            name, messages=[{"role": "user", "content": STAYS}], stream=True
        )
        for _ in range(8)
    ]
    answers = [await each for each in asked]

    told = heard(providers, STAYS)
    assert told.keys() <= set(EUROPEAN)
    assert sum(told.values()) > len(answers)
    assert all(not answer.is_whole for answer in answers)


async def test_a_hedge_stays_in_europe(
    callers: dict[str, Caller], providers: SimulatedProviders
) -> None:
    """Whoever is slow there is helped by another one there."""
    for each in EUROPEAN:
        providers.fail(each, "slow", seconds=0.3)

    async def is_hedged() -> bool:
        answer = await callers[STAYS].ask(
            "hasty", messages=[{"role": "user", "content": STAYS}], stream=True
        )
        assert answer.geography in {"eu", ""}
        return answer.is_whole and answer.attempts > 1

    # Not as long as all but one rest from what came before.
    await in_time(is_hedged, within_s=60)

    assert heard(providers, STAYS).keys() <= set(EUROPEAN)
    assert len(heard(providers, STAYS)) > 1


async def test_a_key_that_is_to_be_forgotten_is_served_by_who_forgets(
    callers: dict[str, Caller], providers: SimulatedProviders
) -> None:
    """Neither by who trains, nor by who keeps, nor by who says nothing of it."""
    careful = callers[FORGOTTEN]
    said = [{"role": "user", "content": FORGOTTEN}]
    providers.fail("us-b", "503", times=4)

    answers = [
        await careful.ask("best", messages=said, session=f"{n}") for n in range(8)
    ]
    refused = await careful.ask("eu-c/sonnet", messages=said)
    own = await careful.ask("acme/home", messages=said)
    explained = await careful.explain("sonnet")

    rules = {each["deployment"]: each["rule"] for each in explained["exclusions"]}
    assert all(answer.is_whole for answer in answers)
    assert set(heard(providers, FORGOTTEN)) <= set(FORGETFUL)
    assert (refused.status, own.status) == (403, 403)
    assert (
        "key careful policy: retention days 30, 0 at most" in refused.error["message"]
    )
    assert "key careful policy: training on data unknown" in own.error["message"]
    assert (
        rules["eu-a/sonnet"] == "key careful policy: it trains on data, which is denied"
    )
    assert rules["us-a/sonnet"] == (
        "key careful policy: training on data unknown, and denied"
    )


async def test_answers_and_refusals_name_the_state_they_were_decided_on(
    gateway: Gateway, callers: dict[str, Caller], providers: SimulatedProviders
) -> None:
    """The same one that an explanation names."""
    explained = await callers[STAYS].explain("sonnet")
    hello = {"messages": [{"role": "user", "content": STAYS}]}

    def revision(**more: Any) -> tuple[int, str]:
        answer = gateway.http.post("/v1/chat/completions", json={**hello, **more})
        return answer.status_code, answer.headers["x-holdfast-revision"]

    told = [
        revision(model="sonnet"),
        revision(model="sonnet", stream=True),
        revision(model="us-a/sonnet"),
    ]
    for each in EUROPEAN:
        providers.fail(each, "503")
    told.append(revision(model="sonnet"))

    assert [status for status, _ in told] == [200, 200, 403, 503]
    assert {named for _, named in told} == {explained["revision"]}
