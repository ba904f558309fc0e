"""Where the design ends: at which number each limit is reached, and what to do then."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.measured import Measured
from bench.sizing.model import HISTORY_S, Demand, Size

_RESOLVER_MB = 1_024
_ETCD_MB = 2_048
"""Limits of memory in deploy/k8s."""

_FILE_MB = 8_192
"""--quota-backend-bytes there: the most that etcd suggests."""

_READING_S = 30.0
"""How long a resolver that starts waits for its bindings: resolver/server.py."""

_WATCH_SHARE = 0.1
_WARM_SESSIONS = 20_000
"""Sessions whose caches a resolver remembers: resolver/warmth.py."""

_QUEUE = 100_000
"""Bindings that may wait for etcd in a resolver: etcd/write_behind.py."""

_DISK_GB = 1_000.0


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Attributes:
        at: The number it is reached at.
        unit: Of what.
        has: That number in the load asked about.
        known: How that is known.
        then: What to do.
    """

    what: str
    at: float
    unit: str
    has: float
    known: str
    then: str


def limits(demand: Demand, size: Size, measured: Measured) -> Sequence[Limit]:
    """Return every limit beside a load."""
    binding, store = measured.binding, size.store
    resolvers = size.services["resolver"].replicas
    reread_b = (size.start_peak_mb - measured.idle_mb("resolver")) * 2**20
    a_binding_b = reread_b / demand.sessions
    # Versions overwritten for each live session, as in the load asked about.
    history = store.puts_s / demand.sessions * HISTORY_S
    etcd_b, file_b = (
        binding[name] + history * measured.overwritten[name]
        for name in ("etcd_b", "etcd_file_b")
    )
    room_mb = _ETCD_MB - measured.bindings[0]["etcd_mb"]
    most_puts = min(
        row["written_a_second"] for row in measured.bindings if row["bindings"]
    )
    return (
        Limit(
            f"memory of a resolver, {_RESOLVER_MB / 1024:g} GiB",
            (_RESOLVER_MB - measured.idle_mb("resolver")) * 2**20 / a_binding_b,
            "live sessions",
            demand.sessions,
            "measured a binding, while all are read again",
            "a larger limit; then resolvers that hold a part of the sessions",
        ),
        Limit(
            f"a resolver's start, {_READING_S:g} s of reading",
            _READING_S * 1e6 / binding["reading_us"],
            "live sessions",
            demand.sessions,
            "measured, on a laden machine",
            "beyond it a resolver serves before it knows all sessions: start one at "
            "a time; then several etcds",
        ),
        Limit(
            f"memory of an etcd, {_ETCD_MB / 1024:g} GiB",
            room_mb * 2**20 / etcd_b,
            "live sessions",
            demand.sessions,
            "measured a binding and an overwritten one",
            "8 GiB for etcd; then several etcds",
        ),
        Limit(
            f"etcd's file, {_FILE_MB / 1024:g} GiB",
            _FILE_MB * 2**20 / file_b,
            "live sessions",
            demand.sessions,
            "measured a binding and an overwritten one",
            "several etcds",
        ),
        Limit(
            "etcd's writes",
            most_puts,
            "keys/s",
            store.puts_s,
            "measured: four transactions of sixty keys at a time, one member",
            "fewer bindings (homes unwritten), longer `session_ttl_s`, fewer quotas; "
            "then several etcds",
        ),
        Limit(
            f"following etcd, {100 * _WATCH_SHARE:g} % of a resolver's core",
            _WATCH_SHARE * 1e6 / binding["event_us"],
            "changes/s",
            store.events_s,
            "measured an event",
            "fewer bindings; then relays, or resolvers that follow a part",
        ),
        Limit(
            "budgets and rates, half of etcd's writes",
            most_puts / 2 / (measured.quota_puts_s * resolvers),
            "in use at a time",
            demand.quotas,
            "measured a quota and replica; taken as each in use all the time",
            "budgets of projects instead of keys; fewer, larger resolvers",
        ),
        Limit(
            "sessions whose provider's cache is remembered",
            float(_WARM_SESSIONS * resolvers),
            "sessions with a turn lately",
            demand.new_sessions_s * demand.session_s,
            "by construction",
            "nothing is lost but one thing: beyond it a session that an outage has "
            "moved stays where it is, also where a return would be cheaper",
        ),
        Limit(
            "etcd away: bindings that wait",
            _QUEUE * resolvers / max(1e-9, store.first_turns_s + store.renewals_s),
            "seconds",
            0.0,
            "by construction",
            "beyond it the oldest waiting are dropped, those where the hash leads "
            "anyway first: nothing is lost but what moved",
        ),
        Limit(
            f"ledger, {_DISK_GB:,.0f} GB",
            _DISK_GB / max(1e-9, size.ledger.gb_day + size.ledger.log_gb_day),
            "days at the busiest, its log kept",
            0.0,
            "measured a request",
            "partitions by day, dropped whole; sums by the hour stay, and are small",
        ),
    )
