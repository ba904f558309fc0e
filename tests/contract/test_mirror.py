"""What is read of etcd in this process is what is in etcd, in the order it came."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.patience import until
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import PUT, TXN, EtcdClient
from holdfast_resolver.etcd.mirror import Mirror


class Room:
    """A mirror behind a proxy, a client before it, and what the mirror told."""

    def __init__(self, endpoint: str, prefix: str, proxy: BreakableProxy) -> None:
        self.proxy = proxy
        self.writer = EtcdClient([endpoint])
        self._reader = EtcdClient([proxy.endpoint])
        self._prefix = f"{prefix}/"
        self.mirror = Mirror(self._reader, self._prefix, bytes, idle_s=1.0)
        self.told: list[Mapping[str, bytes | None]] = []
        self.mirror.listen(self.told.append)
        self._running: asyncio.Task[None] | None = None

    def run(self) -> None:
        self._running = asyncio.create_task(self.mirror.run())

    def put(self, name: str, value: bytes) -> wire.PutRequest:
        return wire.PutRequest(key=f"{self._prefix}{name}".encode(), value=value)

    async def close(self) -> None:
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._reader.close()
        await self.writer.close()


@pytest.fixture
async def room(etcd_endpoint: str, etcd_prefix: str) -> AsyncIterator[Room]:
    async with BreakableProxy(etcd_endpoint) as proxy:
        room = Room(etcd_endpoint, etcd_prefix, proxy)
        yield room
        await room.close()


async def test_what_was_written_together_is_told_together(room: Room) -> None:
    """A transaction is never seen by halves, also where etcd sends it in pieces."""
    room.run()
    assert await room.mirror.wait_synced(10)
    room.proxy.refuse()
    await until(lambda: not room.mirror.synced)
    # Catching up, etcd cuts what it sends every 2 MiB: between the second and third.
    await room.writer.call(PUT, room.put("first", bytes(900_000)))
    both = [wire.RequestOp(put=room.put(name, bytes(700_000))) for name in "ab"]
    await room.writer.call(TXN, wire.TxnRequest(success=both))

    room.proxy.pass_on()
    await until(lambda: "b" in room.mirror.entries)
    assert any({"a", "b"} <= changes.keys() for changes in room.told)
    assert sorted(room.mirror.entries) == ["a", "b", "first"]
    assert room.mirror.counts.full_reads == 1


async def test_older_news_is_not_believed(room: Room) -> None:
    """What a transaction has found stays, until the watch has come that far."""
    room.run()
    assert await room.mirror.wait_synced(10)
    room.proxy.black_hole()
    await room.writer.call(PUT, room.put("a", b"older"))
    newer = await room.writer.call(PUT, room.put("a", b"newer"))
    room.mirror.learn("a", b"newer", newer.header.revision)
    room.proxy.pass_on()
    await room.writer.call(PUT, room.put("b", b"last"))
    await until(lambda: "b" in room.mirror.entries)

    assert room.mirror.entries == {"a": b"newer", "b": b"last"}
    assert all(changes.get("a") != b"older" for changes in room.told)


async def test_read_anew_beside_what_was_learnt(room: Room) -> None:
    """What a transaction has found since is not lost in reading everything."""
    found = await room.writer.call(PUT, room.put("a", b"older"))
    newer = await room.writer.call(PUT, room.put("a", b"newer"))
    room.mirror.learn("a", b"newer", newer.header.revision)
    room.mirror.learn("b", b"gone since", found.header.revision)
    room.run()
    assert await room.mirror.wait_synced(10)

    assert room.mirror.entries == {"a": b"newer"}


async def test_what_was_learnt_of_another_etcd_is_forgotten(room: Room) -> None:
    """In an etcd that is younger than what was learnt, only what it holds counts."""
    room.mirror.learn("a", b"of the other", revision=1 << 40)
    room.mirror.learn("b", b"of the other", revision=1 << 40)
    await room.writer.call(PUT, room.put("a", b"of this"))
    room.run()
    assert await room.mirror.wait_synced(10)
    await room.writer.call(PUT, room.put("b", b"of this"))

    await until(lambda: room.mirror.entries == {"a": b"of this", "b": b"of this"})


async def test_change_is_told_once(room: Room) -> None:
    """Reading anew what is known tells nothing."""
    await room.writer.call(PUT, room.put("a", b"1"))
    room.run()
    assert await room.mirror.wait_synced(10)
    await room.writer.call(PUT, room.put("a", b"2"))

    await until(lambda: room.mirror.entries == {"a": b"2"})
    assert room.told == [{"a": b"1"}, {"a": b"2"}]


def _batched(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[at : at + 100] for at in range(0, len(names), 100))


class Parts:
    """A mirror of more than is read at once, whose entries stand alone."""

    def __init__(self, client: EtcdClient, prefix: str) -> None:
        self.client = client
        self._prefix = f"{prefix}/"
        self.mirror = Mirror(client, self._prefix, bytes, splits=("a/", "b/"))
        self.told: list[Mapping[str, bytes | None]] = []
        self.mirror.listen(self.told.append)

    async def put(self, *names: str, value: bytes = b"1") -> int:
        revision = 0
        for batch in _batched(names):
            puts = [
                wire.PutRequest(key=f"{self._prefix}{name}".encode(), value=value)
                for name in batch
            ]
            answer = await self.client.call(
                TXN, wire.TxnRequest(success=[wire.RequestOp(put=put) for put in puts])
            )
            revision = answer.header.revision
        return revision


@pytest.fixture
async def parts(etcd_endpoint: str, etcd_prefix: str) -> AsyncIterator[Parts]:
    client = EtcdClient([etcd_endpoint])
    parts = Parts(client, etcd_prefix)
    await parts.put(*(f"a/{number:04}" for number in range(5_100)))
    yield parts
    await client.close()


async def test_very_many_are_told_in_parts(parts: Parts) -> None:
    """Where entries stand alone, nobody waits until all of them are read."""
    await parts.put("b/x")
    reading: list[bool] = []
    parts.mirror.listen(lambda _: reading.append(parts.mirror.is_reading))
    running = asyncio.create_task(parts.mirror.run())

    assert await parts.mirror.wait_synced(10)
    assert [len(changes) for changes in parts.told] == [5_000, 100, 1]
    assert reading == [True, True, True]
    assert not parts.mirror.is_reading
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_parts_leave_alone_what_is_newer(parts: Parts) -> None:
    """What is learnt while parts are read stays, and what is gone goes."""
    revision = await parts.put("a/0000", "b/x", value=b"older")
    parts.mirror.learn("b/gone", b"1", revision)

    def learn(changes: Mapping[str, bytes | None]) -> None:
        if len(changes) == 5_000:
            # As transactions would that ended just now.
            for name in ("a/0000", "b/x", "b/new"):
                parts.mirror.learn(name, b"newer", revision + 1_000)

    parts.mirror.listen(learn)
    running = asyncio.create_task(parts.mirror.run())

    assert await parts.mirror.wait_synced(10)
    entries = parts.mirror.entries
    assert entries["a/0000"] == entries["b/x"] == entries["b/new"] == b"newer"
    assert "b/gone" not in entries
    assert len(entries) == 5_100 + 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
