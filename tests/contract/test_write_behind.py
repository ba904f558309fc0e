"""What becomes of changes when others were faster, or when too many wait.

The mirror here does not run: what it holds is old, as after a cut.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.patience import until
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import PUT, RANGE, EtcdClient
from holdfast_resolver.etcd.mirror import Mirror
from holdfast_resolver.etcd.write_behind import WriteBehind
from holdfast_resolver.etcd_stores import Binding, EtcdSessionStore

AWS, GCP, OPENAI = "aws/sonnet-eu", "gcp/sonnet-eu", "openai/gpt"
TTL = timedelta(minutes=30)
KEY = "a1" * 12


class BlindStore(EtcdSessionStore):
    """A session store that writes and does not watch, and has room for three."""

    def __init__(self, client: EtcdClient, prefix: str) -> None:
        super().__init__(client, prefix)
        self.client = client
        self.path = f"{prefix}a1/{KEY}".encode()
        self.mirror = Mirror(client, prefix, Binding.parse)
        self.writer = WriteBehind(client, self.mirror, Binding.serialize, capacity=3)

    async def others_write(self, value: str) -> None:
        await self.client.call(
            PUT, wire.PutRequest(key=self.path, value=value.encode())
        )

    async def kept(self) -> str:
        answer = await self.client.call(RANGE, wire.RangeRequest(key=self.path))
        return Binding.parse(answer.kvs[0].value).deployment_id

    async def write(self) -> None:
        """Write all that is queued."""
        writing = asyncio.create_task(self.writer.run())
        await until(lambda: self.writer.pending(f"a1/{KEY}") is None)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


@pytest.fixture
async def store(etcd_endpoint: str, etcd_prefix: str) -> AsyncIterator[BlindStore]:
    client = EtcdClient([etcd_endpoint])
    yield BlindStore(client, f"{etcd_prefix}/1/s/")
    await client.close()


async def test_loser_of_a_bind_adopts(store: BlindStore) -> None:
    """A session that a replica has bound meanwhile is read as that replica has it."""
    await store.others_write(f"{GCP}|29000000")
    store.bind(KEY, AWS, TTL)
    await store.write()

    assert store.get(KEY) == await store.kept() == GCP
    assert store.writer.counts.lost == 1


async def test_loser_of_a_move_adopts(store: BlindStore) -> None:
    """A session that a replica has moved meanwhile stays where it went."""
    store.bind(KEY, AWS, TTL)
    await store.write()
    await store.others_write(f"{GCP}|29000000")
    store.move(KEY, OPENAI, TTL)
    await store.write()

    assert store.get(KEY) == await store.kept() == GCP


async def test_move_overrides_a_renewal(store: BlindStore) -> None:
    """A session that a replica has only renewed meanwhile is moved all the same."""
    store.bind(KEY, AWS, TTL)
    await store.write()
    await store.others_write(f"{AWS}|29000000")
    store.move(KEY, GCP, TTL)
    await store.write()

    assert store.get(KEY) == await store.kept() == GCP


async def test_renewal_spares_a_move(store: BlindStore) -> None:
    """A session that a replica has moved meanwhile is not renewed back."""
    store.mirror.learn(f"a1/{KEY}", Binding(AWS, 1), 1)
    await store.others_write(f"{GCP}|29000000")
    store.touch(KEY, TTL)
    await store.write()

    assert store.get(KEY) == await store.kept() == GCP


async def test_moves_that_wait_become_one(store: BlindStore) -> None:
    """A session moved twice before anything was written is where it went last."""
    store.bind(KEY, AWS, TTL)
    await store.write()
    store.move(KEY, GCP, TTL)
    store.move(KEY, OPENAI, TTL)
    await store.write()

    assert await store.kept() == OPENAI
    assert store.writer.counts.won == 2


async def test_what_is_being_written_is_read(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """A binding is there all the time: while it waits, is written, and after."""
    async with BreakableProxy(etcd_endpoint) as proxy:
        proxy.black_hole()
        client = EtcdClient([proxy.endpoint], deadline_s=10)
        store = BlindStore(client, f"{etcd_prefix}/1/s/")
        store.bind(KEY, AWS, TTL)
        writing = asyncio.create_task(store.write())
        await until(lambda: proxy.is_in_use)
        assert store.get(KEY) == AWS

        proxy.pass_on()
        await writing
        assert store.get(KEY) == AWS
        await client.close()


async def test_binds_are_shed_before_moves(store: BlindStore) -> None:
    """With too many waiting, those go that the hash would find again."""
    keys = [f"{number:024x}" for number in range(5)]
    store.bind(keys[0], AWS, TTL)
    store.move(keys[1], GCP, TTL)
    store.bind(keys[2], AWS, TTL)
    store.bind(keys[3], AWS, TTL)
    store.move(keys[4], GCP, TTL)

    assert [store.get(key) for key in keys] == [None, GCP, None, AWS, GCP]
    assert store.writer.counts.shed == 2
