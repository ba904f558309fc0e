"""Every kind of thing that happens in a random run, one row each."""

from ha import aims, harms
from ha.clocks import lacks_clocks
from ha.happenings import Kind
from ha.hosts import lacks_filter
from ha.lab import SERVICES
from ha.stage import Stage
from holdfast_cli.demo.faults import FAULTS, Behaviour

CLOCK = "clock is off"
"""The name of what takes clocks that can be set."""

_PUT_TO_CALLERS = frozenset({"400", "413", "422", "too-long", "filtered"})
"""Faults that say what is wrong with a request: callers are to get them."""

_FAULTS = tuple(
    name
    for name, fault in FAULTS.items()
    if name not in _PUT_TO_CALLERS
    # Of answers without the form that was asked for, the one that has it all.
    and (fault.behaviour is not Behaviour.UNFIT or name == "unfit")
)

_HOST_BACK_S = 5.0
"""A host that had no network finds its connections dead, and makes others."""

KINDS: tuple[Kind[Stage], ...] = (
    Kind(
        "killed",
        "`kill -9` of an edge, a resolver or an executor",
        (0.2, 6),
        aims.a_process(*SERVICES),
        harms.killed,
        share=6,
        loses=True,
    ),
    Kind(
        "stopped",
        "SIGSTOP of a resolver or an executor, and SIGCONT",
        (0.5, 25),
        aims.a_process("resolver", "executor"),
        harms.paused,
        share=4,
        loses=True,
    ),
    Kind(
        "stopped for a while",
        "SIGSTOP of an edge, and SIGCONT",
        (0.5, 10),
        aims.a_process("edge"),
        harms.paused,
    ),
    Kind(
        "restarted",
        "SIGTERM of an edge, a resolver or an executor; it drains, and is started",
        (0, 1),
        aims.a_process(*SERVICES),
        harms.restarted,
        share=4,
        ends=True,
    ),
    Kind(
        "without a cable",
        "a host's link is down at the switch",
        (2, 25),
        aims.a_host(""),
        harms.unplugged,
        loses=True,
        back_s=_HOST_BACK_S,
    ),
    Kind(
        "black-holed",
        "a host loses every packet in silence: those that come, those that go, or both",
        (2, 25),
        aims.a_host("in", "out", "in and out"),
        harms.black_holed,
        loses=True,
        back_s=_HOST_BACK_S,
        lacks=lacks_filter,
    ),
    Kind(
        "parted",
        "two hosts lose what comes from each other, or one what comes from the other",
        (2, 20),
        aims.two_hosts,
        harms.parted,
        parts=True,
        back_s=_HOST_BACK_S,
        lacks=lacks_filter,
    ),
    Kind(
        "losing 10 % of packets",
        "a host loses 10 % of the packets that come",
        (3, 20),
        aims.anybody,
        harms.losing,
        lacks=lacks_filter,
    ),
    Kind(
        "delayed",
        "a host's packets are delayed, reordered, corrupted or doubled (tc netem)",
        (3, 20),
        aims.a_delay,
        harms.delayed,
        lacks=harms.lacks_delay,
    ),
    Kind(
        "killed",
        "`kill -9` of a member of etcd",
        (0.5, 10),
        aims.a_member,
        harms.killed,
    ),
    Kind(
        "stopped", "SIGSTOP of a member of etcd", (0.5, 10), aims.a_member, harms.paused
    ),
    Kind(
        "killed",
        "`kill -9` of two members, or all",
        (1, 15),
        aims.members,
        harms.killed,
    ),
    Kind(
        "stopped", "SIGSTOP of two members, or all", (1, 15), aims.members, harms.paused
    ),
    Kind(
        "unreachable",
        "no packet reaches or leaves etcd's port anywhere",
        (1, 15),
        aims.all_members,
        harms.closed,
        lacks=lacks_filter,
    ),
    Kind(
        "on a full disk",
        "nothing more can be written where a member of etcd has its data",
        (2, 15),
        aims.a_member,
        harms.full_etcd,
        share=1,
    ),
    Kind(
        "ledger's disk full",
        "nothing more can be written where a resolver's ledger is",
        (2, 15),
        aims.a_place("ledger"),
        harms.full,
        share=1,
    ),
    Kind(
        CLOCK,
        "the clock of a host's edge and executor is set, by -30 to +60 seconds, and "
        "set right again",
        (3, 20),
        aims.a_clock,
        harms.other_clock,
        lacks=lacks_clocks,
    ),
    Kind(
        "changed",
        "all certificates are changed, and their authority",
        (3, 5),
        aims.nobody("certificates"),
        harms.renewed,
        share=1,
    ),
    Kind(
        "changed",
        "the providers' key is replaced, in its file",
        (2, 5),
        aims.nobody("credential"),
        harms.other_credential,
        share=1,
    ),
    Kind(
        "left the names",
        "the services' names do not lead to a host",
        (3, 15),
        aims.a_name,
        harms.nameless,
        back_s=7.0,
    ),
    Kind(
        "fails",
        "a provider fails, in any way that is not the caller's to mend",
        (2, 20),
        aims.a_provider(*_FAULTS),
        harms.failing,
        share=8,
    ),
    Kind(
        "fails",
        "a provider limits rates, and says for how long",
        (2, 20),
        aims.a_provider(*(f"429, retry after {seconds}" for seconds in (1, 3, 10, 30))),
        harms.failing,
        share=3,
    ),
    Kind(
        "unreachable:",
        "a provider's port is closed, or silent",
        (2, 15),
        aims.a_provider("refused", "silent"),
        harms.unreachable,
        parts=True,
        share=2,
        lacks=lacks_filter,
    ),
    Kind(
        "slow",
        "models take five times as long",
        (3, 15),
        aims.nobody("words"),
        harms.slow,
    ),
)
"""All of them, where each service has a ledger of its own."""

DATABASE_KINDS: tuple[Kind[Stage], ...] = (
    Kind(
        "killed",
        "`kill -9` of PostgreSQL",
        (1, 15),
        aims.nobody("database"),
        harms.database_killed,
    ),
    Kind(
        "silent",
        "no packet reaches or leaves PostgreSQL",
        (1, 20),
        aims.nobody("database"),
        harms.database_silent,
        lacks=lacks_filter,
    ),
)
"""What happens besides where all have one ledger."""
