"""What the resolver may expect of the stores of health and of probes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.caller import in_time
from fakes.patience import until
from holdfast_resolver.etcd_stores import EtcdStores
from holdfast_resolver.health.record import Record
from holdfast_resolver.stores import (
    HealthStore,
    MemoryHealthStore,
    MemoryProbeStore,
    ProbeStore,
)

AWS = "aws/sonnet-eu@0badcafe#provider:aws/default"
# Moments in the far future, so that no lease runs out meanwhile.
NOW = 4_000_000_000_000
SOON = Record(NOW + 1_000, NOW, NOW, 1)
LATER = Record(NOW + 60_000, NOW + 5, NOW, 2)
BACK = Record(NOW + 1_000, NOW, NOW, 1, well_ms=NOW + 900, back_ms=NOW + 950)
LIFE = timedelta(seconds=15)


class Heard:
    """Keeps what a store told, in order."""

    def __init__(self, store: HealthStore) -> None:
        self.changes: list[tuple[str, Record | None]] = []
        store.watch(lambda key, record: self.changes.append((key, record)))


@pytest.fixture
async def replicas(
    etcd_endpoint: str, etcd_prefix: str
) -> AsyncIterator[tuple[EtcdStores, EtcdStores]]:
    """Give two replicas' stores on one etcd."""
    pair = tuple(EtcdStores([etcd_endpoint], etcd_prefix) for _ in range(2))
    for stores in pair:
        await stores.start()
        assert await stores.wait_synced(10)
    yield pair
    await asyncio.gather(*(stores.close() for stores in pair))


@pytest.fixture(params=["memory", "etcd"])
def store(
    request: pytest.FixtureRequest, replicas: tuple[EtcdStores, EtcdStores]
) -> HealthStore:
    """Give each kind of store in turn."""
    return MemoryHealthStore() if request.param == "memory" else replicas[0].health


@pytest.fixture(params=["memory", "etcd"])
def probes(
    request: pytest.FixtureRequest, replicas: tuple[EtcdStores, EtcdStores]
) -> tuple[ProbeStore, ProbeStore]:
    """Give what two replicas ask, of each kind in turn."""
    if request.param == "memory":
        shared = MemoryProbeStore()
        return shared, shared
    return replicas[0].probes, replicas[1].probes


async def test_own_changes_are_told_at_once(store: HealthStore) -> None:
    """Who publishes hears of it without waiting for anybody."""
    heard = Heard(store)
    store.publish(AWS, SOON)
    store.publish(AWS, LATER)
    store.publish(AWS, SOON)

    assert heard.changes == [(AWS, SOON), (AWS, LATER)]


async def test_the_other_replica_hears(
    replicas: tuple[EtcdStores, EtcdStores],
) -> None:
    """A rest, and its end, reach every replica once."""
    one, other = replicas[0].health, replicas[1].health
    heard = Heard(other)
    one.publish(AWS, SOON)
    await until(lambda: heard.changes)
    one.publish(AWS, BACK)
    await until(lambda: len(heard.changes) == 2)

    assert heard.changes == [(AWS, SOON), (AWS, BACK)]


async def test_what_two_replicas_say_at_once_is_joined(
    replicas: tuple[EtcdStores, EtcdStores],
) -> None:
    """Neither is lost, whoever is first."""
    one, other = replicas[0].health, replicas[1].health
    heard = Heard(one), Heard(other)
    one.publish(AWS, LATER)
    other.publish(AWS, BACK)
    both = LATER.joined(BACK)

    await until(lambda: all(each.changes[-1] == (AWS, both) for each in heard))
    assert one.mirror.entries == {AWS: both}


async def test_what_was_to_be_said_while_away_is_joined_to_what_is_known(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """A replica that was not connected yet overrules nobody."""
    late, prompt = (EtcdStores([etcd_endpoint], etcd_prefix) for _ in range(2))
    late.health.publish(AWS, SOON)
    heard = Heard(late.health)
    await prompt.start()
    prompt.health.publish(AWS, LATER)
    await prompt.close()
    await late.start()
    await late.wait_synced(10)
    await until(lambda: late.health.writer.pending(AWS) is None)

    assert heard.changes == [(AWS, SOON), (AWS, LATER)]
    assert late.health.mirror.entries == {AWS: LATER}
    await late.close()


async def test_a_return_seen_while_cut_off_spares_a_later_failure(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """Who thinks a deployment is back does not overrule who saw it fail since."""
    async with BreakableProxy(etcd_endpoint) as proxy:
        one = EtcdStores([etcd_endpoint], etcd_prefix)
        other = EtcdStores([proxy.endpoint], etcd_prefix)
        await one.start()
        await other.start()
        one.health.publish(AWS, SOON)
        await until(lambda: other.health.mirror.entries.get(AWS) == SOON)
        proxy.black_hole()
        failed_since = Record(NOW + 9_000, NOW + 2_000, NOW, 2)
        one.health.publish(AWS, failed_since)
        await until(lambda: one.health.counts.writing.won == 2)
        other.health.publish(AWS, BACK)
        proxy.pass_on()

        both = failed_since.joined(BACK)
        await until(lambda: one.health.mirror.entries == {AWS: both})
        assert not both.is_back
        await one.close()
        await other.close()


async def test_late_watcher_is_told_what_is_known(
    replicas: tuple[EtcdStores, EtcdStores],
) -> None:
    """Who begins to watch hears of the rests there are."""
    replicas[0].health.publish(AWS, SOON)

    assert Heard(replicas[0].health).changes == [(AWS, SOON)]


async def test_one_of_many_who_ask_at_once_may_probe(
    probes: tuple[ProbeStore, ProbeStore],
) -> None:
    """Whoever is first; and for the next rest somebody is first again."""
    asked = [probes[n % 2].claim(f"{AWS}@1", LIFE) for n in range(8)]

    assert sorted(await asyncio.gather(*asked)) == [False] * 7 + [True]
    assert await probes[1].claim(f"{AWS}@2", LIFE)


async def test_who_was_to_probe_and_died_is_followed_by_another(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """The claim is under a lease of its own, and nobody has to take it back."""
    brief = timedelta(seconds=1)
    killed, other = (EtcdStores([etcd_endpoint], etcd_prefix) for _ in range(2))
    for stores in (killed, other):
        await stores.start()
        assert await stores.wait_synced(10)
    assert await killed.probes.claim(f"{AWS}@1", brief)
    await killed.close()
    assert not await other.probes.claim(f"{AWS}@1", brief)

    await in_time(lambda: other.probes.claim(f"{AWS}@1", brief))
    await other.close()


async def test_without_an_etcd_nobody_knows_who_is_first() -> None:
    """The answer comes at once: no request waits for an etcd that is away."""
    stores = EtcdStores(["127.0.0.1:1"])

    assert await stores.probes.claim(f"{AWS}@1", LIFE) is None

    await stores.close()
