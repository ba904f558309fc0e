"""A conversation stays where its prompt cache is warm, and moves when it must."""

import contextlib
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.caller import HELLO, Caller, at_once, in_time, served_by
from fakes.gateway import KEY, Gateway, configuration
from fakes.independent_reader import connect
from fakes.patience import until
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

KEY_OF_ANOTHER_PROJECT = "hf-test-key-2"

PRICES = {"input": "3.00", "output": "15.00", "cache_read": "0.30"}

MODELS = {
    "sonnet": [
        {"id": f"{provider}/sonnet", "provider": provider, "pricing": PRICES}
        for provider in ("aws", "gcp", "lab")
    ],
    "rare": [{"id": "solo/rare", "provider": "solo"}],
}

ORGANIZATIONS = [
    {
        "id": "acme",
        "aliases": [{"name": "best", "fallback_models": ["rare", "sonnet"]}],
        "projects": [
            {"id": "web", "keys": [{"id": "web-1", "key": KEY}]},
            {"id": "app", "keys": [{"id": "app-1", "key": KEY_OF_ANOTHER_PROJECT}]},
        ],
    }
]

SYSTEM = {"role": "system", "content": "You are terse. " * 200}


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give simulated providers that the tests here share."""
    with SimulatedProviders() as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders,
    separate: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """Give a gateway that the tests here share."""
    config = configuration(providers, MODELS, organizations=ORGANIZATIONS)
    folder = tmp_path_factory.mktemp("gateway")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture
async def caller(
    gateway: Gateway, providers: SimulatedProviders
) -> AsyncIterator[Caller]:
    """Give a caller of it, with every provider well and at rest from no fault."""
    providers.recover()
    async with Caller(gateway.base_url) as asking:
        await in_time(lambda: nobody_cools(asking))
        yield asking


async def nobody_cools(caller: Caller) -> bool:
    """Tell whether all are well, after asking those who may be again."""
    cooling = [each for name in MODELS for each in await caller.cooling(name)]
    for deployment_id in cooling:
        await caller.ask(deployment_id)
    return not cooling


@pytest.mark.parametrize(
    "named",
    [
        {"path": "/session/path-1/v1/chat/completions"},
        {"headers": {"x-holdfast-session": "header-1"}},
        {"headers": {"x-session-id": "header-2"}},
        {"headers": {"x-opper-trace-id": "header-3"}},
        {"headers": {"x-session-affinity": "header-4"}},
        {"prompt_cache_key": "body-1"},
        {"messages": [SYSTEM, *HELLO]},
    ],
    ids=[
        "path",
        "x-holdfast-session",
        "x-session-id",
        "x-opper-trace-id",
        "x-session-affinity",
        "prompt_cache_key",
        "derived",
    ],
)
async def test_session_keeps_its_deployment_however_it_is_named(
    caller: Caller, named: Mapping[str, Any]
) -> None:
    """The first turn chooses a deployment and the later ones find it again."""
    turns = [await caller.ask("sonnet", stream=n % 2 > 0, **named) for n in range(5)]

    assert [turn.affinity for turn in turns] == ["new"] + ["kept"] * 4
    assert len(served_by(turns)) == 1


async def test_derived_session_outlasts_the_conversation_growing(
    caller: Caller,
) -> None:
    """What a conversation opened with is its session, however long it becomes."""
    conversation = [SYSTEM, {"role": "user", "content": "One thing first"}]
    turns = []
    for number in range(4):
        turns.append(await caller.ask("sonnet", messages=conversation))
        conversation += [
            {"role": "assistant", "content": f"Answer {number}"},
            {"role": "user", "content": f"And then {number}?"},
        ]

    assert [turn.affinity for turn in turns] == ["new", "kept", "kept", "kept"]
    assert len(served_by(turns)) == 1


async def test_sessions_spread_over_the_deployments(caller: Caller) -> None:
    """Sessions are not all of them sent to one place."""
    first = await at_once(
        8, (lambda n=n: caller.ask("sonnet", session=f"many-{n}") for n in range(40))
    )
    second = await at_once(
        8, (lambda n=n: caller.ask("sonnet", session=f"many-{n}") for n in range(40))
    )

    assert len(served_by(first)) == 3
    assert [turn.deployment for turn in second] == [turn.deployment for turn in first]
    assert {turn.affinity for turn in second} == {"kept"}


async def test_single_turn_without_a_session_rotates(caller: Caller) -> None:
    """Where nothing is worth keeping warm, deployments take turns."""
    turns = [await caller.ask("sonnet") for _ in range(9)]

    assert set(served_by(turns).values()) == {3}
    assert {turn.affinity for turn in turns} == {"none"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_session_moves_when_its_deployment_fails_and_stays_there(
    caller: Caller, providers: SimulatedProviders, stream: bool
) -> None:
    """A turn that another deployment served makes that one the session's own."""
    session = f"moving-{stream}"
    first = await caller.ask("sonnet", session=session)
    providers.fail(first.provider, "503")

    moved = await caller.ask("sonnet", session=session, stream=stream)
    providers.recover()
    after = [await caller.ask("sonnet", session=session) for _ in range(3)]
    await in_time(lambda: nobody_cools(caller))
    after += [await caller.ask("sonnet", session=session) for _ in range(3)]

    assert moved.is_whole
    assert moved.affinity == "moved"
    assert moved.attempts == 2
    assert moved.deployment != first.deployment
    assert served_by(after).keys() == {moved.deployment}
    assert after[-1].affinity == "kept"


async def test_session_is_one_project_s_own(gateway: Gateway, caller: Caller) -> None:
    """The same name in another project is another session."""
    await caller.ask("sonnet", session="scoped")
    async with Caller(gateway.base_url, KEY_OF_ANOTHER_PROJECT) as stranger:
        stranger_s_first = await stranger.ask("sonnet", session="scoped")
        stranger_s_next = await stranger.ask("sonnet", session="scoped")
    kept = await caller.ask("sonnet", session="scoped")

    assert stranger_s_first.affinity == "new"
    assert stranger_s_next.affinity == "kept"
    assert kept.affinity == "kept"


async def test_session_is_one_model_s_own(caller: Caller) -> None:
    """A session that asks for two models is bound for each of them."""
    first = await caller.ask("sonnet", session="two-models")
    other = await caller.ask("rare", session="two-models")
    again = await caller.ask("sonnet", session="two-models")

    assert (first.affinity, other.affinity, again.affinity) == ("new", "new", "kept")
    assert again.deployment == first.deployment


async def test_alias_keeps_its_order_over_stickiness(
    caller: Caller, providers: SimulatedProviders
) -> None:
    """A session that began with an alias' second model goes to the first."""
    providers.fail("solo", "503")
    for _ in range(3):
        await caller.ask("best")
    begun = [await caller.ask("best", session="alias") for _ in range(2)]
    providers.recover()
    await in_time(lambda: nobody_cools(caller))

    back = await caller.ask("best", session="alias")

    assert [turn.attempts for turn in begun] == [1, 1]
    assert [turn.model for turn in begun] == ["sonnet", "sonnet"]
    assert (back.deployment, back.model) == ("solo/rare", "rare")


async def test_pinned_call_leaves_the_session_where_it_is(caller: Caller) -> None:
    """Naming a deployment once moves nothing."""
    first = await caller.ask("sonnet", session="pinned")
    elsewhere = next(d["id"] for d in MODELS["sonnet"] if d["id"] != first.deployment)

    pinned = await caller.ask(elsewhere, session="pinned")
    after = await caller.ask("sonnet", session="pinned")

    assert pinned.deployment == elsewhere
    assert pinned.affinity == "none"
    assert (after.affinity, after.deployment) == ("kept", first.deployment)


async def test_kept_session_pays_less_for_what_is_cached(
    caller: Caller, gateway: Gateway
) -> None:
    """The second turn finds the first one's prompt in the provider's cache."""
    briefing = {"role": "system", "content": f"You are {gateway.base_url}. " * 200}
    conversation = [briefing, *HELLO]
    cold = await caller.ask("sonnet", session="warm", messages=conversation)

    conversation += [
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Go on"},
    ]
    warm = await caller.ask("sonnet", session="warm", messages=conversation)

    assert warm.cached_tokens > 500 > cold.cached_tokens
    assert warm.cost is not None
    assert cold.cost is not None
    assert warm.cost < cold.cost / 2


async def test_sessions_outlive_the_services(
    providers: SimulatedProviders,
    separate: bool,
    etcd_endpoint: str,
    etcd_prefix: str,
    tmp_path: Path,
) -> None:
    """After all services were ended and started anew, sessions are where they were."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    gateway = Gateway(
        configuration(providers, MODELS, etcd=etcd), tmp_path, separate=separate
    )
    with gateway:
        before = await talk_and_be_moved(gateway, providers)

    with gateway:
        after = await go_on(gateway)

    assert after == before


async def test_sessions_outlive_a_crash(
    providers: SimulatedProviders, etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """What was bound before everything was killed is bound after."""
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    gateway = Gateway(configuration(providers, MODELS, etcd=etcd), tmp_path)
    with gateway:
        before = await talk_and_be_moved(gateway, providers)
        served = sorted(deployment for _, deployment in before.values())
        with contextlib.closing(connect(etcd_endpoint)) as etcd_client:
            await until(lambda: bound(etcd_client, etcd_prefix) == served)
        gateway.stop(signal.SIGKILL)

    with gateway:
        after = await go_on(gateway)

    assert after == before


def bound(etcd_client: Any, prefix: str) -> list[str]:
    """Return the deployments that sessions are bound to, as etcd has it."""
    values = (value for value, _ in etcd_client.get_prefix(f"{prefix}/1/s/"))
    return sorted(value.decode().partition("|")[0] for value in values)


async def talk_and_be_moved(
    gateway: Gateway, providers: SimulatedProviders
) -> dict[str, tuple[str, str]]:
    """Have sessions, one of them off its hash, so that only what is written tells."""
    providers.recover()
    async with Caller(gateway.base_url) as caller:
        turns = {n: await caller.ask("sonnet", session=n) for n in "abcdef"}
        providers.fail(turns["a"].provider, "503")
        turns["a"] = await caller.ask("sonnet", session="a")
        providers.recover()
        return {n: ("kept", turn.deployment) for n, turn in turns.items()}


async def go_on(gateway: Gateway) -> dict[str, tuple[str, str]]:
    async with Caller(gateway.base_url) as caller:
        await in_time(lambda: nobody_cools(caller))
        turns = {n: await caller.ask("sonnet", session=n) for n in "abcdef"}
        return {n: (turn.affinity, turn.deployment) for n, turn in turns.items()}
