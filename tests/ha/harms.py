"""What is done in a random run.

Each is a context: what it does at its beginning it undoes at its end, so that several
can go on at once.
"""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator

from fakes.certificates import Authority
from ha.database import PORT as DATABASE_PORT
from ha.etcd_members import CLIENTS
from ha.faults import fill
from ha.happenings import PLACES, Aim
from ha.lab import UPSTREAM_PORTS
from ha.stage import Stage

_SLOWNESS = 5.0
_NOTICED_S = 3.0
"""How long services may take to see files change: they look every second."""


@contextlib.asynccontextmanager
async def killed(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    units = sorted(aim.takes | aim.holds)
    await asyncio.gather(*(stage.process(unit).kill() for unit in units))
    try:
        yield
    finally:
        await asyncio.gather(*(stage.process(unit).start() for unit in units))


@contextlib.asynccontextmanager
async def paused(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    units = sorted(aim.takes | aim.holds)
    for unit in units:
        stage.process(unit).pause()
    try:
        yield
    finally:
        for unit in units:
            stage.process(unit).go_on()


@contextlib.asynccontextmanager
async def restarted(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    process = stage.process(aim.subject)
    status = await process.stop()
    assert status == 0, f"{aim.subject} ended with {status}"
    try:
        yield
    finally:
        await process.start()


@contextlib.asynccontextmanager
async def unplugged(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    host = stage.host(aim.subject)
    host.pull_cable()
    try:
        yield
    finally:
        host.plug_in()


@contextlib.asynccontextmanager
async def black_holed(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    ways = {"in": ("input",), "out": ("output",)}.get(aim.detail, ("input", "output"))
    host = stage.host(aim.subject)
    host.black_hole(ways)
    try:
        yield
    finally:
        host.heal("hole")


@contextlib.asynccontextmanager
async def parted(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    names = aim.subject.split(" from ")
    one, other = (stage.host(name) for name in names)
    deaf = {"one way": [(one, other)]}.get(aim.detail, [(one, other), (other, one)])
    for host, unheard in deaf:
        host.part_from(unheard)
    try:
        yield
    finally:
        for host, _ in deaf:
            host.heal("part")


@contextlib.asynccontextmanager
async def losing(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    host = stage.host(aim.subject)
    host.lose(10)
    try:
        yield
    finally:
        host.heal("loss")


@contextlib.asynccontextmanager
async def closed(stage: Stage, _aim: Aim) -> AsyncIterator[None]:
    for host in stage.lab.hosts:
        host.close_port(CLIENTS)
    try:
        yield
    finally:
        for host in stage.lab.hosts:
            host.heal(f"port-{CLIENTS}")


@contextlib.asynccontextmanager
async def other_clock(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    stage.clocks[aim.subject].set(aim.detail.replace(" ", ""))
    try:
        yield
    finally:
        stage.clocks[aim.subject].set("+0s")


@contextlib.asynccontextmanager
async def full(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    folder = stage.lab.setting.ledgers[aim.subject]
    await asyncio.to_thread(fill, folder)
    try:
        yield
    finally:
        (folder / "ballast").unlink()


@contextlib.asynccontextmanager
async def full_etcd(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    member = stage.process(aim.subject)
    disks = stage.lab.setting.disks
    folder = disks[stage.lab.etcd.members.index(member)].parent
    await asyncio.to_thread(fill, folder)
    try:
        yield
    finally:
        (folder / "ballast").unlink()
        if not member.is_alive:
            await member.start()


@contextlib.asynccontextmanager
async def renewed(stage: Stage, _aim: Aim) -> AsyncIterator[None]:
    certificates = stage.lab.setting.certificates
    assert certificates is not None
    old, new = certificates.authority, Authority()
    for issuer, believed in ((old, (old, new)), (new, (old, new))):
        certificates.renew(issuer, *believed)
        await asyncio.sleep(_NOTICED_S)
    try:
        yield
    finally:
        certificates.renew(new, new)
        certificates.authority = new


@contextlib.asynccontextmanager
async def other_credential(stage: Stage, _aim: Aim) -> AsyncIterator[None]:
    stage.change_credential()
    try:
        yield
    finally:
        stage.change_credential()


@contextlib.asynccontextmanager
async def nameless(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    (other,) = (place for place in PLACES if place != aim.subject)
    stage.lab.lead(stage.place(other))
    try:
        yield
    finally:
        stage.lab.lead(*stage.lab.places)


@contextlib.asynccontextmanager
async def failing(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    fault, _, retry_after = aim.detail.partition(", retry after ")
    order = {"fault": fault}
    stage.order(
        aim.subject, order | ({"retry_after": retry_after} if retry_after else {})
    )
    try:
        yield
    finally:
        stage.order(aim.subject, None)


@contextlib.asynccontextmanager
async def unreachable(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    port, host = UPSTREAM_PORTS[aim.subject], stage.lab.providers
    verdict = {"refused": "reject with tcp reset"}.get(aim.detail, "drop")
    host.close_port(port, verdict)
    try:
        yield
    finally:
        host.heal(f"port-{port}")


@contextlib.asynccontextmanager
async def slow(stage: Stage, _aim: Aim) -> AsyncIterator[None]:
    stage.slow(_SLOWNESS)
    try:
        yield
    finally:
        stage.slow(1.0)


@contextlib.asynccontextmanager
async def database_killed(stage: Stage, _aim: Aim) -> AsyncIterator[None]:
    database = stage.lab.database
    assert database is not None
    await database.process.kill()
    try:
        yield
    finally:
        await database.start()


@contextlib.asynccontextmanager
async def database_silent(stage: Stage, _aim: Aim) -> AsyncIterator[None]:
    host = stage.host("three")
    host.close_port(DATABASE_PORT)
    try:
        yield
    finally:
        host.heal(f"port-{DATABASE_PORT}")


def lacks_delay() -> str:
    """Return why packets cannot be delayed here; nothing if they can."""
    tc = shutil.which("tc")
    if tc is None:
        return "there is no `tc`: it is in iproute2"
    unshare = shutil.which("unshare") or "unshare"
    tried = subprocess.run(
        [
            unshare,
            "-n",
            tc,
            *["qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "the kernel has no netem"


@contextlib.asynccontextmanager
async def delayed(stage: Stage, aim: Aim) -> AsyncIterator[None]:
    host = stage.host(aim.subject)
    change = f"tc qdisc add dev eth0 root netem {aim.detail}"
    host.run(*change.split())
    try:
        yield
    finally:
        host.run(*["tc", "qdisc", "del", "dev", "eth0", "root"])
