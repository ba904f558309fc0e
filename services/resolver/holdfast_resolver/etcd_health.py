"""Health that replicas of the resolver share through etcd.

Keys, below the prefix; each has a lease:

    1/h/<key>     a record, as `health/record.py` writes it
    1/p/<rest>    nothing: that it is there says that somebody tries
    1/g/<key>     a record whose end alone counts, of who worked elsewhere

What is known is read from this process's own memory, and what is to be told is
put in a queue. Only who asks for a probe waits for etcd, and not for long.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import TXN, EtcdClient
from holdfast_resolver.etcd.errors import EtcdError, LeaseNotFoundError
from holdfast_resolver.etcd.leases import LeaseBuckets
from holdfast_resolver.etcd.mirror import Changes, Mirror
from holdfast_resolver.etcd.write_behind import StoreCounts, WriteBehind
from holdfast_resolver.health.record import Record

_PATIENCE_S = 0.1
"""How long a request waits to hear whether it may probe: two calls of a healthy
etcd take a few milliseconds, and without an answer it goes where it would have
gone."""

Told = Callable[[str, Record | None], None]


@dataclass(frozen=True, slots=True)
class _RecordChange:
    """A record shall be joined with the one there is."""

    record: Record
    ttl: timedelta
    urgent: bool = True

    def replaces(self, current: Record | None) -> bool:
        return current is None or current.joined(self.record) != current

    def value(self) -> Record:
        return self.record


class EtcdHealthStore:
    """A `HealthStore` in etcd. Of two that differ, what they are joined to stands."""

    def __init__(
        self,
        client: EtcdClient,
        prefix: str,
        *,
        clock: Callable[[], float] = time.time,
        idle_s: float = 2.0,
    ) -> None:
        self._clock = clock
        self._watchers: list[Told] = []
        self._told: dict[str, Record] = {}
        self.mirror = Mirror(client, prefix, Record.parse, idle_s=idle_s)
        self.writer: WriteBehind[Record, _RecordChange] = WriteBehind(
            client, self.mirror, Record.serialize
        )
        self.mirror.listen(self._on_changes)
        self.writer.listen(self._tell)
        self.counts = StoreCounts(self.mirror.counts, self.writer.counts)

    @property
    def synced(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""
        return self.mirror.synced

    def publish(self, key: str, record: Record) -> None:
        """Tell the replicas, joined with what they know."""
        known = self._known(key)
        joined = record if known is None else known.joined(record)
        if joined != known:
            self._put(key, joined)
            self._tell(key)

    def watch(self, on_change: Told) -> None:
        """Have each change told, one's own too: None for what has run out.

        What is known already is told at once.
        """
        self._watchers.append(on_change)
        for key, record in self._told.items():
            on_change(key, record)

    def _known(self, key: str) -> Record | None:
        pending = self.writer.pending(key)
        written = self.mirror.entries.get(key)
        if pending is None:
            return written
        return pending.record if written is None else written.joined(pending.record)

    def _put(self, key: str, record: Record) -> None:
        self.writer.put(key, _RecordChange(record, self._life(record)))

    def _on_changes(self, changes: Changes[Record]) -> None:
        for key, written in changes.items():
            pending = self.writer.pending(key)
            if pending is not None and written is not None:
                # What waits is to take in what another replica was first to say.
                joined = written.joined(pending.record)
                if joined not in (written, pending.record):
                    self._put(key, joined)
            self._tell(key)

    def _tell(self, key: str) -> None:
        known = self._known(key)
        if known == self._told.get(key):
            return
        if known is None:
            del self._told[key]
        else:
            self._told[key] = known
        for tell in self._watchers:
            tell(key, known)

    def _life(self, record: Record) -> timedelta:
        # Powers of two from 16 s on, so that records of all lengths share a few
        # leases. The moments are in the value: living longer does no harm.
        left_s = max(16.0, record.ends_ms / 1_000 - self._clock())
        return timedelta(seconds=2 ** math.ceil(math.log2(left_s)))


class EtcdProbeStore:
    """A `ProbeStore` in etcd."""

    def __init__(
        self, client: EtcdClient, prefix: str, is_synced: Callable[[], bool]
    ) -> None:
        """Claim below a prefix.

        Args:
            client: Stays open as long as this is used.
            prefix: What the keys begin with.
            is_synced: Tells whether etcd is there, as far as is known: if not,
                it is not asked.
        """
        self._client = client
        self._prefix = prefix.encode()
        self._leases = LeaseBuckets(client)
        self._is_synced = is_synced

    async def claim(self, rest: str, life: timedelta) -> bool | None:
        """Write that a rest is followed up, unless it is written."""
        if not self._is_synced():
            return None
        try:
            return await self._claim(self._prefix + rest.encode(), life)
        except LeaseNotFoundError:
            self._leases.forget()
            return None
        except EtcdError:
            return None

    async def _claim(self, key: bytes, life: timedelta) -> bool:
        now = asyncio.get_running_loop().time
        end = now() + _PATIENCE_S
        lease = await self._leases.lease_for(life, 1, deadline_s=_PATIENCE_S)
        is_new = wire.Compare(
            key=key,
            result=wire.Compare.EQUAL,
            target=wire.Compare.CREATE,
            create_revision=0,
        )
        put = wire.PutRequest(key=key, lease=lease)
        answer = await self._client.call(
            TXN,
            wire.TxnRequest(compare=[is_new], success=[wire.RequestOp(put=put)]),
            deadline_s=end - now(),
        )
        return answer.succeeded
