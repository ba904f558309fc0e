"""Writing to etcd without waiting for it.

Changes are queued by name and written in small batches: one call carries up to
sixty conditional transactions, which one connection does 23,000 a second of, at
a thirtieth of the work that as many calls would be. Each is conditional on what
the mirror holds, so that of two replicas one wins and the other adopts. What
etcd did not take is kept and written when it does.
"""

import asyncio
import contextlib
import random
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

import structlog

from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import TXN, EtcdClient
from holdfast_resolver.etcd.errors import EtcdError, LeaseNotFoundError
from holdfast_resolver.etcd.leases import LeaseBuckets
from holdfast_resolver.etcd.mirror import Changes, Mirror, MirrorCounts

_log = structlog.get_logger()

# Half of what etcd takes (--max-txn-ops, 128), where batches stop paying.
_BATCH = 60
# Long enough to gather 25 writes at 1,000 a second, and far below a next turn.
_LINGER_S = 0.025
_FIRST_BACKOFF_S = 0.05
_LAST_BACKOFF_S = 1.0

T = TypeVar("T")


class Change(Protocol[T]):
    """What shall become of an entry.

    Attributes:
        ttl: How long what is written lives at least.
        urgent: Whether it goes out at once, before others, and is the last to
            be dropped when too many wait.
    """

    @property
    def ttl(self) -> timedelta: ...  # noqa: D102, above

    @property
    def urgent(self) -> bool: ...  # noqa: D102, above

    def replaces(self, current: T | None) -> bool:
        """Whether to go through with it, where the entry is `current`."""

    def value(self) -> T | None:
        """Return the entry to write, as of now; None deletes it."""


C = TypeVar("C", bound=Change[Any])


@dataclass(slots=True)
class WriteCounts:
    """What became of changes.

    Attributes:
        won: Written.
        lost: Given up, because the entry had become something else first.
        shed: Dropped, because too many waited.
        transactions: Calls of etcd that succeeded.
        failed: Calls of etcd that did not; their changes are kept.
    """

    won: int = 0
    lost: int = 0
    shed: int = 0
    transactions: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What one store has been through, for metrics. It changes as the store goes on."""

    reading: MirrorCounts
    writing: WriteCounts


@dataclass(frozen=True, slots=True)
class _Write(Generic[T, C]):
    """A change about to be written, if the entry is still `current`."""

    name: str
    change: C
    current: T | None
    value: T | None


class WriteBehind(Generic[T, C]):
    """The queue of changes to the entries of one mirror.

    Attributes:
        counts: For metrics.
    """

    def __init__(
        self,
        client: EtcdClient,
        mirror: Mirror[T],
        serialize: Callable[[T], bytes],
        *,
        capacity: int = 100_000,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            client: Stays open as long as `run` runs.
            mirror: What changes are conditional on, and who is told of them.
            serialize: The opposite of the mirror's `parse`, to the byte.
            capacity: How many changes may wait: at 1,000 a second, an outage
                of 100 s, in about 25 MB.
        """
        self._client = client
        self._mirror = mirror
        self._serialize = serialize
        self._listeners: list[Callable[[str], None]] = []
        self._capacity = capacity
        self._leases = LeaseBuckets(client)
        # Ordered ones know their first: a dict would look for it past all that
        # have been taken out, 100,000 of them in 1.7 s.
        self._urgent: OrderedDict[str, C] = OrderedDict()
        self._patient: OrderedDict[str, C] = OrderedDict()
        self._under_way: dict[str, C] = {}
        self._waiting = asyncio.Event()
        self._hurry = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()
        self._closing = asyncio.Event()
        self._failing = False
        self.counts = WriteCounts()
        mirror.listen(self._reconsider)

    def pending(self, name: str) -> C | None:
        """Return the change of an entry that etcd has not confirmed, if any."""
        return (
            self._urgent.get(name)
            or self._patient.get(name)
            or self._under_way.get(name)
        )

    def put(self, name: str, change: C) -> None:
        """Queue a change, in place of one of the same entry that waits."""
        self._drop(name)
        (self._urgent if change.urgent else self._patient)[name] = change
        if len(self._urgent) + len(self._patient) > self._capacity:
            crowd = self._patient or self._urgent
            shed, _ = crowd.popitem(last=False)
            self.counts.shed += 1
            self._tell_settled(shed)
        self._mark()

    def listen(self, on_settled: Callable[[str], None]) -> None:
        """Have the name told of each entry whose change waits no more.

        It was written, given up or dropped; one replaced by another waits on.
        """
        self._listeners.append(on_settled)

    async def drain(self, timeout_s: float) -> int:
        """Hurry what waits along, and return how many are still not written."""
        self._closing.set()
        self._mark()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._done.wait()
        return len(self._urgent) + len(self._patient) + len(self._under_way)

    async def run(self) -> None:
        """Write what is queued until cancelled, whatever etcd does."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            await self._waiting.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_S):
                    await self._hurry.wait()
            writes = self._take()
            if not writes:
                continue
            try:
                contested = await self._write(writes)
            except LeaseNotFoundError:
                self._leases.forget()
                reason = "lease not found"
            except EtcdError as error:
                reason = str(error)
            except Exception:  # noqa: BLE001, a background task has nobody else to tell
                _log.exception(
                    "etcd_writer_failed", prefix=self._mirror.prefix.decode()
                )
                reason = "internal"
            else:
                backoff_s = _FIRST_BACKOFF_S
                self._say_failing(failing=False)
                if contested:
                    await self._pause(_FIRST_BACKOFF_S)
                continue
            finally:
                self._give_back()
            self.counts.failed += 1
            self._say_failing(failing=True, reason=reason)
            await self._pause(backoff_s)
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)

    def _take(self) -> list[_Write[T, C]]:
        """Take the next batch out of the queue, without what has become idle."""
        writes: list[_Write[T, C]] = []
        for queue in (self._urgent, self._patient):
            while queue and len(writes) < _BATCH:
                name, change = queue.popitem(last=False)
                current = self._mirror.entries.get(name)
                if change.replaces(current):
                    writes.append(_Write(name, change, current, change.value()))
                else:
                    self._give_up(name)
        self._under_way = {write.name: write.change for write in writes}
        self._mark()
        return writes

    async def _write(self, writes: list[_Write[T, C]]) -> bool:
        """Write a batch, and return whether some of it has to be tried again."""
        keys = Counter(w.change.ttl for w in writes if w.value is not None)
        leases = {
            ttl: await self._leases.lease_for(ttl, count) for ttl, count in keys.items()
        }
        request = wire.TxnRequest(
            success=[
                wire.RequestOp(txn=self._transaction(w, leases.get(w.change.ttl, 0)))
                for w in writes
            ]
        )
        answer = await self._client.call(TXN, request)
        self.counts.transactions += 1
        revision = answer.header.revision
        settled = [
            self._settle(write, result.txn, revision)
            for write, result in zip(writes, answer.responses, strict=True)
        ]
        return not all(settled)

    def _transaction(self, write: _Write[T, C], lease: int) -> wire.TxnRequest:
        key = self._mirror.prefix + write.name.encode()
        compare = wire.Compare(key=key, result=wire.Compare.EQUAL)
        if write.current is None:
            compare.target, compare.create_revision = wire.Compare.CREATE, 0
        else:
            compare.target = wire.Compare.VALUE
            compare.value = self._serialize(write.current)
        if write.value is None:
            op = wire.RequestOp(delete_range=wire.DeleteRangeRequest(key=key))
        else:
            put = wire.PutRequest(
                key=key, value=self._serialize(write.value), lease=lease
            )
            op = wire.RequestOp(put=put)
        found = wire.RequestOp(range=wire.RangeRequest(key=key))
        return wire.TxnRequest(compare=[compare], success=[op], failure=[found])

    def _settle(
        self, write: _Write[T, C], result: wire.TxnResponse, revision: int
    ) -> bool:
        """Note what became of a write; queue it again where that makes sense."""
        if result.succeeded:
            self.counts.won += 1
            del self._under_way[write.name]
            self._mirror.learn(write.name, write.value, revision)
            self._tell_settled(write.name)
            return True
        found = result.responses[0].range.kvs
        actual = self._mirror.parsed(found[0].value) if found else None
        # What does not parse stays: writing over it is for whoever wrote it.
        unreadable = bool(found) and actual is None
        lost = unreadable or not write.change.replaces(actual)
        if not lost and not self._is_queued(write.name):
            # Before the mirror tells: who listens finds that this still waits.
            self.put(write.name, write.change)
        del self._under_way[write.name]
        self._mirror.learn(write.name, actual, revision)
        if lost:
            self._give_up(write.name)
        return lost

    def _give_up(self, name: str) -> None:
        self.counts.lost += 1
        self._tell_settled(name)

    def _give_back(self) -> None:
        """Queue again what etcd has not taken, unless something newer waits."""
        unsettled, self._under_way = self._under_way, {}
        for name, change in unsettled.items():
            if not self._is_queued(name):
                self.put(name, change)
        self._mark()

    def _reconsider(self, changes: Changes[T]) -> None:
        """Drop what waits and has lost already, by what the mirror says."""
        for name, current in changes.items():
            for queue in (self._urgent, self._patient):
                change = queue.get(name)
                if change is not None and not change.replaces(current):
                    del queue[name]
                    self._give_up(name)
        self._mark()

    def _tell_settled(self, name: str) -> None:
        for tell in self._listeners:
            tell(name)

    def _is_queued(self, name: str) -> bool:
        return name in self._urgent or name in self._patient

    def _drop(self, name: str) -> None:
        self._urgent.pop(name, None)
        self._patient.pop(name, None)

    def _mark(self) -> None:
        """Say to the writer, and to who waits for it, how things stand."""
        waiting = len(self._urgent) + len(self._patient)
        hurry = bool(self._urgent) or waiting >= _BATCH or self._closing.is_set()
        for event, is_so in (
            (self._waiting, waiting > 0),
            (self._hurry, waiting > 0 and hurry),
            (self._done, not waiting and not self._under_way),
        ):
            if is_so:
                event.set()
            else:
                event.clear()

    async def _pause(self, backoff_s: float) -> None:
        if self._closing.is_set():
            # Who closes does not wait long, so keep trying while there is time.
            await asyncio.sleep(_FIRST_BACKOFF_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(
                backoff_s * random.SystemRandom().uniform(0.5, 1.5)
            ):
                await self._closing.wait()

    def _say_failing(self, *, failing: bool, reason: str = "") -> None:
        if failing is self._failing:
            return
        self._failing = failing
        prefix = self._mirror.prefix.decode()
        if failing:
            _log.warning("etcd_writes_held_back", prefix=prefix, reason=reason)
        else:
            _log.info("etcd_writes_resumed", prefix=prefix)
