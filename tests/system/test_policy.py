"""What a policy does not allow is never called, however well it would answer."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from fakes.caller import Answer, Caller, at_once, served_by
from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

ANYWHERE_KEY = "hf-test-key-anywhere"
BOLD_KEY = "hf-test-key-bold"

EUROPEAN = ("eu-a", "eu-b", "eu-c")
ELSEWHERE = ("us-a", "us-b", "worldwide", "unplaced", "us-own", "unplaced-own")

MODELS = {
    "sonnet": [
        *({"id": f"{p}/sonnet", "provider": p, "geography": "eu"} for p in EUROPEAN),
        {"id": "us-a/sonnet", "provider": "us-a", "geography": "us"},
        {"id": "us-b/sonnet", "provider": "us-b", "geography": "us"},
        {"id": "worldwide/sonnet", "provider": "worldwide", "geography": "global"},
        {"id": "unplaced/sonnet", "provider": "unplaced"},
        {"id": "denied/sonnet", "provider": "denied", "geography": "eu"},
    ],
    "americana": [{"id": "us-a/americana", "provider": "us-a", "geography": "us"}],
    "secret": [{"id": "eu-a/secret", "provider": "eu-a", "geography": "eu"}],
}

ALIASES = [
    {"name": "american", "fallback_models": ["americana", "us-b/sonnet"]},
    {"name": "best", "fallback_models": ["americana", "acme/unplaced", "sonnet"]},
    {"name": "own-first", "fallback_models": ["acme/home", "sonnet"]},
]

ALLOWED_NAMES = ["sonnet", "best", "own-first", "acme/home", "eu-a/sonnet"]

FAULTS = ["429", "503", "500", "529", "reset", "empty", "error-in-stream"]


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that the tests here share."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Give a gateway that the tests here share."""
    regions = {"home": "eu", "unplaced": None, "us": "us-east-1"}
    hosts = {"home": "eu-own", "unplaced": "unplaced-own", "us": "us-own"}
    organization = {
        "id": "acme",
        "policy": {"providers": {"deny": ["denied"]}, "models": {"deny": ["secret"]}},
        "aliases": ALIASES,
        "custom_models": [
            {
                "name": f"acme/{name}",
                "identifier": "openai/tuned",
                "api_key": "own",
                "extra": {"api_base": providers.base_uri(hosts[name])}
                | ({"region": region} if region else {}),
                "allow_private_network": True,
            }
            for name, region in regions.items()
        ],
        "projects": [
            {
                "id": "web",
                "policy": {"geographies": ["eu"]},
                "keys": [{"id": "web-1", "key": KEY}],
            },
            {"id": "free", "keys": [{"id": "free-1", "key": ANYWHERE_KEY}]},
            {
                "id": "bold",
                "policy": {
                    "providers": {"allow": ["denied", "us-b"]},
                    "models": {"allow": ["sonnet", "secret"]},
                },
                "keys": [{"id": "bold-1", "key": BOLD_KEY}],
            },
        ],
    }
    config = configuration(providers, MODELS, organizations=[organization])
    with Gateway(config, tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture
async def european(
    gateway: Gateway, providers: SimulatedProviders
) -> AsyncIterator[Caller]:
    """Give a caller whose data has to stay in the EU; every provider is well."""
    providers.recover()
    async with Caller(gateway.base_url) as asking:
        yield asking


@pytest.fixture
def strays(providers: SimulatedProviders) -> Callable[[], Counter[str]]:
    """Give a count of the calls that places elsewhere got during the test."""

    def received() -> Counter[str]:
        return Counter({name: providers.tally(name).received for name in ELSEWHERE})

    before = received()
    return lambda: received() - before


async def test_no_call_leaves_the_eu_however_ill_the_eu_is(
    european: Caller,
    providers: SimulatedProviders,
    strays: Callable[[], Counter[str]],
) -> None:
    """Of 1,000 calls none reaches a place outside, while those inside keep failing."""
    chance = random.Random(20_240_229)

    async def call(number: int) -> Answer:
        if chance.random() < 0.6:
            providers.fail(
                chance.choice([*EUROPEAN, "eu-own"]),
                chance.choice(FAULTS),
                times=chance.randint(1, 4),
                retry_after=chance.choice([None, 0, 1]),
            )
        return await european.ask(
            chance.choice(ALLOWED_NAMES),
            stream=chance.random() < 0.5,
            session=chance.choice(["", "", f"session-{number % 40}"]),
        )

    answers = await at_once(16, (lambda n=n: call(n) for n in range(1_000)))

    whole = [answer for answer in answers if answer.is_whole]
    assert not strays()
    assert {answer.geography for answer in whole} == {"eu"}
    assert Counter(answer.status for answer in answers).keys() <= {200, 429, 502, 503}
    # Both were the case often enough for the test to mean something.
    assert len(whole) > 300
    assert sum(answer.attempts > 1 for answer in whole) > 20


async def test_nothing_is_left_to_call_where_all_of_the_eu_is_down(
    european: Caller,
    providers: SimulatedProviders,
    strays: Callable[[], Counter[str]],
) -> None:
    """Failing is better than leaving."""
    for name in (*EUROPEAN, "eu-own"):
        providers.fail(name, "503")

    answers = [await european.ask(name) for name in ALLOWED_NAMES]
    streamed = [await european.ask(name, stream=True) for name in ALLOWED_NAMES]

    assert all(answer.status in {502, 503} for answer in answers + streamed)
    assert not strays()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("us-a/sonnet", "project web policy: geography us not in [eu]"),
        ("worldwide/sonnet", "project web policy: geography global not in [eu]"),
        ("unplaced/sonnet", "project web policy: geography unknown not in [eu]"),
        ("americana", "project web policy: geography us not in [eu]"),
        ("american", "project web policy: geography us not in [eu] (2 deployments)"),
        ("acme/unplaced", "project web policy: geography unknown not in [eu]"),
        ("acme/us", "project web policy: geography unknown not in [eu]"),
        ("denied/sonnet", "organization acme policy: provider denied is denied"),
        ("secret", "organization acme policy: model secret is denied"),
        ("eu-a/secret", "organization acme policy: model secret is denied"),
    ],
)
async def test_name_without_an_allowed_deployment_is_refused_with_the_rule(
    european: Caller, strays: Callable[[], Counter[str]], name: str, rule: str
) -> None:
    """The caller learns which scope's rule it was, and nobody is called."""
    refused = await european.ask(name, session="refused")
    streamed = await european.ask(name, stream=True)

    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")
    assert (streamed.status, streamed.error["code"]) == (403, "model_not_allowed")
    assert rule in refused.error["message"]
    assert not strays()


async def test_project_cannot_allow_what_its_organization_denies(
    gateway: Gateway, providers: SimulatedProviders
) -> None:
    """A lower scope narrows and never widens."""
    async with Caller(gateway.base_url, BOLD_KEY) as bold:
        answers = [await bold.ask("sonnet", session=f"b{n}") for n in range(6)]
        refused = [await bold.ask(name) for name in ("denied/sonnet", "secret")]

    assert served_by(answers).keys() == {"us-b/sonnet"}
    assert [answer.status for answer in refused] == [403, 403]
    assert providers.tally("denied").received == 0


async def test_explaining_shows_every_candidate_once_with_its_rule(
    european: Caller,
) -> None:
    """What is placed and what is excluded are together all there is."""
    explained = await european.explain("best", "a session")

    placed = [step["deployment"] for step in explained["steps"]]
    rules = {each["deployment"]: each["rule"] for each in explained["exclusions"]}
    elsewhere = "project web policy: geography {} not in [eu]"
    assert sorted(placed) == [f"{name}/sonnet" for name in EUROPEAN]
    assert len(rules) == len(explained["exclusions"])
    assert rules == {
        "us-a/americana": elsewhere.format("us"),
        "acme/unplaced": elsewhere.format("unknown"),
        "us-a/sonnet": elsewhere.format("us"),
        "us-b/sonnet": elsewhere.format("us"),
        "worldwide/sonnet": elsewhere.format("global"),
        "unplaced/sonnet": elsewhere.format("unknown"),
        "denied/sonnet": "organization acme policy: provider denied is denied",
    }


async def test_list_of_models_has_what_may_be_called_and_nothing_else(
    gateway: Gateway, european: Caller
) -> None:
    """Each name that is listed can be called, and each that is not is refused."""
    async with Caller(gateway.base_url, ANYWHERE_KEY) as free:
        everything = await free.models()
    listed = await european.models()
    answers = {name: (await european.ask(name)).status for name in everything}

    assert sorted(listed) == sorted([*ALLOWED_NAMES, "eu-b/sonnet", "eu-c/sonnet"])
    assert {name for name, status in answers.items() if status == 200} == set(listed)
    assert {status for name, status in answers.items() if name not in listed} == {403}
