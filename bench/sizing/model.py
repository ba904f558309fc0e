"""The sizing model: from a load to cores, memory, writes and events.

Everything that was measured comes from `bench.measured`; what is reckoned beside it is
said where it stands. Costs are taken to add up: what a request is, what its stream is,
what its body is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bench.measured import SERVICES, Measured

_LINGER_S = 0.025
_BATCH = 60
"""How bindings are gathered: holdfast_resolver.etcd.write_behind."""

_QUOTA_LINGER_S = 0.2
"""How long a replica gathers what it has to say of quotas: quotas/exchange.py."""

_KEYS_PER_LEASE = 1_000
_LEASE_S = 60.0
"""How many bindings share a lease, and for how long: etcd/leases.py."""

_RENEWED = 0.5
"""The share of its life after which a session in use has its binding written again:
`touch` in etcd_stores.py."""

HISTORY_S = 1_200.0
"""For how long etcd keeps what was overwritten, at most: it is compacted every ten
minutes down to the last ten (--auto-compaction-retention=10m)."""

_EDIT_PUTS = 3
"""Keys of an edit: what it edits, the log of edits, the generation. Measured too."""

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Demand:
    """A load, and how it is to be carried.

    Attributes:
        requests_s: Requests a second at the busiest.
        streamed: Share of them whose answers are streamed.
        stream_s: How long a stream lasts, in seconds.
        events_s: Events in each second of it.
        body_kb: KiB of messages in a request.
        failing: Share of requests whose first attempt fails at once.
        in_sessions: Share of requests that are turns of a session.
        sessions: Bindings that live at a time.
        session_s: From a session's first turn to its last, in seconds.
        ttl_s: `session_ttl_s`: how long a binding outlives its last turn at least.
        outage: Share of the sessions that are bound to the largest deployment, all
            of which move when it fails.
        quotas: Budgets and rates in use at a time, of all keys and scopes.
        edits_s: Edits a second.
        deployments: Known: of the catalog and declared.
        attempts: Made for a request.
        busy: The share of a core that is to be used at the busiest.
        least: Replicas of a service at least.
        spare: Replicas of each that may be gone.
    """

    requests_s: float = 10_000.0
    streamed: float = 0.6
    stream_s: float = 8.0
    events_s: float = 30.0
    body_kb: float = 8.0
    failing: float = 0.01
    in_sessions: float = 0.8
    sessions: float = 1_000_000.0
    session_s: float = 1_200.0
    ttl_s: float = 1_800.0
    outage: float = 0.1
    quotas: float = 50.0
    edits_s: float = 0.1
    deployments: float = 3_000.0
    attempts: float = 1.05
    busy: float = 0.6
    least: float = 3.0
    spare: float = 1.0

    @property
    def new_sessions_s(self) -> float:
        """Sessions that begin in a second, where `sessions` stay as many.

        A binding lives from the first turn until `ttl_s` after the last, and up to
        half of that longer: a turn in the first half of a life does not renew it.
        """
        return self.sessions / (self.session_s + self.ttl_s)

    @property
    def turns(self) -> float:
        """Turns of a session, by what else is said."""
        return self.requests_s * self.in_sessions / max(1e-9, self.new_sessions_s)

    @property
    def open_streams(self) -> float:
        """Streams open at a time."""
        return self.requests_s * self.streamed * self.stream_s


@dataclass(frozen=True, slots=True)
class ServiceSize:
    """What a service takes.

    Attributes:
        cores: Busy at the busiest, in all.
        replicas: Of one process each.
        memory_mb: Of each, MiB.
        streams: Open at each.
    """

    cores: float
    replicas: int
    memory_mb: float
    streams: float


@dataclass(frozen=True, slots=True)
class StoreSize:
    """What etcd takes. Rates are of the whole fleet, in a second.

    Attributes:
        first_turns_s: Keys written for sessions that begin.
        renewals_s: Keys written again for sessions in use.
        expiries_s: Keys that run out.
        quotas_s: Keys written for budgets and rates.
        puts_s: All keys written.
        entries_s: Entries of its log, each of which is synced to disk.
        leases_s: Leases granted, and as many revoked.
        events_s: Changes told to each resolver.
        sent_mb_s: MiB sent to all resolvers.
        moves_s: Keys written beside that in the first second after the largest
            deployment has failed.
        moved: Sessions that move then, in all.
        cores: Of each member, as if it were the only one.
        memory_mb: Of each member.
        file_mb: Of its database, history among it.
    """

    first_turns_s: float
    renewals_s: float
    expiries_s: float
    quotas_s: float
    puts_s: float
    entries_s: float
    leases_s: float
    events_s: float
    sent_mb_s: float
    moves_s: float
    moved: float
    cores: float
    memory_mb: float
    file_mb: float


@dataclass(frozen=True, slots=True)
class LedgerSize:
    """What the ledger takes.

    Attributes:
        rows_s: Rows written in a second, sums left out.
        gb_day: Gigabytes of tables and indexes in a day at that pace.
        log_gb_day: Of PostgreSQL's write-ahead log.
        cores: Of the resolvers, which write it.
    """

    rows_s: float
    gb_day: float
    log_gb_day: float
    cores: float


@dataclass(frozen=True, slots=True)
class Size:
    """What a load takes.

    Attributes:
        services: By name.
        start_s: What a resolver's start takes beside its own second or two, to read
            all bindings, in seconds.
        start_peak_mb: Its memory when it reads them all again, MiB.
        watch_share: Of a resolver's core, to follow the others' writes.
    """

    services: Mapping[str, ServiceSize]
    store: StoreSize
    ledger: LedgerSize
    start_s: float
    start_peak_mb: float
    watch_share: float


def size(demand: Demand, measured: Measured) -> Size:
    """Reckon what a load takes."""
    resolvers = int(demand.least + demand.spare)
    # More resolvers write more and hear more, and so there are more of them.
    for _ in range(20):
        store = _store(demand, measured, resolvers)
        services = {name: _service(demand, measured, name, store) for name in SERVICES}
        if services["resolver"].replicas == resolvers:
            break
        resolvers = services["resolver"].replicas
    binding = measured.binding
    ledger = measured.ledgers.get("postgres") or measured.ledgers["sqlite"]
    peak = measured.bindings[-1]
    again_b = (peak["mirror_again_peak_mb"] - peak["mirror_read_mb"]) * 2**20
    return Size(
        services,
        store,
        LedgerSize(
            demand.requests_s * (1 + demand.attempts),
            demand.requests_s * ledger["bytes"] * _DAY_S / 1e9,
            demand.requests_s * ledger["log_bytes"] * _DAY_S / 1e9,
            demand.requests_s * ledger["writing_us"] / 1e6,
        ),
        demand.sessions * binding["reading_us"] / 1e6,
        services["resolver"].memory_mb
        + demand.sessions * max(0.0, again_b / peak["bindings"]) / 2**20,
        store.events_s * binding["event_us"] / 1e6,
    )


def request_us(demand: Demand, measured: Measured, service: str) -> float:
    """Return what a request of this load costs a service, in CPU microseconds."""
    whole = (
        demand.in_sessions * measured.cpu_us("sessions")[service]
        + (1 - demand.in_sessions) * measured.cpu_us("small")[service]
    )
    events = demand.stream_s * demand.events_s
    streamed = (
        measured.stream_us(service)
        - measured.cpu_us("small")[service]
        + events * measured.event_us(service)
    )
    return (
        whole
        + demand.streamed * max(0.0, streamed)
        + demand.body_kb * measured.body_us(service)
        + demand.failing * measured.fallback_us(service)
    )


def _service(
    demand: Demand, measured: Measured, name: str, store: StoreSize
) -> ServiceSize:
    us = request_us(demand, measured, name)
    cores = demand.requests_s * us / 1e6
    idle = measured.idle_cores(name)
    memory_mb = measured.idle_mb(name)
    more = max(0.0, demand.deployments - measured.deployments)
    memory_mb += more * measured.deployment_kb(name) / 1024
    if name == "resolver":
        # Each hears of all that any of them writes.
        idle += store.events_s * measured.binding["event_us"] / 1e6
        memory_mb += demand.sessions * measured.binding["resolver_b"] / 2**20
    room = max(0.05, demand.busy - idle)
    replicas = max(demand.least, math.ceil(cores / room)) + demand.spare
    streams = demand.open_streams / replicas if name != "resolver" else 0.0
    memory_mb += streams * measured.stream_kb(name) / 1024
    return ServiceSize(cores + replicas * idle, int(replicas), memory_mb, streams)


def _store(demand: Demand, measured: Measured, resolvers: int) -> StoreSize:
    first = demand.new_sessions_s * measured.first_turn_puts
    # At most: a session that ends before half a life is over renews nothing.
    renewals = (
        demand.new_sessions_s * demand.session_s / (_RENEWED * demand.ttl_s)
        if demand.session_s >= _RENEWED * demand.ttl_s
        else 0.0
    )
    bindings = first + renewals
    # A replica writes of a quota when it has something to say: that a request was let
    # in, and what it came to.
    a_quota = 2 * demand.requests_s / max(1.0, demand.quotas) / resolvers
    quotas = demand.quotas * resolvers * min(measured.quota_puts_s, a_quota)
    edits = demand.edits_s * _EDIT_PUTS
    puts = bindings + quotas + edits
    entries = resolvers * _batches_s(bindings / resolvers) + demand.edits_s
    if demand.quotas:
        entries += resolvers * min(1 / _QUOTA_LINGER_S, quotas / resolvers)
    events = puts + first
    binding = measured.binding
    history = puts * HISTORY_S
    moved = demand.sessions * demand.outage
    none = measured.bindings[0]
    return StoreSize(
        first_turns_s=first,
        renewals_s=renewals,
        expiries_s=first,
        quotas_s=quotas,
        puts_s=puts,
        entries_s=entries,
        leases_s=max(bindings / _KEYS_PER_LEASE, resolvers / _LEASE_S),
        events_s=events,
        sent_mb_s=events * resolvers * binding["event_bytes"] / 2**20,
        moves_s=min(moved, demand.requests_s * demand.in_sessions * demand.outage),
        moved=moved,
        cores=puts * measured.put_us / 1e6,
        memory_mb=none["etcd_mb"]
        + demand.sessions * binding["etcd_b"] / 2**20
        + history * measured.overwritten["etcd_b"] / 2**20,
        file_mb=demand.sessions * binding["etcd_file_b"] / 2**20
        + history * measured.overwritten["etcd_file_b"] / 2**20,
    )


def _batches_s(puts_s: float) -> float:
    """Return how many transactions a replica's bindings go out in, in a second."""
    together = min(_BATCH, 1 + puts_s * _LINGER_S)
    return puts_s / together
