"""What is spent of budgets and rates by several replicas on one etcd."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fakes.breakable_proxy import BreakableProxy
from fakes.clock import Clock
from fakes.metered import (
    USD,
    Replica,
    Spent,
    budget,
    call,
    cents,
    connected,
    member,
)
from fakes.metered_process import Asked, RemoteReplica
from fakes.patience import until
from holdfast.errors import (
    BudgetExhaustedError,
    BudgetUnknownError,
    RateLimitedError,
)
from holdfast.model import Requirements
from holdfast_cli.etcd_process import EtcdProcess

ORGANIZATION = budget(1, "acme")


@pytest.fixture
async def replicas(
    etcd_endpoint: str, etcd_prefix: str
) -> AsyncIterator[list[Replica]]:
    """Give four replicas on one etcd."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(connected(etcd_endpoint, etcd_prefix))
            for _ in range(4)
        ]


async def until_all_know(replicas: list[Replica], nanos: int) -> None:
    await until(lambda: all(r.spent(ORGANIZATION) == nanos for r in replicas))


@pytest.mark.parametrize("seed", range(3))
async def test_two_hundred_calls_at_once_pass_a_limit_by_one_of_them_at_most(
    replicas: list[Replica], seed: int
) -> None:
    """A dollar, four replicas, calls of up to five cents, settled anywhere."""
    spent, chance = Spent(), random.Random(seed)
    who = member(ORGANIZATION)
    await asyncio.gather(
        *(call(replicas, who, cents(5), spent, chance) for _ in range(200))
    )
    await until_all_know(replicas, spent.nanos)

    assert spent.nanos < USD + spent.dearest
    assert spent.calls >= 20
    assert spent.reasons <= {"BUDGET_EXHAUSTED"}


async def test_calls_are_let_in_until_all_is_spent(replicas: list[Replica]) -> None:
    """One after the other, at any replica: only the call that crosses the limit may."""
    spent, chance = Spent(), random.Random(7)
    while not spent.refused:
        await call(replicas, member(ORGANIZATION), cents(7), spent, chance)
    await until_all_know(replicas, spent.nanos)

    assert USD <= spent.nanos < USD + spent.dearest
    (refused,) = spent.refused
    assert isinstance(refused, BudgetExhaustedError)
    assert refused.metadata["budget_id"] == "acme"
    assert refused.metadata["limit_usd"] == "1"


async def test_calls_settled_elsewhere_hold_nothing_where_they_were_let_in(
    replicas: list[Replica],
) -> None:
    """A reservation ends with its call, whoever hears of that."""
    one, other = replicas[:2]
    who = member(ORGANIZATION)
    reserved = [await one.reserve(who, cents(20)) for _ in range(5)]
    for reservation in reserved:
        other.settle(reservation, USD // 100)
    await until_all_know(replicas, 5 * USD // 100)

    assert all(replica.reserved(ORGANIZATION) == 0 for replica in replicas)
    more = [await one.reserve(who, cents(20)) for _ in range(5)]
    assert None not in more


async def test_what_others_hold_ahead_comes_back_where_it_is_needed(
    replicas: list[Replica],
) -> None:
    """Three replicas have used the budget a little; the fourth may use the rest."""
    who = member(ORGANIZATION)
    for replica in replicas[1:]:
        replica.settle(await replica.reserve(who, cents(1)), 0)
    last = replicas[0]
    reserved = [await last.reserve(who, cents(1)) for _ in range(100)]

    assert len(reserved) == 100
    with pytest.raises(BudgetExhaustedError):
        await last.reserve(who, cents(1))


async def test_budgets_of_all_scopes_hold(replicas: list[Replica]) -> None:
    """What a key spends counts for its project and organization, and no other's."""
    of_key = budget(0.02, "acme", "web", "web-1")
    of_project = budget(0.05, "acme", "web")
    who = member(ORGANIZATION, of_project, of_key)
    for replica in replicas[:2]:
        replica.settle(await replica.reserve(who, cents(1)), USD // 100)
    await until_all_know(replicas, 2 * USD // 100)
    with pytest.raises(BudgetExhaustedError) as refused:
        await replicas[2].reserve(who, cents(1))
    other_key = member(ORGANIZATION, of_project)
    await replicas[3].reserve(other_key, cents(4))
    with pytest.raises(BudgetExhaustedError) as refused_of_project:
        await replicas[2].reserve(other_key, cents(1))

    assert refused.value.metadata["budget_id"] == "acme/web/web-1"
    assert refused_of_project.value.metadata["budget_id"] == "acme/web"
    assert replicas[2].spent(of_project) == 2 * USD // 100


async def test_edited_budget_holds_at_once(replicas: list[Replica]) -> None:
    """Raised it lets in, lowered it does not, whatever a replica holds of it."""
    replica = replicas[0]
    reservation = await replica.reserve(member(ORGANIZATION), cents(50))
    replica.settle(reservation, USD // 2)
    with pytest.raises(BudgetExhaustedError):
        await replica.reserve(member(budget(0.5, "acme")), cents(1))
    for other in replicas:
        await other.reserve(member(budget(10, "acme")), cents(50))
    with pytest.raises(BudgetExhaustedError):
        await replicas[3].reserve(member(budget(0.1, "acme")), cents(1))


async def test_killed_replicas_cost_no_more_than_a_reservation(
    etcd_endpoint: str, etcd_prefix: str, replicas: list[Replica]
) -> None:
    """Two of six die in the midst; their calls end elsewhere, and others begin."""
    who = member(ORGANIZATION)
    async with AsyncExitStack() as stack:
        doomed = [
            await stack.enter_async_context(
                RemoteReplica.running(etcd_endpoint, etcd_prefix)
            )
            for _ in range(2)
        ]
        under_way = [await each.reserve(5) for each in doomed for _ in range(4)]
        under_way += [await each.reserve(who, cents(5)) for each in replicas]
        for each in doomed:
            await each.kill()
        cost = 0
        for number, reservation in enumerate(under_way):
            cost += 4 * USD // 100
            replicas[number % 4].settle(reservation, 4 * USD // 100)
        spent, chance = Spent(cost), random.Random(3)
        await asyncio.gather(
            *(call(replicas, who, cents(5), spent, chance) for _ in range(200))
        )
        await until_all_know(replicas, spent.nanos)

    assert None not in under_way
    assert spent.nanos < USD + 5 * USD // 100


async def test_what_a_killed_replica_held_comes_back(
    etcd_endpoint: str, etcd_prefix: str, replicas: list[Replica]
) -> None:
    """Its share is free once it is taken for gone; its calls' as they end elsewhere."""
    who = member(ORGANIZATION)
    async with RemoteReplica.running(etcd_endpoint, etcd_prefix) as doomed:
        under_way = await doomed.reserve(40)
        await doomed.kill()
    assert under_way is not None
    held = [await replicas[0].reserve(who, cents(10)) for _ in range(3)]
    await until(lambda: len(replicas[0].store.replicas) == 1, within_s=30)
    while len(held) < 6:
        held.append(await replicas[0].reserve(who, cents(10)))
    with pytest.raises(BudgetExhaustedError):
        await replicas[0].reserve(who, cents(10))
    replicas[1].settle(under_way, 5 * USD // 100)
    held += [await replicas[0].reserve(who, cents(10)) for _ in range(4)]

    assert len(held) == 10


async def test_stopped_replica_spends_nothing_that_was_given_to_others(
    etcd_endpoint: str, etcd_prefix: str, replicas: list[Replica]
) -> None:
    """It was taken for gone while it stood still, and knows it when it goes on."""
    who = member(ORGANIZATION)
    async with RemoteReplica.running(etcd_endpoint, etcd_prefix) as stopped:
        assert await stopped.reserve(1) is not None
        stopped.stop()
        await stopped.begin(Asked(usd=1.0, cents=1))
        await until(lambda: len(replicas[0].store.replicas) == 0, within_s=30)
        for _ in range(99):
            await replicas[0].reserve(who, cents(1))
        with pytest.raises(BudgetExhaustedError):
            await replicas[0].reserve(who, cents(1))
        stopped.go_on()
        told = await stopped.answer()

    assert told.refused == "BUDGET_EXHAUSTED"


@pytest.fixture
async def proxy(etcd_endpoint: str) -> AsyncIterator[BreakableProxy]:
    """Give a way to etcd that can be cut."""
    async with BreakableProxy(etcd_endpoint) as proxy:
        yield proxy


CUTS = (BreakableProxy.refuse, BreakableProxy.black_hole)


@pytest.mark.parametrize("cut", CUTS)
async def test_calls_go_on_without_etcd_and_are_counted_when_it_is_back(
    proxy: BreakableProxy, etcd_prefix: str, cut: Callable[[BreakableProxy], None]
) -> None:
    """By `allow`: as far as this replica knows, and no further."""
    who = member(ORGANIZATION)
    async with connected(proxy.endpoint, etcd_prefix) as replica:
        replica.settle(await replica.reserve(who, cents(1)), USD // 2)
        await until_all_know([replica], USD // 2)
        cut(proxy)
        for _ in range(5):
            replica.settle(await replica.reserve(who, cents(11)), USD // 10)
        with pytest.raises(BudgetExhaustedError):
            await replica.reserve(who, cents(1))
        (without,) = replica.admission.status([ORGANIZATION])
        proxy.pass_on()
        await until(lambda: not replica.admission.exchange.is_away)
        async with connected(proxy.endpoint, etcd_prefix) as other:
            await until_all_know([replica, other], USD)

    assert without.spent_usd_nanos == USD
    assert not without.is_current


@pytest.mark.parametrize("cut", CUTS)
async def test_calls_are_refused_without_etcd_where_the_budget_says_so(
    proxy: BreakableProxy, etcd_prefix: str, cut: Callable[[BreakableProxy], None]
) -> None:
    """By `deny`: what is leased is spent, and nothing after the lease has run out."""
    who = member(budget(1, "acme", denies_when_unreachable=True))
    async with connected(proxy.endpoint, etcd_prefix) as replica:
        replica.settle(await replica.reserve(who, cents(1)), 0)
        await until(lambda: replica.free(ORGANIZATION) > 0)
        cut(proxy)
        leased = await replica.reserve(who, cents(1))
        with pytest.raises(BudgetUnknownError):
            await replica.reserve(who, cents(90))
        await until(lambda: not replica.store.is_present)
        with pytest.raises(BudgetUnknownError):
            await replica.reserve(who, cents(1))
        proxy.pass_on()
        await until(lambda: not replica.admission.exchange.is_away)
        again = await replica.reserve(who, cents(1))

    assert leased is not None
    assert again is not None


async def test_killed_etcd_forgets_nothing(tmp_path: Path) -> None:
    """Its calls go on while it is away, and what they cost is told when it is back."""
    etcd = EtcdProcess(tmp_path)
    await etcd.start()
    assert await etcd.wait_ready(10)
    spent, chance = Spent(), random.Random(5)
    who = member(budget(100, "acme"))
    try:
        async with AsyncExitStack() as stack:
            replicas = [
                await stack.enter_async_context(connected(etcd.endpoint, "/test"))
                for _ in range(2)
            ]
            for _ in range(3):
                await asyncio.gather(
                    *(call(replicas, who, cents(5), spent, chance) for _ in range(50))
                )
                assert etcd.pid is not None
                os.kill(etcd.pid, signal.SIGKILL)
                await asyncio.gather(
                    *(call(replicas, who, cents(5), spent, chance) for _ in range(50))
                )
                await until(lambda: etcd.pid is not None)
                assert await etcd.wait_ready(10)
            await until_all_know(replicas, spent.nanos)
    finally:
        await etcd.stop()

    assert spent.calls == 300


@pytest.mark.parametrize("rate", ["requests_per_minute", "tokens_per_minute"])
async def test_rate_holds_across_replicas_and_until_the_minute_is_over(
    etcd_endpoint: str, etcd_prefix: str, rate: str
) -> None:
    """A hundred a minute, at whichever replicas, and a hundred more in the next."""
    clock = Clock(at_ms=1_700_000_017_000)
    who = member(**{rate: 100})
    async with AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(
                connected(etcd_endpoint, etcd_prefix, clock.now)
            )
            for _ in range(4)
        ]

        async def ask(number: int) -> RateLimitedError | None:
            try:
                await replicas[number % 4].reserve(who, Requirements(output_tokens=1))
            except RateLimitedError as error:
                return error
            return None

        refused = [e for e in await asyncio.gather(*map(ask, range(150))) if e]
        clock.advance(23)
        later = [e for e in await asyncio.gather(*map(ask, range(100))) if e]

    assert len(refused) == 50
    assert {e.metadata["retry_after_seconds"] for e in refused} == {"23.000"}
    assert rate.partition("_")[0] in refused[0].metadata["limit"]
    assert later == []


async def test_tokens_settled_elsewhere_come_back_where_they_were_set_aside(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """By a replica that had not heard of the key in this minute."""
    clock = Clock()
    who = member(tokens_per_minute=1_000)
    async with (
        connected(etcd_endpoint, etcd_prefix, clock.now) as one,
        connected(etcd_endpoint, etcd_prefix, clock.now) as other,
    ):
        first = await one.reserve(who, Requirements(output_tokens=990))
        other.settle(first, 0, tokens=100)
        second = await one.reserve(who, Requirements(output_tokens=890))
        third = await one.reserve(who, Requirements(output_tokens=10))
        with pytest.raises(RateLimitedError):
            await one.reserve(who, Requirements(output_tokens=1))

    assert None not in (second, third)


async def test_rates_go_on_without_etcd(
    proxy: BreakableProxy, etcd_prefix: str
) -> None:
    """Each replica counts for itself."""
    clock = Clock()
    who = member(requests_per_minute=5)
    async with connected(proxy.endpoint, etcd_prefix, clock.now) as replica:
        await replica.reserve(who, cents(1))
        proxy.refuse()
        for _ in range(4):
            await replica.reserve(who, cents(1))
        with pytest.raises(RateLimitedError):
            await replica.reserve(who, cents(1))


async def test_each_month_begins_anew(etcd_endpoint: str, etcd_prefix: str) -> None:
    """What is started in a month counts in it, whenever it ends."""
    clock = Clock(at_ms=1_798_761_590_000)  # ten seconds before 2027
    who = member(ORGANIZATION)
    async with connected(etcd_endpoint, etcd_prefix, clock.now) as replica:
        late = await replica.reserve(who, cents(90))
        replica.settle(await replica.reserve(who, cents(10)), USD // 10)
        with pytest.raises(BudgetExhaustedError) as refused:
            await replica.reserve(who, cents(1))
        started = clock.now()
        clock.advance(11)
        before = replica.spent(ORGANIZATION)
        replica.settle(late, USD, started_s=started)
        replica.settle(await replica.reserve(who, cents(10)), USD // 5)
        await until(lambda: tallied(replica, "2026-12") == 11 * USD // 10)
        await until(lambda: tallied(replica, "2027-01") == USD // 5)

    assert refused.value.metadata["reset_time"] == "2027-01-01T00:00:00Z"
    assert before == 0


def tallied(replica: Replica, month: str) -> int:
    tally = replica.store.get(f"{month}/usd/acme")
    return 0 if tally is None else tally.spent


async def test_warning_is_given_once_a_month(replicas: list[Replica]) -> None:
    """By whoever reaches it; from then on every reservation says so."""
    who = member(budget(1, "acme", warn_at=0.5))
    first = await replicas[0].reserve(who, cents(1))
    with capture_logs() as logged:
        replicas[0].settle(first, USD // 2)
        replicas[1].settle(await replicas[1].reserve(who, cents(1)), USD // 100)
        await until_all_know(replicas, 51 * USD // 100)
        later = [await replica.reserve(who, cents(1)) for replica in replicas]
        for reservation in later:
            replicas[2].settle(reservation, 0)

    assert first is not None
    assert not first.warning
    assert {each.warning for each in later if each} == {"acme"}
    assert [e["event"] for e in logged].count("budget_nearly_used_up") == 1


async def test_what_is_settled_last_is_told_before_the_end(
    etcd_endpoint: str, etcd_prefix: str, replicas: list[Replica]
) -> None:
    """A replica that stops keeps nothing to itself, and holds nothing back."""
    who = member(ORGANIZATION)
    async with connected(etcd_endpoint, etcd_prefix) as leaving:
        under_way = await leaving.reserve(who, cents(30))
        leaving.settle(await leaving.reserve(who, cents(1)), USD // 2)
    await until_all_know(replicas, USD // 2)

    assert replicas[0].reserved(ORGANIZATION) == 3 * USD // 10
    await replicas[0].reserve(who, cents(20))
    with pytest.raises(BudgetExhaustedError):
        await replicas[0].reserve(who, cents(1))
    replicas[1].settle(under_way, 0)
    await replicas[2].reserve(who, cents(1))
