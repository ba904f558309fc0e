"""Calling etcd where not every endpoint answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.clock import Clock
from fakes.patience import until
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.breaker import Breaker
from holdfast_resolver.etcd.client import PUT, RANGE, WATCH, EtcdClient, prefix_end
from holdfast_resolver.etcd.errors import (
    CompactedError,
    EtcdRefusedError,
    EtcdUnavailableError,
    LeaseNotFoundError,
)
from holdfast_resolver.etcd.mirror import Mirror

READ = wire.RangeRequest(key=b"/test/none")


@pytest.fixture
async def proxies(etcd_endpoint: str) -> AsyncIterator[list[BreakableProxy]]:
    """Give three ways to one etcd."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(BreakableProxy(etcd_endpoint))
            for _ in range(3)
        ]


@pytest.mark.parametrize("break_it", [BreakableProxy.refuse, BreakableProxy.black_hole])
async def test_call_goes_to_the_next_endpoint(
    proxies: list[BreakableProxy], break_it
) -> None:
    """An endpoint that refuses or hangs costs a part of the deadline, once."""
    client = EtcdClient([proxy.endpoint for proxy in proxies], deadline_s=1.5)
    for _ in proxies[1:]:
        await client.call(RANGE, READ)
        for proxy in proxies:
            if proxy.is_in_use:
                break_it(proxy)

        assert (await client.call(RANGE, READ)).header.revision
    await client.close()


async def test_no_endpoint_answers(proxies: list[BreakableProxy]) -> None:
    """With all of them silent the call ends at its deadline and says so."""
    for proxy in proxies:
        proxy.black_hole()
    client = EtcdClient([proxy.endpoint for proxy in proxies], deadline_s=0.2)

    with pytest.raises(EtcdUnavailableError, match="Range"):
        await client.call(RANGE, READ)
    await client.close()


async def test_watch_goes_to_the_next_endpoint(
    proxies: list[BreakableProxy], etcd_endpoint: str, etcd_prefix: str
) -> None:
    """A watch whose endpoint hangs is resumed on another one, and misses nothing."""
    client = EtcdClient([proxy.endpoint for proxy in proxies])
    writer = EtcdClient([etcd_endpoint])
    mirror = Mirror(client, f"{etcd_prefix}/", bytes, idle_s=0.3)
    running = asyncio.create_task(mirror.run())
    assert await mirror.wait_synced(10)
    next(proxy for proxy in proxies if proxy.is_in_use).black_hole()
    key = f"{etcd_prefix}/a".encode()
    await writer.call(PUT, wire.PutRequest(key=key, value=b"1"))

    await until(lambda: mirror.entries == {"a": b"1"})
    assert mirror.counts.full_reads == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
    await writer.close()


async def test_refusal_is_told_from_silence(etcd_endpoint: str) -> None:
    """What etcd refuses is not tried elsewhere, and has a type of its own."""
    client = EtcdClient([etcd_endpoint])
    key = b"/test/refused"
    with pytest.raises(LeaseNotFoundError):
        await client.call(PUT, wire.PutRequest(key=key, lease=12345))
    with pytest.raises(EtcdRefusedError, match="key is not provided"):
        await client.call(PUT, wire.PutRequest())
    with pytest.raises(EtcdRefusedError, match="future revision"):
        await client.call(RANGE, wire.RangeRequest(key=key, revision=1 << 60))
    assert not issubclass(CompactedError, EtcdRefusedError)
    await client.close()


def test_end_of_a_prefix() -> None:
    """The end of a prefix is the first key beyond it; there is none without text."""
    assert prefix_end(b"/h/") == b"/h0"
    with pytest.raises(ValueError, match="text"):
        prefix_end(b"")


def test_no_endpoint_at_all() -> None:
    """A client of nothing is a mistake."""
    with pytest.raises(ValueError, match="endpoint"):
        EtcdClient([])


async def test_etcd_that_hangs_is_not_waited_for_again_and_again(
    proxies: list[BreakableProxy],
) -> None:
    """After three calls in vain the next ones fail at once; one now and then looks."""
    clock = Clock()
    proxy = proxies[0]
    client = EtcdClient([proxy.endpoint], deadline_s=0.1, breaker=Breaker(clock.now))
    await client.call(RANGE, READ, deadline_s=10)
    proxy.black_hole()
    for _ in range(3):
        with pytest.raises(EtcdUnavailableError, match="Range"):
            await client.call(RANGE, READ)
    with pytest.raises(EtcdUnavailableError, match="not asked"):
        await client.call(RANGE, READ, deadline_s=3_600)
    with pytest.raises(EtcdUnavailableError, match="not asked"):
        async with client.stream(WATCH, open_timeout_s=3_600):
            pass
    proxy.pass_on()
    clock.advance(1)
    trial = await client.call(RANGE, READ, deadline_s=10)

    assert trial.header.revision
    assert (await client.call(RANGE, READ, deadline_s=10)).header.revision
    await client.close()


async def test_refusal_is_an_answer(etcd_endpoint: str) -> None:
    """Etcd that says no is there: whoever else wants something is not held back."""
    breaker = Breaker()
    client = EtcdClient([etcd_endpoint], breaker=breaker)
    for _ in range(4):
        with pytest.raises(EtcdRefusedError):
            await client.call(PUT, wire.PutRequest(key=b""))

    assert not breaker.is_open
    await client.close()


async def test_watch_that_hears_from_etcd_lets_everybody_else_ask(
    proxies: list[BreakableProxy], etcd_prefix: str
) -> None:
    """A mirror that is back is enough to know that etcd is."""
    clock = Clock()
    breaker = Breaker(clock.now)
    proxy = proxies[0]
    client = EtcdClient([proxy.endpoint], deadline_s=0.5, breaker=breaker)
    mirror = Mirror(client, f"{etcd_prefix}/", bytes.decode)
    running = asyncio.create_task(mirror.run())
    assert await mirror.wait_synced(10)
    proxy.refuse()
    await until(lambda: breaker.is_open)
    proxy.pass_on()

    def is_asked_again() -> bool:
        clock.advance(1)
        return not breaker.is_open

    await until(is_asked_again)
    assert await mirror.wait_synced(10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
