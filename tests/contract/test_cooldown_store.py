"""What the resolver may expect of a store of cooldowns."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.patience import until
from holdfast_resolver.etcd_stores import EtcdStores
from holdfast_resolver.stores import CooldownStore, MemoryCooldownStore

AWS = "aws/sonnet-eu#key-1"
# A moment in the far future, so that no lease runs out meanwhile.
SOON, LATER = 4_000_000_000_000, 4_000_000_060_000


class Heard:
    """Keeps what a store told, in order."""

    def __init__(self, store: CooldownStore) -> None:
        self.changes: list[tuple[str, int | None]] = []
        store.watch(lambda key, until_ms: self.changes.append((key, until_ms)))


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
) -> CooldownStore:
    """Give each kind of store in turn."""
    return MemoryCooldownStore() if request.param == "memory" else replicas[0].cooldowns


async def test_own_changes_are_told_at_once(store: CooldownStore) -> None:
    """Who publishes hears of it without waiting for anybody."""
    heard = Heard(store)
    store.publish(AWS, SOON)
    store.publish(AWS, LATER)
    store.withdraw(AWS)

    assert heard.changes == [(AWS, SOON), (AWS, LATER), (AWS, None)]


async def test_the_other_replica_hears(
    replicas: tuple[EtcdStores, EtcdStores],
) -> None:
    """A cooldown, and its end, reach every replica once."""
    one, other = replicas[0].cooldowns, replicas[1].cooldowns
    heard = Heard(other)
    one.publish(AWS, SOON)
    await until(lambda: heard.changes)
    one.withdraw(AWS)
    await until(lambda: len(heard.changes) == 2)

    assert heard.changes == [(AWS, SOON), (AWS, None)]


async def test_later_moment_stands(replicas: tuple[EtcdStores, EtcdStores]) -> None:
    """Of two replicas that publish at once the later moment holds for both."""
    one, other = replicas[0].cooldowns, replicas[1].cooldowns
    heard = Heard(one), Heard(other)
    one.publish(AWS, LATER)
    other.publish(AWS, SOON)
    await until(lambda: heard[1].changes[-1] == (AWS, LATER))
    await until(lambda: one.counts.writing.won == 1)
    other.publish(AWS, SOON)

    assert heard[0].changes == [(AWS, LATER)]
    assert heard[1].changes == [(AWS, SOON), (AWS, LATER)]


async def test_later_moment_stands_against_one_who_was_away(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """What a replica wanted to say while it was cut off is no longer said if it is old.

    Here it had not been connected yet.
    """
    late, prompt = (EtcdStores([etcd_endpoint], etcd_prefix) for _ in range(2))
    late.cooldowns.publish(AWS, SOON)
    heard = Heard(late.cooldowns)
    await prompt.start()
    prompt.cooldowns.publish(AWS, LATER)
    await prompt.close()
    await late.start()
    await late.wait_synced(10)
    await until(lambda: late.cooldowns.writer.pending(AWS) is None)

    assert heard.changes == [(AWS, SOON), (AWS, LATER)]
    assert late.cooldowns.mirror.entries == {AWS: LATER}
    await late.close()


async def test_withdrawal_spares_a_later_cooldown(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """Who thinks a deployment is back does not overrule who saw it fail since."""
    async with BreakableProxy(etcd_endpoint) as proxy:
        one = EtcdStores([etcd_endpoint], etcd_prefix)
        other = EtcdStores([proxy.endpoint], etcd_prefix)
        await one.start()
        await other.start()
        one.cooldowns.publish(AWS, SOON)
        await until(lambda: other.cooldowns.mirror.entries.get(AWS) == SOON)
        proxy.black_hole()
        one.cooldowns.publish(AWS, LATER)
        await until(lambda: one.cooldowns.counts.writing.won == 2)
        other.cooldowns.withdraw(AWS)
        proxy.pass_on()
        await until(lambda: other.cooldowns.writer.pending(AWS) is None)

        await until(lambda: other.cooldowns.mirror.entries == {AWS: LATER})
        assert one.cooldowns.mirror.entries == {AWS: LATER}
        await one.close()
        await other.close()


async def test_late_watcher_is_told_what_is_known(
    replicas: tuple[EtcdStores, EtcdStores],
) -> None:
    """Who begins to watch hears of the cooldowns there are."""
    replicas[0].cooldowns.publish(AWS, SOON)

    assert Heard(replicas[0].cooldowns).changes == [(AWS, SOON)]
