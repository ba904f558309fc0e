"""Which address a call goes to, and which it never does."""

import asyncio
import os
import sys

import pytest

from fakes.raw_provider import (
    HELLO,
    Counted,
    answering,
    serving,
)
from fakes.transport_calls import failure, send
from holdfast.addresses import resolved_address_fault
from holdfast_executor.transport import (
    FailureKind,
    Transport,
    TransportLimits,
)
from holdfast_executor.transport.dialing import AddressBook, interleaved


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::1]",
        "[::127.0.0.1]",
        "[::ffff:0:7f00:1]",
        "[2001:0:53aa:64c::80ff:fffe]",
        "[2606:4700::5efe:7f00:1]",
        "[fec0::1]",
        "[ff02::1]",
        "100.64.0.1",
        "192.0.0.192",
        "255.255.255.255",
    ],
)
async def test_an_address_that_is_not_public_is_refused(
    transport: Transport, host: str
) -> None:
    """Nobody reaches the machine's own network through a provider's URL."""
    async with serving(answering(HELLO)) as port:
        pending = send(transport, port, host=host, allow_private_network=False)

        assert await failure(pending) is FailureKind.ADDRESS_REFUSED


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001"])
async def test_an_address_written_oddly_is_not_reached(
    transport: Transport, host: str
) -> None:
    """Other ways to write a loopback address lead nowhere either."""
    provider = Counted(HELLO)
    async with serving(provider) as port:
        await failure(send(transport, port, host=host, allow_private_network=False))

    assert provider.requests == []


async def test_a_name_that_leads_inside_is_refused() -> None:
    """What counts is the address that is connected to, not the name."""

    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1", "::1"]

    transport = Transport(resolve=resolve)
    await transport.start()
    async with serving(answering(HELLO)) as port:
        pending = send(
            transport, port, host="provider.test", allow_private_network=False
        )

        assert await failure(pending) is FailureKind.ADDRESS_REFUSED
    await transport.close()


async def test_a_name_that_leads_inside_by_the_second_look_is_refused() -> None:
    """What it led to when it was checked is not what counts."""
    found = iter([["8.8.8.8"], ["127.0.0.1"]])

    async def resolve(host: str) -> list[str]:
        return next(found)

    first_look = await resolved_address_fault("http://provider.test", resolve=resolve)
    transport = Transport(resolve=resolve)
    await transport.start()
    async with serving(answering(HELLO)) as port:
        pending = send(
            transport, port, host="provider.test", allow_private_network=False
        )

        assert await failure(pending) is FailureKind.ADDRESS_REFUSED
    await transport.close()
    assert first_look is None


_CALL = """
import asyncio, sys
from holdfast_executor.transport import HttpRequest, Transport

async def main():
    transport = Transport()
    await transport.start()
    request = HttpRequest("POST", sys.argv[1], (), b"{}", True)
    response = await transport.send(request, connect_timeout=30, response_timeout=30)
    print((await response.read()).decode())
    await response.close()
    await transport.close()

asyncio.run(main())
"""


async def test_no_proxy_of_the_environment_is_heeded() -> None:
    """It would connect where we would not, and read what is said."""
    provider, proxy = Counted(HELLO), Counted(HELLO)
    async with serving(provider) as port, serving(proxy) as proxy_port:
        uri = f"http://127.0.0.1:{proxy_port}"
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY")
        calling = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _CALL,
            f"http://127.0.0.1:{port}/v1",
            env={**os.environ, **dict.fromkeys(names, uri)},
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await calling.communicate()

    assert told == b"hello\n"
    assert (len(provider.requests), len(proxy.requests)) == (1, 0)


async def test_a_name_that_changes_its_address_is_refused() -> None:
    """A connection of a request with the allowance serves no other."""

    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1"]

    transport = Transport(resolve=resolve, limits=TransportLimits(dns_ttl_s=0))
    await transport.start()
    async with serving(answering(HELLO, HELLO)) as port:
        allowed = await send(transport, port, host="provider.test")
        await allowed.read()
        await allowed.close()
        pending = send(
            transport, port, host="provider.test", allow_private_network=False
        )

        assert await failure(pending) is FailureKind.ADDRESS_REFUSED
    await transport.close()


@pytest.mark.parametrize("order", [["127.0.0.1", "::1"], ["::1", "127.0.0.1"]])
async def test_the_address_that_answers_is_used(order: list[str]) -> None:
    """A host of which one address is dead is reached by its other."""

    async def resolve(host: str) -> list[str]:
        return order

    transport = Transport(resolve=resolve)
    await transport.start()
    async with serving(answering(HELLO)) as port:
        response = await send(transport, port, host="provider.test")
        body = await response.read()
        await response.close()
    await transport.close()

    assert body == b"hello"


async def test_a_look_up_is_shared_and_survives_who_leaves() -> None:
    """Many calls at once look a name up once; one that gives up harms no other."""
    looked_up = 0
    known = asyncio.Event()

    async def resolve(host: str) -> list[str]:
        nonlocal looked_up
        looked_up += 1
        await known.wait()
        return ["127.0.0.1"]

    transport = Transport(resolve=resolve)
    await transport.start()
    async with serving(answering(HELLO)) as port:
        leaving = asyncio.create_task(send(transport, port, host="provider.test"))
        staying = asyncio.create_task(send(transport, port, host="provider.test"))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        known.set()
        response = await staying
        body = await response.read()
        await response.close()
    await transport.close()

    assert (body, looked_up, leaving.cancelled()) == (b"hello", 1, True)


async def test_families_take_turns() -> None:
    """A network without IPv6 is not made to wait for each of a host's addresses."""

    async def resolve(host: str) -> list[str]:
        return ["2001:db8::1", "2001:db8::2", "192.0.2.1", "2001:db8::3"]

    found = await AddressBook(resolve, 30).addresses("provider.test", 443)

    assert [info[4][0] for info in interleaved(found)] == [
        "2001:db8::1",
        "192.0.2.1",
        "2001:db8::2",
        "2001:db8::3",
    ]


async def test_a_look_up_is_remembered_for_its_time() -> None:
    """A host that is called again within the time is not looked up again."""
    looked_up = 0

    async def resolve(host: str) -> list[str]:
        nonlocal looked_up
        looked_up += 1
        return ["127.0.0.1"]

    transport = Transport(resolve=resolve)
    await transport.start()
    async with serving(answering(HELLO)) as port:
        for _ in range(3):
            response = await send(transport, port, host="provider.test")
            await response.close()
    await transport.close()

    assert looked_up == 1


async def test_closing_ends_a_look_up_and_cancels_nobody() -> None:
    """Who waits for an address as the executor stops fails, and is not cancelled."""
    asked = asyncio.Event()

    async def resolve(host: str) -> list[str]:
        asked.set()
        await asyncio.Event().wait()
        return []

    transport = Transport(resolve=resolve)
    await transport.start()
    pending = asyncio.create_task(failure(send(transport, 80, host="provider.test")))
    await asked.wait()
    await transport.close()

    assert await pending is FailureKind.CONNECT
