"""Sessions and cooldowns that replicas of the resolver share through etcd.

Reading is a look into this process's own memory and writing is put in a queue,
so a request waits for etcd neither way. While etcd is away both go on with what
is known, and what was written meanwhile goes out when it is back.

Keys, below the prefix:

    1/s/<hh>/<24 hex>   <deployment id>|<unix minute it was written in>
    1/h/<key>           <Unix milliseconds>

`hh` are the first two digits of the session key, by which a reading of very
many is cut; `1` is the version of this layout. Each has a lease.
"""

import asyncio
import functools
import math
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import structlog

from holdfast_resolver.etcd.client import ANYBODY, Access, EtcdClient
from holdfast_resolver.etcd.mirror import Changes, Mirror, MirrorCounts
from holdfast_resolver.etcd.write_behind import WriteBehind, WriteCounts

_log = structlog.get_logger()

Clock = Callable[[], float]
"""Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What one store has been through, for metrics. It changes as the store goes on."""

    reading: MirrorCounts
    writing: WriteCounts


class EtcdStores:
    """The stores that live in one etcd.

    Attributes:
        sessions: Which deployment each session is bound to.
        cooldowns: Until when deployments are left aside.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        prefix: str = "/holdfast",
        *,
        access: Access = ANYBODY,
        clock: Clock = time.time,
        idle_s: float = 2.0,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            endpoints: `host:port` each, of members of one etcd.
            prefix: What all keys begin with, with or without a last slash.
            access: How etcd lets us in.
            clock: Says which minute a binding was written in.
            idle_s: How long etcd may be silent before it is asked for a sign of
                life, and how long it may take to give one. Two seconds each
                notice a hung etcd within four.
        """
        self._client = EtcdClient(endpoints, access=access)
        prefix = prefix.rstrip("/")
        self._tasks: list[asyncio.Task[None]] = []
        self.sessions = EtcdSessionStore(
            self._client, f"{prefix}/1/s/", clock=clock, idle_s=idle_s
        )
        self.cooldowns = EtcdCooldownStore(
            self._client, f"{prefix}/1/h/", clock=clock, idle_s=idle_s
        )

    @property
    def synced(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""
        return self.sessions.synced and self.cooldowns.synced

    async def start(self) -> None:
        """Begin to connect, and return at once, whether there is an etcd or not."""
        self._tasks = [
            asyncio.create_task(work())
            for store in (self.sessions, self.cooldowns)
            for work in (store.mirror.run, store.writer.run)
        ]

    async def wait_synced(self, timeout: float) -> bool:  # noqa: ASYNC109, bounded
        """Wait up to `timeout` seconds until synced, and return whether it is."""
        stores = (self.sessions, self.cooldowns)
        await asyncio.gather(*(store.mirror.wait_synced(timeout) for store in stores))
        return self.synced

    async def close(self, flush_timeout_s: float = 2.0) -> None:
        """Write what is still queued, if etcd takes it in time, and disconnect."""
        if self._tasks:
            stores = (self.sessions, self.cooldowns)
            unwritten = await asyncio.gather(
                *(store.writer.drain(flush_timeout_s) for store in stores)
            )
            if any(unwritten):
                _log.warning("etcd_writes_abandoned", count=sum(unwritten))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._client.close()


class Binding(NamedTuple):
    """A session's deployment, and when that was written: a Unix minute."""

    deployment_id: str
    minute: int

    def serialize(self) -> bytes:
        """Write it as `parse` reads it, to the byte."""
        return f"{self.deployment_id}|{self.minute}".encode()

    @staticmethod
    # A few thousand values stand for all: deployments, times the minutes of a life.
    @functools.lru_cache(maxsize=16_384)
    def parse(value: bytes) -> "Binding":
        """Read a binding.

        Raises:
            ValueError: It is none.
        """
        match = _BINDING.fullmatch(value.decode())
        if match is None:
            raise ValueError("not a binding")
        # One copy of each id, however many sessions are bound to it.
        return Binding(sys.intern(match[1]), int(match[2]))


# The minute without leading zeros, so that a binding is written as it was read.
_BINDING = re.compile(r"(.+)\|([1-9][0-9]{0,11})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _BindingChange:
    """A session shall be bound, in place of nothing or of what it may replace."""

    deployment_id: str
    ttl: timedelta
    clock: Clock
    replaceable: frozenset[str] = frozenset()
    urgent: bool = False

    def replaces(self, current: Binding | None) -> bool:
        return current is None or current.deployment_id in self.replaceable

    def value(self) -> Binding:
        return Binding(self.deployment_id, int(self.clock() // 60))


class EtcdSessionStore:
    """A `SessionStore` in etcd.

    Binding is put-if-absent and moving is compare-and-swap: of replicas that
    disagree one wins, and the others adopt what it wrote.
    """

    def __init__(
        self,
        client: EtcdClient,
        prefix: str,
        *,
        clock: Clock = time.time,
        idle_s: float = 2.0,
    ) -> None:
        self._clock = clock
        self.mirror = Mirror(
            client,
            prefix,
            Binding.parse,
            splits=[f"{shard:02x}/" for shard in range(256)],
            idle_s=idle_s,
        )
        self.writer: WriteBehind[Binding, _BindingChange] = WriteBehind(
            client, self.mirror, Binding.serialize
        )
        self.counts = StoreCounts(self.mirror.counts, self.writer.counts)

    @property
    def synced(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""
        return self.mirror.synced

    def get(self, key: str) -> str | None:
        """Return the deployment a session is bound to, None if it is unbound."""
        name = _session_name(key)
        bound = self.writer.pending(name) or self.mirror.entries.get(name)
        return None if bound is None else bound.deployment_id

    def bind(
        self, key: str, deployment_id: str, ttl: timedelta, *, urgent: bool = False
    ) -> None:
        """Bind a session unless a replica has bound it; then adopt that binding."""
        if self.get(key) is None:
            self.writer.put(
                _session_name(key),
                _BindingChange(deployment_id, ttl, self._clock, urgent=urgent),
            )

    def move(self, key: str, deployment_id: str, ttl: timedelta) -> None:
        """Bind a session anew, if it is still bound to what `get` said."""
        name = _session_name(key)
        bound = self.get(key)
        if bound == deployment_id:
            self.touch(key, ttl)
            return
        replaceable = frozenset() if bound is None else frozenset((bound,))
        # What is under way may turn out written or not: either may be replaced.
        earlier = self.writer.pending(name)
        if earlier is not None:
            replaceable |= earlier.replaceable
        self.writer.put(
            name,
            _BindingChange(deployment_id, ttl, self._clock, replaceable, urgent=True),
        )

    def touch(self, key: str, ttl: timedelta) -> None:
        """Let the binding live on, for `ttl` or a little more from now.

        It is written again once half its life is over: a session in use costs
        two writes in the time of one life.
        """
        name = _session_name(key)
        binding = self.mirror.entries.get(name)
        if binding is None or self.writer.pending(name) is not None:
            return
        age_at_most_s = self._clock() - 60 * binding.minute
        if age_at_most_s >= ttl.total_seconds() / 2:
            same = frozenset((binding.deployment_id,))
            self.writer.put(
                name, _BindingChange(binding.deployment_id, ttl, self._clock, same)
            )


def _session_name(key: str) -> str:
    return f"{key[:2]}/{key}"


@dataclass(frozen=True, slots=True)
class _CooldownChange:
    """A deployment shall be left aside until a moment.

    Attributes:
        until_ms: None withdraws the cooldown that is `known_ms`, or an earlier one.
    """

    until_ms: int | None
    known_ms: int
    ttl: timedelta
    urgent: bool = True

    def replaces(self, current: int | None) -> bool:
        if self.until_ms is None:
            return current is not None and current <= self.known_ms
        return current is None or current < self.until_ms

    def value(self) -> int | None:
        return self.until_ms


class EtcdCooldownStore:
    """A `CooldownStore` in etcd. Of two moments the later one stands."""

    def __init__(
        self,
        client: EtcdClient,
        prefix: str,
        *,
        clock: Clock = time.time,
        idle_s: float = 2.0,
    ) -> None:
        self._clock = clock
        self._watchers: list[Callable[[str, int | None], None]] = []
        self._told: dict[str, int] = {}
        self.mirror = Mirror(client, prefix, _parse_moment, idle_s=idle_s)
        self.writer: WriteBehind[int, _CooldownChange] = WriteBehind(
            client, self.mirror, _serialize_moment
        )
        self.mirror.listen(self._on_changes)
        self.writer.listen(self._tell)
        self.counts = StoreCounts(self.mirror.counts, self.writer.counts)

    @property
    def synced(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""
        return self.mirror.synced

    def publish(self, key: str, until_ms: int) -> None:
        """Tell the replicas; a moment earlier than the known one is ignored."""
        known = self._known(key)
        if known is None or until_ms > known:
            ttl = self._life(until_ms)
            self.writer.put(key, _CooldownChange(until_ms, until_ms, ttl))
            self._tell(key)

    def withdraw(self, key: str) -> None:
        """Tell the replicas that a deployment is back."""
        known = self._known(key)
        if known is not None:
            self.writer.put(key, _CooldownChange(None, known, timedelta(0)))
            self._tell(key)

    def watch(self, on_change: Callable[[str, int | None], None]) -> None:
        """Have each change told, one's own too: None for a withdrawal.

        What is known already is told at once.
        """
        self._watchers.append(on_change)
        for key, until_ms in self._told.items():
            on_change(key, until_ms)

    def _known(self, key: str) -> int | None:
        pending = self.writer.pending(key)
        return self.mirror.entries.get(key) if pending is None else pending.until_ms

    def _on_changes(self, changes: Changes[int]) -> None:
        for key in changes:
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

    def _life(self, until_ms: int) -> timedelta:
        # Powers of two from 16 s on, so that cooldowns of all lengths share a few
        # leases. The moment is in the value: living longer does no harm.
        left_s = max(16.0, until_ms / 1_000 - self._clock())
        return timedelta(seconds=2 ** math.ceil(math.log2(left_s)))


def _parse_moment(value: bytes) -> int:
    if not re.fullmatch(rb"[1-9][0-9]{0,14}", value):
        raise ValueError("not a moment")
    return int(value)


def _serialize_moment(moment: int) -> bytes:
    return str(moment).encode()
