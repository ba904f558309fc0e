"""What is done to a lab: each harms it and has it whole again before it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from fakes.certificates import Authority
from fakes.patience import until
from ha.etcd_members import CLIENTS
from ha.lab import SERVICES, Lab
from ha.processes import Process

Harm = Callable[[Lab], Awaitable[None]]

WELL = 60
"""Calls begun before, between and after what is done: three seconds' worth."""

NOTICED = 400
"""Calls begun while a host is silent: some 20 s, and gRPC notices within 15 that a
host has gone without a word."""


CUT_OFF_S = 7.0
"""By then two connections after each other have failed, and nobody has given the host
up: what runs there reports it all as soon as it is back."""


def each(name: str, harm: Callable[[Lab, Process], Awaitable[None]]) -> Harm:
    """Do something to each replica of a service in turn."""

    async def do(lab: Lab) -> None:
        for place in lab.places:
            await harm(lab, getattr(place, name))
            await lab.further(WELL)

    return do


async def kill(lab: Lab, process: Process) -> None:
    await process.kill()
    await lab.further(WELL)
    await process.start()


def pause(calls: int) -> Callable[[Lab, Process], Awaitable[None]]:
    async def do(lab: Lab, process: Process) -> None:
        process.pause()
        await lab.further(calls)
        process.go_on()

    return do


async def pull_cable(lab: Lab) -> None:
    lab.two.host.pull_cable()
    await lab.further(NOTICED)
    lab.two.host.plug_in()
    await lab.further(2 * WELL)


async def cut_off_for_seconds(lab: Lab) -> None:
    """Cut each host off for as long as connections take to fail, and no longer."""
    for place in lab.places:
        place.host.pull_cable()
        await lab.further(round(CUT_OFF_S * lab.setting.rate))
        place.host.plug_in()
        await lab.further(2 * WELL)


async def black_hole(lab: Lab) -> None:
    lab.one.host.black_hole()
    await lab.further(NOTICED)
    lab.one.host.heal()
    await lab.further(2 * WELL)


async def shut_in(lab: Lab) -> None:
    """Have a host's executor reach no provider, in silence and then told so."""
    verdicts = ("drop", "meta l4proto tcp reject with tcp reset")
    for place, verdict in zip(lab.places, verdicts, strict=True):
        place.host.shut_out(lab.providers, verdict)
        await lab.further(NOTICED)
        place.host.heal()
        await lab.further(2 * WELL)


async def kill_leader(lab: Lab) -> None:
    for _ in range(2):
        leader = await lab.etcd.leader()
        await leader.kill()
        await lab.further(2 * WELL)
        await leader.start()
        await lab.etcd.whole()
        await lab.further(WELL)


async def lose_quorum(lab: Lab) -> None:
    lost = lab.etcd.members[1:]
    for member in lost:
        await member.kill()
    await lab.further(3 * WELL)
    for member in lost:
        await member.start()
    await lab.etcd.whole()
    await lab.further(2 * WELL)


async def close_etcd(lab: Lab) -> None:
    for host in lab.hosts:
        host.close_port(CLIENTS)
    await lab.further(4 * WELL)
    for host in lab.hosts:
        host.heal()
    await lab.further(2 * WELL)


async def hang_etcd(lab: Lab) -> None:
    for member in lab.etcd.members:
        member.pause()
    await lab.further(4 * WELL)
    for member in lab.etcd.members:
        member.go_on()
    await lab.further(2 * WELL)


async def lose_packets(lab: Lab) -> None:
    for host in lab.everybody:
        host.lose(10)
    await lab.further(4 * WELL)
    for host in lab.everybody:
        host.heal()
    await lab.further(WELL)


async def nothing_more(lab: Lab) -> None:
    await lab.further(4 * WELL)


async def fill_disks(lab: Lab) -> None:
    disks = [disk.parent for disk in lab.setting.disks]
    folders = [*disks, *lab.setting.ledgers.values()]
    for folder in folders:
        await asyncio.to_thread(fill, folder)
    for number in range(100):
        written = await lab.etcd.control(
            lab.hosts[0], "put", f"/ballast/{number}", typed=b"x" * 1_000_000
        )
        if written is None:
            break
    else:
        raise AssertionError("etcd takes all that it is given: its disk is not full")
    await lab.further(4 * WELL)
    for folder in folders:
        (folder / "ballast").unlink()
    for member in lab.etcd.members:
        if not member.is_alive:
            await member.start()
    await lab.etcd.whole()
    await lab.further(2 * WELL)


def fill(folder: Path) -> None:
    """Write to a folder until its file system takes no more."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return


async def roll(lab: Lab) -> None:
    for name in reversed(SERVICES):
        for place in lab.places:
            process = getattr(place, name)
            assert await process.stop() == 0
            await process.start()
            await lab.further(WELL)


async def rotate(lab: Lab) -> None:
    certificates = lab.setting.certificates
    assert certificates is not None
    old, new = certificates.authority, Authority()
    # First believe both, then show what the new one made out, then believe it alone.
    steps = ((old, (old, new)), (new, (old, new)), (new, (new,)))
    for number, (issuer, believed) in enumerate(steps):
        certificates.renew(issuer, *believed)
        await until(lambda times=number + 1: _have_renewed(lab, times), within_s=60)
        place = lab.places[number % 2]
        for process in (place.executor, place.resolver):
            await process.kill()
            await process.start()
            await lab.further(WELL)


def _have_renewed(lab: Lab, times: int) -> bool:
    """Tell whether every service that has run all the while has noticed."""
    return all(
        place.edge.log.read_text().count("certificates_renewed") >= times
        for place in lab.places
    )


async def change_credential(lab: Lab) -> None:
    for number in range(2, 5):
        lab.set_credential(f"key-{number}")

        def is_used(credential: str = f"key-{number}") -> bool:
            return any(each.credential == credential for each in lab.seen().asked)

        await until(is_used, within_s=60)
        await lab.further(WELL)


async def rename(lab: Lab) -> None:
    """Have a replica leave the names, be gone, and come back; kill one that stays."""
    for place, other in (lab.places, lab.places[::-1]):
        lab.lead(other)
        await lab.further(2 * WELL)
        for process in (place.executor, place.resolver):
            assert await process.stop() == 0
        await lab.further(WELL)
        for process in (place.executor, place.resolver):
            await process.start()
        lab.lead(place, other)
        await lab.further(2 * WELL)
        for process in (place.executor, place.resolver):
            await process.kill()
            await lab.further(WELL)
            await process.start()
        await lab.further(2 * WELL)
