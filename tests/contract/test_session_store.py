"""What the resolver may expect of a session store, shared or not."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.patience import until
from holdfast_cli.etcd_process import EtcdProcess
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import (
    COMPACT,
    DELETE_RANGE,
    LEASE_REVOKE,
    PUT,
    RANGE,
    EtcdClient,
    prefix_end,
)
from holdfast_resolver.etcd_stores import EtcdSessionStore, EtcdStores
from holdfast_resolver.stores import MemorySessionStore, SessionStore

AWS, GCP, OPENAI = "aws/sonnet-eu", "gcp/sonnet-eu", "openai/gpt"
TTL = timedelta(minutes=30)


def session(number: int) -> str:
    return f"{number:024x}"


KEY = session(0xA1 << 88)


@contextlib.asynccontextmanager
async def stores_on(
    endpoints: str | Sequence[str], prefix: str, **more: object
) -> AsyncIterator[EtcdStores]:
    """Run stores that are synced at the start, and close them at the end."""
    stores = EtcdStores(
        [endpoints] if isinstance(endpoints, str) else endpoints, prefix, **more
    )
    await stores.start()
    assert await stores.wait_synced(10)
    try:
        yield stores
    finally:
        await stores.close()


@contextlib.asynccontextmanager
async def private_etcd(folder: Path) -> AsyncIterator[EtcdProcess]:
    etcd = EtcdProcess(folder)
    await etcd.start()
    try:
        assert await etcd.wait_ready(10), etcd.log_path.read_text()
        yield etcd
    finally:
        await etcd.stop()


@contextlib.asynccontextmanager
async def raw(endpoint: str) -> AsyncIterator[EtcdClient]:
    """Talk to etcd behind the stores' back."""
    client = EtcdClient([endpoint], deadline_s=10)
    try:
        yield client
    finally:
        await client.close()


async def entries(client: EtcdClient, prefix: str) -> dict[str, wire.KeyValue]:
    start = prefix.encode()
    answer = await client.call(
        RANGE, wire.RangeRequest(key=start, range_end=prefix_end(start))
    )
    return {kv.key.decode().rpartition("/")[2]: kv for kv in answer.kvs}


@pytest.fixture(params=["memory", "etcd"])
async def store(
    request: pytest.FixtureRequest, etcd_endpoint: str, etcd_prefix: str
) -> AsyncIterator[SessionStore]:
    """Give each kind of store in turn."""
    if request.param == "memory":
        yield MemorySessionStore()
        return
    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        yield stores.sessions


async def test_unknown_session_is_unbound(store: SessionStore) -> None:
    """A session that nobody bound has no deployment."""
    assert store.get(KEY) is None
    assert store.synced


async def test_binding_is_read_at_once(store: SessionStore) -> None:
    """A binding is there the moment it is made."""
    store.bind(KEY, AWS, TTL)

    assert store.get(KEY) == AWS


async def test_bound_session_stays(store: SessionStore) -> None:
    """Binding a bound session changes nothing."""
    store.bind(KEY, AWS, TTL)
    store.bind(KEY, GCP, TTL)

    assert store.get(KEY) == AWS


async def test_moved_session_is_read_at_once(store: SessionStore) -> None:
    """A move shows at once, and again after the next."""
    store.bind(KEY, AWS, TTL)
    store.move(KEY, GCP, TTL)
    assert store.get(KEY) == GCP

    store.move(KEY, OPENAI, TTL)
    assert store.get(KEY) == OPENAI


async def test_moving_an_unbound_session_binds_it(store: SessionStore) -> None:
    """A session whose binding ran out meanwhile is bound where it was served."""
    store.move(KEY, GCP, TTL)

    assert store.get(KEY) == GCP


async def test_touching_keeps_the_binding(store: SessionStore) -> None:
    """Touching changes no binding and makes none."""
    store.touch(session(1), TTL)
    store.bind(KEY, AWS, TTL)
    store.touch(KEY, TTL)

    assert store.get(KEY) == AWS
    assert store.get(session(1)) is None


async def test_replicas_that_disagree_end_up_agreeing(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """Of two replicas that bind the same sessions differently, one is followed."""
    keys = [session(number << 86) for number in range(300)]
    async with (
        stores_on(etcd_endpoint, etcd_prefix) as one,
        stores_on(etcd_endpoint, etcd_prefix) as other,
    ):
        for key in keys:
            one.sessions.bind(key, AWS, TTL)
            other.sessions.bind(key, GCP, TTL)
        counts = (one.sessions.counts.writing, other.sessions.counts.writing)
        await until(lambda: sum(c.won + c.lost for c in counts) == 600)

        views = [[s.sessions.get(key) for key in keys] for s in (one, other)]
        async with raw(etcd_endpoint) as client:
            kept = await entries(client, etcd_prefix)
    assert views[0] == views[1]
    assert [kept[key].value.decode().partition("|")[0] for key in keys] == views[0]


async def test_move_is_seen_by_the_other_replica(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """A session that another deployment served is followed everywhere."""
    async with (
        stores_on(etcd_endpoint, etcd_prefix) as one,
        stores_on(etcd_endpoint, etcd_prefix) as other,
    ):
        one.sessions.bind(KEY, AWS, TTL)
        await until(lambda: other.sessions.get(KEY) == AWS)
        one.sessions.move(KEY, GCP, TTL)

        await until(lambda: other.sessions.get(KEY) == GCP)
        assert one.sessions.get(KEY) == GCP


async def test_replicas_that_move_at_once_end_up_agreeing(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """Of two moves away from the same deployment the first one stands."""
    async with (
        stores_on(etcd_endpoint, etcd_prefix) as one,
        stores_on(etcd_endpoint, etcd_prefix) as other,
    ):
        one.sessions.bind(KEY, AWS, TTL)
        await until(lambda: other.sessions.get(KEY) == AWS)
        one.sessions.move(KEY, GCP, TTL)
        other.sessions.move(KEY, OPENAI, TTL)
        counts = (one.sessions.counts.writing, other.sessions.counts.writing)
        await until(lambda: sum(c.won + c.lost for c in counts) == 3)

        await until(lambda: one.sessions.get(KEY) == other.sessions.get(KEY))
        assert one.sessions.get(KEY) in (GCP, OPENAI)
        assert sum(c.lost for c in counts) == 1


async def test_move_overtakes_a_touch(etcd_endpoint: str, etcd_prefix: str) -> None:
    """A move is about the deployment: that the binding was renewed is no matter."""
    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        stores.sessions.bind(KEY, AWS, TTL)
        await until(lambda: stores.sessions.counts.writing.won == 1)
        # Queued one after the other without a pause: neither has seen the other.
        async with raw(etcd_endpoint) as client:
            await client.call(
                PUT,
                wire.PutRequest(
                    key=f"{etcd_prefix}/1/s/a1/{KEY}".encode(),
                    value=f"{AWS}|29000000".encode(),
                ),
            )
            stores.sessions.move(KEY, GCP, TTL)
            await until(lambda: stores.sessions.counts.writing.won == 2)
            kept = await entries(client, etcd_prefix)

    assert kept[KEY].value.startswith(GCP.encode())


async def test_bindings_outlive_a_restart(etcd_endpoint: str, etcd_prefix: str) -> None:
    """What was bound before the resolver restarted is bound after."""
    keys = [session(number << 86) for number in range(100)]
    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        for key in keys:
            stores.sessions.bind(key, AWS, TTL)

    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        assert {stores.sessions.get(key) for key in keys} == {AWS}


async def test_binding_runs_out(etcd_endpoint: str, etcd_prefix: str) -> None:
    """A binding that is not used is gone after its life."""
    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        stores.sessions.bind(KEY, AWS, timedelta(seconds=1))
        await until(lambda: stores.sessions.counts.writing.won == 1)
        assert stores.sessions.get(KEY) == AWS

        await until(lambda: stores.sessions.get(KEY) is None)


async def test_used_binding_is_renewed_past_half_its_life(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """Use renews a binding under a later lease, and no more often than it must."""
    now = [1_800_000_000.0]
    async with (
        stores_on(etcd_endpoint, etcd_prefix, clock=lambda: now[0]) as stores,
        raw(etcd_endpoint) as client,
    ):
        writing = stores.sessions.counts.writing
        stores.sessions.bind(KEY, AWS, TTL)
        await until(lambda: writing.won == 1)
        first = (await entries(client, etcd_prefix))[KEY]
        now[0] += 14 * 60
        stores.sessions.touch(KEY, TTL)
        assert stores.sessions.writer.pending(f"a1/{KEY}") is None

        now[0] += 2 * 60
        stores.sessions.touch(KEY, TTL)
        await until(lambda: writing.won == 2)
        later = (await entries(client, etcd_prefix))[KEY]
    assert (first.value, later.value) == (
        f"{AWS}|30000000".encode(),
        f"{AWS}|30000016".encode(),
    )


async def test_killed_etcd_is_not_noticed(tmp_path: Path) -> None:
    """Sessions keep their deployments while etcd is dead, and are shared after."""
    async with (
        private_etcd(tmp_path) as etcd,
        stores_on(etcd.endpoint, "/h") as one,
        stores_on(etcd.endpoint, "/h") as other,
    ):
        before = [session(number << 86) for number in range(100)]
        during = [session(number << 86) for number in range(100, 200)]
        for key in before:
            one.sessions.bind(key, AWS, TTL)
        await until(lambda: all(other.sessions.get(key) for key in before))
        os.kill(etcd.pid, signal.SIGKILL)
        await until(lambda: not one.synced and not other.synced)
        for key in during:
            one.sessions.bind(key, GCP, TTL)
        one.sessions.move(before[0], OPENAI, TTL)
        assert [one.sessions.get(key) for key in before[1:]] == [AWS] * 99
        assert [one.sessions.get(key) for key in during] == [GCP] * 100

        await until(lambda: one.synced and other.synced)
        await until(lambda: all(other.sessions.get(key) for key in during))
        await until(lambda: other.sessions.get(before[0]) == OPENAI)
        # Resumed, not read anew: the watch had missed nothing.
        assert other.sessions.counts.reading.full_reads == 1


async def test_hung_etcd_is_noticed_and_waited_for_by_nobody(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """With etcd silent, bindings are read and made; `synced` says how it stands."""
    async with (
        BreakableProxy(etcd_endpoint) as proxy,
        stores_on(proxy.endpoint, etcd_prefix, idle_s=0.3) as stores,
        stores_on(etcd_endpoint, etcd_prefix) as other,
    ):
        stores.sessions.bind(session(1), AWS, TTL)
        await until(lambda: other.sessions.get(session(1)) == AWS)
        proxy.black_hole()
        await until(lambda: not stores.synced)
        stores.sessions.bind(session(2), GCP, TTL)
        assert stores.sessions.get(session(1)) == AWS
        assert stores.sessions.get(session(2)) == GCP

        proxy.pass_on()
        await until(lambda: stores.synced)
        await until(lambda: other.sessions.get(session(2)) == GCP)


async def test_resolver_starts_before_etcd(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """Without an etcd there are bindings all the same; it takes them when it comes."""
    async with BreakableProxy(etcd_endpoint) as proxy:
        proxy.refuse()
        stores = EtcdStores([proxy.endpoint], etcd_prefix)
        await stores.start()
        assert not await stores.wait_synced(0.05)
        stores.sessions.bind(KEY, AWS, TTL)
        assert stores.sessions.get(KEY) == AWS

        proxy.pass_on()
        assert await stores.wait_synced(10)
        await stores.close()
    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        assert stores.sessions.get(KEY) == AWS


async def test_closing_without_etcd_ends(etcd_prefix: str) -> None:
    """Stores that never met an etcd give up what they queued, and close."""
    stores = EtcdStores(["127.0.0.1:1"], etcd_prefix)
    await stores.start()
    stores.sessions.bind(KEY, AWS, TTL)

    await stores.close(flush_timeout_s=0.1)


async def test_history_compacted_during_a_cut(tmp_path: Path) -> None:
    """After a cut that etcd's history does not span, everything is read anew."""
    async with (
        private_etcd(tmp_path) as etcd,
        BreakableProxy(etcd.endpoint) as proxy,
        stores_on(proxy.endpoint, "/h") as stores,
        raw(etcd.endpoint) as client,
    ):
        gone, moved, new = session(1), session(2), session(3)
        for key in (gone, moved):
            stores.sessions.bind(key, AWS, TTL)
        await until(lambda: stores.sessions.counts.writing.won == 2)
        proxy.refuse()
        await until(lambda: not stores.synced)
        await client.call(
            DELETE_RANGE, wire.DeleteRangeRequest(key=f"/h/1/s/00/{gone}".encode())
        )
        for key in (moved, new):
            answer = await client.call(
                PUT,
                wire.PutRequest(
                    key=f"/h/1/s/00/{key}".encode(), value=f"{GCP}|29000000".encode()
                ),
            )
        revision = answer.header.revision
        await client.call(
            COMPACT, wire.CompactionRequest(revision=revision, physical=True)
        )

        proxy.pass_on()
        await until(lambda: stores.synced)
        assert [stores.sessions.get(key) for key in (gone, moved, new)] == [
            None,
            GCP,
            GCP,
        ]
        assert stores.sessions.counts.reading.full_reads == 2


async def test_one_dead_endpoint_of_three(etcd_endpoint: str, etcd_prefix: str) -> None:
    """A member that hangs is passed over: reading and writing go on."""
    async with contextlib.AsyncExitStack() as stack:
        proxies = [
            await stack.enter_async_context(BreakableProxy(etcd_endpoint))
            for _ in range(3)
        ]
        endpoints = [proxy.endpoint for proxy in proxies]
        stores = await stack.enter_async_context(
            stores_on(endpoints, etcd_prefix, idle_s=0.3)
        )
        other = await stack.enter_async_context(stores_on(etcd_endpoint, etcd_prefix))
        for number, proxy in enumerate(proxies):
            proxy.black_hole()
            ours, theirs = session(2 * number), session(2 * number + 1)
            stores.sessions.bind(ours, AWS, TTL)
            other.sessions.bind(theirs, GCP, TTL)

            await until(lambda key=ours: other.sessions.get(key) == AWS)
            await until(lambda key=theirs: stores.sessions.get(key) == GCP)
            await until(lambda: stores.synced)
            proxy.pass_on()


async def test_lease_revoked_by_hand(etcd_endpoint: str, etcd_prefix: str) -> None:
    """Bindings go with their lease; the next one gets another lease."""
    async with (
        stores_on(etcd_endpoint, etcd_prefix) as stores,
        raw(etcd_endpoint) as client,
    ):
        stores.sessions.bind(KEY, AWS, TTL)
        await until(lambda: stores.sessions.counts.writing.won == 1)
        lease = (await entries(client, etcd_prefix))[KEY].lease
        await client.call(LEASE_REVOKE, wire.LeaseRevokeRequest(id=lease))
        await until(lambda: stores.sessions.get(KEY) is None)
        stores.sessions.bind(KEY, GCP, TTL)

        await until(lambda: stores.sessions.counts.writing.won == 2)
        kept = (await entries(client, etcd_prefix))[KEY]
    assert kept.value.startswith(GCP.encode())
    assert kept.lease not in (0, lease)


async def test_unreadable_entries_are_ignored(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """What is no binding is left alone, and counted; the session is unbound."""
    async with raw(etcd_endpoint) as client:
        for key, value in (
            (f"{etcd_prefix}/1/s/a1/{KEY}", b"no binding"),
            (f"{etcd_prefix}/1/s/a1/other", b"\xff|1"),
            (f"{etcd_prefix}/1/h/aws", b"soon"),
        ):
            await client.call(PUT, wire.PutRequest(key=key.encode(), value=value))
        async with stores_on(etcd_endpoint, etcd_prefix) as stores:
            assert stores.sessions.get(KEY) is None
            assert stores.sessions.counts.reading.unreadable == 2
            assert stores.health.counts.reading.unreadable == 1
            stores.sessions.bind(KEY, AWS, TTL)
            await until(lambda: stores.sessions.counts.writing.lost == 1)

        kept = await entries(client, etcd_prefix)
    assert kept[KEY].value == b"no binding"


async def test_etcd_that_lost_its_data(tmp_path: Path) -> None:
    """A store that begins anew is read anew: bindings of the old one are gone."""
    async with (
        private_etcd(tmp_path / "old") as old,
        private_etcd(tmp_path / "new") as new,
        BreakableProxy(old.endpoint) as proxy,
        stores_on(proxy.endpoint, "/h") as stores,
    ):
        for number in range(3):
            stores.sessions.bind(session(number), AWS, TTL)
            await until(lambda n=number: stores.sessions.counts.writing.won == n + 1)
        proxy.refuse()
        await until(lambda: not stores.synced)
        proxy.stand_before(new.endpoint)
        proxy.pass_on()

        await until(lambda: stores.synced and stores.sessions.get(session(0)) is None)
        stores.sessions.bind(session(0), GCP, TTL)
        await until(lambda: stores.sessions.counts.writing.won == 4)
        assert stores.sessions.get(session(0)) == GCP


async def test_more_sessions_than_a_page_are_read(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """A resolver that starts beside many sessions knows them all."""
    keys = [session((number << 80) | number) for number in range(12_000)]
    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        for key in keys:
            stores.sessions.bind(key, AWS, TTL)
        await until(lambda: stores.sessions.counts.writing.won == len(keys))

    async with stores_on(etcd_endpoint, etcd_prefix) as stores:
        assert {stores.sessions.get(key) for key in keys} == {AWS}
        assert stores.sessions.get(session(1 << 95)) is None


def test_etcd_store_is_a_session_store() -> None:
    """The resolver takes either."""
    store: SessionStore = EtcdSessionStore(EtcdClient(["127.0.0.1:1"]), "/h/1/s/")

    assert not store.synced
