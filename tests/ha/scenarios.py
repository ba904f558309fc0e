"""Every scenario there is, one row each."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ha import faults
from ha.certificates import ServiceCertificates
from ha.clocks import clock, lacks_clocks
from ha.faults import Harm
from ha.hosts import lacks_filter, small_disk
from ha.lab import Setting

Settle = Callable[[Path, ExitStack], Setting]
"""Prepares a lab, in a folder and for as long as a stack of contexts lasts."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that happens.

    Attributes:
        name: In a few words.
        what: What is done, for people.
        harm: Does it, and undoes it.
        settle: What is set up otherwise.
        edges: Hosts whose edge is made to lose what it holds; a host is `one` or
            `two`.
        executors: Hosts whose executor is.
        lacks: Says why it cannot be done here; nothing if it can.
    """

    name: str
    what: str
    harm: Harm
    settle: Settle = lambda _folder, _stack: Setting()
    edges: tuple[str, ...] = ()
    executors: tuple[str, ...] = ()
    lacks: Callable[[], str] = lambda: ""


def _different_clocks(_folder: Path, _stack: ExitStack) -> Setting:
    clocks = {"one": clock(-30), "two": clock(60)}
    return Setting(variables=lambda _service, host: clocks[host])


def _small_disks(folder: Path, stack: ExitStack) -> Setting:
    # Each member of etcd takes two logs of 64 MB at once, before it has data.
    disks = [
        stack.enter_context(small_disk(folder / f"disk-{name}", 160))
        for name in ("one", "two", "three")
    ]
    ledgers = {
        name: stack.enter_context(small_disk(folder / f"ledgers-{name}", 4))
        for name in ("one", "two")
    }
    return Setting(disks=tuple(disk / "etcd" for disk in disks), ledgers=ledgers)


def _open_streams(_folder: Path, _stack: ExitStack) -> Setting:
    # Two dozen words take six seconds: longer than a replica takes to be replaced.
    return Setting(rate=8, streams=100, token_s=0.25, drain_s=60)


def _many_sessions(_folder: Path, _stack: ExitStack) -> Setting:
    # Calls that a host holds as it is cut off fail at each provider in turn while it
    # is, rather than wait until it is back.
    limits = dict.fromkeys(("first_token_timeout_s", "idle_timeout_s"), 2.0)
    return Setting(rate=25, sessions=120, streams=0, token_s=0.01, limits=limits)


def _way_out(_folder: Path, _stack: ExitStack) -> Setting:
    # Silence on connections that are open is to fail calls while it lasts.
    limits = dict.fromkeys(("first_token_timeout_s", "idle_timeout_s"), 2.0)
    return Setting(rate=20, sessions=120, limits=limits)


def _secured(folder: Path, _stack: ExitStack) -> Setting:
    return Setting(certificates=ServiceCertificates(folder / "pki"))


def _named(_folder: Path, _stack: ExitStack) -> Setting:
    return Setting(is_named=True)


BOTH = ("one", "two")

SCENARIOS = (
    Scenario(
        "nothing",
        "Nothing is done: what the others are to be compared with.",
        faults.nothing_more,
    ),
    Scenario(
        "edge killed",
        "`kill -9` of each edge in turn; it is started again three seconds later.",
        faults.each("edge", faults.kill),
        edges=BOTH,
    ),
    Scenario(
        "resolver killed",
        "`kill -9` of each resolver in turn; likewise.",
        faults.each("resolver", faults.kill),
    ),
    Scenario(
        "executor killed",
        "`kill -9` of each executor in turn; likewise.",
        faults.each("executor", faults.kill),
        executors=BOTH,
    ),
    Scenario(
        "edge stopped",
        "SIGSTOP of each edge in turn; SIGCONT three seconds later.",
        faults.each("edge", faults.pause(faults.WELL)),
    ),
    Scenario(
        "resolver stopped",
        "SIGSTOP of each resolver in turn; SIGCONT some 20 seconds later, when all "
        "have given it up.",
        faults.each("resolver", faults.pause(faults.NOTICED)),
    ),
    Scenario(
        "executor stopped",
        "SIGSTOP of each executor in turn; likewise.",
        faults.each("executor", faults.pause(faults.NOTICED)),
        executors=BOTH,
    ),
    Scenario(
        "cable pulled",
        "A host with an edge, a resolver, an executor and a member of etcd has no "
        "link (`ip link set down` at the switch) for some 20 seconds.",
        faults.pull_cable,
        edges=("two",),
        executors=("two",),
    ),
    Scenario(
        "host cut off",
        "Each such host in turn has no link for some seven seconds: long enough for "
        "its executor to reach nobody, and short enough to tell of it; with 120 "
        "sessions.",
        faults.cut_off_for_seconds,
        settle=_many_sessions,
        edges=BOTH,
        executors=BOTH,
    ),
    Scenario(
        "host black-holed",
        "Such a host loses every packet, either way and in silence (nft `drop`), for "
        "some 20 seconds.",
        faults.black_hole,
        edges=("one",),
        executors=("one",),
        lacks=lacks_filter,
    ),
    Scenario(
        "no way out",
        "A host reaches no provider for some 20 seconds, and all others reach it: what "
        "it sends there is dropped, and then on the other host refused (nft `reject`); "
        "with 120 sessions.",
        faults.shut_in,
        settle=_way_out,
        executors=BOTH,
        lacks=lacks_filter,
    ),
    Scenario(
        "packets lost",
        "Every host loses 10 % of the packets that come to it (nft `numgen`).",
        faults.lose_packets,
        lacks=lacks_filter,
    ),
    Scenario(
        "etcd leader killed",
        "`kill -9` of whoever leads; it is started again; and once more.",
        faults.kill_leader,
    ),
    Scenario(
        "quorum lost",
        "`kill -9` of two of etcd's three members, for nine seconds.",
        faults.lose_quorum,
    ),
    Scenario(
        "etcd unreachable",
        "All packets to and from etcd's port are dropped on all hosts, for twelve "
        "seconds.",
        faults.close_etcd,
        lacks=lacks_filter,
    ),
    Scenario(
        "etcd stopped",
        "SIGSTOP of all of etcd's members: they take connections and say nothing, "
        "for twelve seconds.",
        faults.hang_etcd,
    ),
    Scenario(
        "disks full",
        "The file systems of etcd's members and of the ledgers are filled to the "
        "last byte, and etcd is written to until it refuses; then there is room again.",
        faults.fill_disks,
        settle=_small_disks,
    ),
    Scenario(
        "clocks differ",
        "One host's clock is 30 seconds behind, the other's a minute ahead.",
        faults.nothing_more,
        settle=_different_clocks,
        lacks=lacks_clocks,
    ),
    Scenario(
        "rolling restart",
        "SIGTERM of each executor, resolver and edge in turn, each started again at "
        "once, under 100 open streams of six seconds.",
        faults.roll,
        settle=_open_streams,
    ),
    Scenario(
        "certificates changed",
        "Services speak mutual TLS. All certificates and then the authority are "
        "changed, and executors and resolvers are killed meanwhile.",
        faults.rotate,
        settle=_secured,
        executors=BOTH,
    ),
    Scenario(
        "credential changed",
        "The file with the providers' key is replaced, three times; each is in use "
        "before the next.",
        faults.change_credential,
    ),
    Scenario(
        "names changed",
        "Services are found by a name with two addresses. Each host in turn leaves "
        "it, stops, comes back, and is killed.",
        faults.rename,
        settle=_named,
        executors=BOTH,
    ),
)
"""All of them."""
