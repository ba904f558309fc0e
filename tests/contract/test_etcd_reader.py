"""What we keep in etcd is plain: a client that is not ours reads it."""

import asyncio
from contextlib import closing
from datetime import timedelta

from fakes.independent_reader import connect
from fakes.patience import until
from holdfast_resolver.etcd_stores import EtcdStores
from holdfast_resolver.health.record import Record

KEY = "a1" * 12


async def test_bindings_read_by_another_client(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """A session's binding is a short text under a lease as long as its life."""
    stores = EtcdStores([etcd_endpoint], etcd_prefix, clock=lambda: 1_800_000_059.0)
    await stores.start()
    stores.sessions.bind(KEY, "aws/claude-sonnet-4-5-eu", timedelta(minutes=30))
    await stores.close()

    with closing(connect(etcd_endpoint)) as reader:
        read = await asyncio.to_thread(lambda: list(reader.get_prefix(etcd_prefix)))
        (value, metadata), *more = read
        lease = await asyncio.to_thread(reader.get_lease_info, metadata.lease_id)
    assert metadata.key.decode() == f"{etcd_prefix}/1/s/a1/{KEY}"
    assert value == b"aws/claude-sonnet-4-5-eu|30000000"
    assert 30 * 60 < lease.TTL <= 31 * 60
    assert not more


async def test_health_read_by_another_client(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """A record is moments in Unix milliseconds, under a lease that outlives it."""
    stores = EtcdStores([etcd_endpoint], etcd_prefix, clock=lambda: 1_800_000_000.0)
    await stores.start()
    record = Record(1_800_000_100_000, 1_800_000_000_000, 1_800_000_000_000, 1)
    stores.health.publish("aws/claude-sonnet-4-5-eu@0badcafe", record)
    await stores.close()

    with closing(connect(etcd_endpoint)) as reader:
        value, metadata = await asyncio.to_thread(
            reader.get, f"{etcd_prefix}/1/h/aws/claude-sonnet-4-5-eu@0badcafe"
        )
        lease = await asyncio.to_thread(reader.get_lease_info, metadata.lease_id)
    assert value == b"1800000100000|1800000000000|1800000000000|1|due|0|0"
    assert lease.TTL >= 100


async def test_bindings_written_by_another_client(
    etcd_endpoint: str, etcd_prefix: str
) -> None:
    """What another client writes in that form is a binding to us."""
    stores = EtcdStores([etcd_endpoint], etcd_prefix)
    await stores.start()
    with closing(connect(etcd_endpoint)) as writer:
        await asyncio.to_thread(
            writer.put, f"{etcd_prefix}/1/s/a1/{KEY}", "openai/gpt|29000000"
        )

    await until(lambda: stores.sessions.get(KEY) == "openai/gpt")
    await stores.close()
