"""Sessions and health that replicas of the resolver share through etcd.

Reading is a look into this process's own memory and writing is put in a queue,
so a request waits for etcd neither way. While etcd is away both go on with what
is known, and what was written meanwhile goes out when it is back.

Keys, below the prefix:

    1/s/<hh>/<24 hex>   <deployment id>|<unix minute it was written in>
    1/h/<key>           see `etcd_health.py`, as for the next two
    1/p/<rest>
    1/g/<key>=<where>
    1/q/..., 1/r/...    see `etcd_quotas.py`
    control/...         see `etcd_control.py`

`hh` are the first two digits of the session key, by which a reading of very
many is cut; `1` is the version of this layout. Each has a lease, but for what is
below `control` and the tallies of months.
"""

import asyncio
import functools
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import structlog

from holdfast.certificates import CertificateFiles
from holdfast.settings import EtcdSettings
from holdfast_resolver.etcd.client import ANYBODY, Access, EtcdClient, Login
from holdfast_resolver.etcd.mirror import Mirror
from holdfast_resolver.etcd.write_behind import StoreCounts, WriteBehind
from holdfast_resolver.etcd_control import EtcdControlStore
from holdfast_resolver.etcd_health import EtcdHealthStore, EtcdProbeStore
from holdfast_resolver.etcd_quotas import EtcdTallyStore

_log = structlog.get_logger()

Clock = Callable[[], float]
"""Unix time in seconds."""


def access_of(etcd: EtcdSettings) -> Access:
    """Return how an etcd lets us in that was configured.

    Raises:
        CertificateError: What it is to be shown cannot be used.
    """
    files = etcd.certificates
    return Access(
        certificates=None if files is None else CertificateFiles(files),
        login=None if etcd.password is None else Login(etcd.user, etcd.password),
    )


class EtcdStores:
    """The stores that live in one etcd.

    Attributes:
        sessions: Which deployment each session is bound to.
        health: Which deployments failed, and how it stands with them.
        probes: Which of their rests are being followed up.
        residency: Which deployments have worked elsewhere than they promise.
        control: What administrators have made.
        quotas: What is spent of budgets and rates.
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
        self._certificates = access.certificates
        prefix = prefix.rstrip("/")
        self._tasks: list[asyncio.Task[None]] = []
        self.sessions = EtcdSessionStore(
            self._client, f"{prefix}/1/s/", clock=clock, idle_s=idle_s
        )
        self.health = EtcdHealthStore(
            self._client, f"{prefix}/1/h/", clock=clock, idle_s=idle_s
        )
        self.residency = EtcdHealthStore(
            self._client, f"{prefix}/1/g/", clock=clock, idle_s=idle_s
        )
        self.probes = EtcdProbeStore(
            self._client, f"{prefix}/1/p/", lambda: self.health.synced
        )
        self.control = EtcdControlStore(
            self._client, f"{prefix}/control/", idle_s=idle_s
        )
        self.quotas = EtcdTallyStore(
            self._client, f"{prefix}/1/q/", f"{prefix}/1/r/", idle_s=idle_s
        )

    @staticmethod
    def of(etcd: EtcdSettings) -> "EtcdStores":
        """Prepare the stores of an etcd that was configured.

        Raises:
            CertificateError: What it is to be shown cannot be used.
        """
        return EtcdStores(etcd.endpoints, etcd.prefix, access=access_of(etcd))

    @property
    def synced(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""
        return self.sessions.synced and self.health.synced and self.control.synced

    @property
    def is_reading(self) -> bool:
        """Whether the sessions' bindings are being read, and some have come."""
        return self.sessions.mirror.is_reading

    async def start(self) -> None:
        """Begin to connect, and return at once, whether there is an etcd or not."""
        self._tasks = [
            asyncio.create_task(work())
            for store in (self.sessions, self.health, self.residency)
            for work in (store.mirror.run, store.writer.run)
        ]
        self._tasks += [
            asyncio.create_task(work())
            for work in (
                self.control.mirror.run,
                self.quotas.mirror.run,
                self.quotas.presence.run,
                self.quotas.run,
            )
        ]
        if self._certificates is not None:
            self._tasks.append(asyncio.create_task(self._certificates.follow()))

    async def wait_synced(self, timeout: float) -> bool:  # noqa: ASYNC109, bounded
        """Wait up to `timeout` seconds until synced, and return whether it is."""
        stores = (
            self.sessions,
            self.health,
            self.residency,
            self.control,
            self.quotas,
        )
        await asyncio.gather(*(store.mirror.wait_synced(timeout) for store in stores))
        return self.synced

    async def close(self, flush_timeout_s: float = 2.0) -> None:
        """Write what is still queued, if etcd takes it in time, and disconnect."""
        if self._tasks:
            stores = (self.sessions, self.health, self.residency)
            unwritten = await asyncio.gather(
                *(store.writer.drain(flush_timeout_s) for store in stores)
            )
            if any(unwritten):
                _log.warning("etcd_writes_abandoned", count=sum(unwritten))
            await self.quotas.close()
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
