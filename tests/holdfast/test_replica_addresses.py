"""Where a service's replicas are, as what its names lead to changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from structlog.testing import capture_logs

from fakes.names import ScriptedNames
from fakes.patience import until
from holdfast.rpc.addresses import Addresses, Lookup, look_up


@contextlib.asynccontextmanager
async def followed(
    lookup: Lookup, *targets: str
) -> AsyncIterator[tuple[Addresses, list[Sequence[str]]]]:
    """Follow targets, looking every hundredth of a second; give what was told."""
    told: list[Sequence[str]] = []
    addresses = Addresses("executor", targets, told.append, lookup, period_s=0.01)
    addresses.follow()
    try:
        yield addresses, told
    finally:
        await addresses.close()


async def test_every_address_behind_a_name_is_told():
    """With the name's port, and in the same order whoever looks."""
    names = ScriptedNames(one=["10.0.0.2", "10.0.0.1"], two=["fd00::1"])
    async with followed(names, "dns:///one:50052", "two:1") as (addresses, told):
        await addresses.looked_up()

    assert told == [["10.0.0.1:50052", "10.0.0.2:50052", "[fd00::1]:1"]]


async def test_who_comes_and_who_goes_is_told_once():
    """And nothing while nothing changes."""
    names = ScriptedNames(one=["10.0.0.1"])
    async with followed(names, "one:1") as (_, told):
        await until(lambda: len(names.asked) > 3)
        names.lead("one", "10.0.0.1", "10.0.0.2")
        await until(lambda: len(told) > 1)
        names.lead("one", "10.0.0.2")
        await until(lambda: len(told) > 2)

    assert told == [["10.0.0.1:1"], ["10.0.0.1:1", "10.0.0.2:1"], ["10.0.0.2:1"]]


async def test_while_nothing_is_found_what_was_found_last_stays():
    """A name service that is away takes nobody with it; that is said once."""
    names = ScriptedNames(one=["10.0.0.1"])
    with capture_logs() as logs:
        async with followed(names, "one:1") as (_, told):
            await until(lambda: told)
            names.forget("one")
            await until(lambda: any(e["event"] == "name_not_found" for e in logs))
            names.lead("one")
            looked = len(names.asked)
            await until(lambda: len(names.asked) > looked + 2)
            names.lead("one", "10.0.0.2")
            await until(lambda: len(told) > 1)

    assert told == [["10.0.0.1:1"], ["10.0.0.2:1"]]
    assert [entry["event"] for entry in logs].count("name_not_found") == 1


async def test_one_name_that_leads_nowhere_does_not_hide_the_others():
    """What was found is told, and the rest is looked for on."""
    names = ScriptedNames(one=["10.0.0.1"])
    async with followed(names, "one:1", "two:2") as (addresses, told):
        await addresses.looked_up()
        names.lead("two", "10.0.0.2")
        await until(lambda: len(told) > 1)

    assert told == [["10.0.0.1:1"], ["10.0.0.1:1", "10.0.0.2:2"]]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("dns:///127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]:1", "[::1]:1"),
        ("unix:/run/executor", "unix:/run/executor"),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", "ipv4:10.0.0.1:1,10.0.0.2:1"),
        ("dns://10.0.0.53/executor:1", "dns://10.0.0.53/executor:1"),
        ("executor", "executor"),
    ],
)
async def test_a_target_that_is_no_name_is_told_at_once(target, told):
    """And nothing is looked up for it."""
    names, said = ScriptedNames(), []

    addresses = Addresses("executor", [target], said.append, names)
    addresses.follow()

    assert said == [[told]]
    assert addresses.are_looked_up
    assert names.asked == []


async def test_a_machine_finds_its_own_address():
    """Once, though it has one of either kind."""
    assert await look_up("localhost") == ["127.0.0.1"]
    assert await look_up("::1") == ["::1"]
    with pytest.raises(OSError, match="cannot be a host's name"):
        await look_up("nobody..here")


async def test_looking_ends_with_its_owner():
    """No lookup is left behind, not even one that hangs."""
    begun = asyncio.Event()

    async def hang(_host: str) -> Sequence[str]:
        begun.set()
        return await asyncio.get_running_loop().create_future()

    async with followed(hang, "one:1") as (addresses, told):
        await begun.wait()

    assert not addresses.are_looked_up
    assert told == []
