"""A part of etcd kept in this process: reading it is reading a dictionary.

Everything under a prefix is read once, then watched. A watch that breaks is
resumed where it stopped; where etcd no longer has the history in between,
everything is read again and the difference applied. Meanwhile what was known
stays readable, and `synced` says that it may be old.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import RANGE, EtcdClient, prefix_end
from holdfast_resolver.etcd.errors import CompactedError, EtcdError
from holdfast_resolver.etcd.watch import is_answer_to_asking, watching

_log = structlog.get_logger()

# One page takes the event loop about 12 ms to decode.
_PAGE_KEYS = 5_000
_PAGE_DEADLINE_S = 5.0
# How soon a watch that has to catch up is asked whether it has; etcd looks after
# such watches every 100 ms.
_CATCH_UP_S = 0.2
_FIRST_BACKOFF_S = 0.1
_LAST_BACKOFF_S = 1.0

T = TypeVar("T")
Changes = Mapping[str, T | None]
"""What became of entries by name: None for one that is gone."""


@dataclass(slots=True)
class MirrorCounts:
    """What a mirror has been through.

    Attributes:
        full_reads: How often everything was read.
        reconnects: How often the watch, or the reading, broke off.
        unreadable: Entries ignored because their name or value did not parse.
    """

    full_reads: int = 0
    reconnects: int = 0
    unreadable: int = 0


class Mirror(Generic[T]):
    """The entries under a prefix, by what follows the prefix in their key.

    Attributes:
        prefix: What the keys begin with.
        entries: As last seen. Not to be changed.
        is_reading: Whether everything is being read, and some of it has come.
        counts: For metrics.
    """

    def __init__(
        self,
        client: EtcdClient,
        prefix: str,
        parse: Callable[[bytes], T],
        *,
        splits: Sequence[str] = (),
        idle_s: float = 2.0,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            client: Stays open as long as `run` runs.
            prefix: Text, ending where names begin, e.g. with a slash.
            parse: Makes an entry of a value, or raises `ValueError`.
            splits: Names, in order, at which a reading of very many entries is
                cut, which have nothing to do with each other. Etcd counts to the
                end of the range for every page: a million keys took 23 s in one
                range and 3.8 s in many.
            idle_s: How long etcd may be silent before it is asked, and after.
        """
        self._client = client
        self.prefix = prefix.encode()
        self._parse = parse
        self._splits = [self.prefix + split.encode() for split in splits]
        self._idle_s = idle_s
        self._listeners: list[Callable[[Changes[T]], None]] = []
        self._synced = asyncio.Event()
        self._said_synced: bool | None = None
        self._away_since = time.monotonic()
        self._revision = 0
        # Revisions, by name, of entries learnt before the watch has come to them.
        self._ahead: dict[str, int] = {}
        self.entries: dict[str, T] = {}
        self.is_reading = False
        self.counts = MirrorCounts()

    @property
    def synced(self) -> bool:
        """Whether the watch is up and has caught up, as far as is known."""
        return self._synced.is_set()

    @property
    def away_s(self) -> float:
        """For how many seconds it has not been synced. Zero while it is."""
        if self.synced:
            return 0.0
        return time.monotonic() - self._away_since

    async def wait_synced(self, timeout_s: float) -> bool:
        """Wait until synced, and return whether it is."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._synced.wait()
        except TimeoutError:
            return False
        return True

    def listen(self, on_changes: Callable[[Changes[T]], None]) -> None:
        """Have changes told once they are applied; those of a revision together."""
        self._listeners.append(on_changes)

    def learn(self, name: str, value: T | None, revision: int) -> None:
        """Take over what a transaction at `revision` found or wrote.

        The watch brings the same a little later; until then older news of this
        entry is not believed.
        """
        self.learn_together({name: value}, revision)

    def learn_together(self, changes: Changes[T], revision: int) -> None:
        """Take over all that a transaction at `revision` wrote, told together."""
        if revision > self._revision:
            self._ahead |= dict.fromkeys(changes, revision)
            self._apply(changes)

    def parsed(self, value: bytes) -> T | None:
        """Parse a value; None, counted, if it does not parse."""
        try:
            return self._parse(value)
        except ValueError:
            self.counts.unreadable += 1
            return None

    async def run(self) -> None:
        """Mirror until cancelled, whatever etcd does."""
        backoff_s = _FIRST_BACKOFF_S
        while True:
            try:
                if not self._revision:
                    await self._read_all()
                await self._follow()
            except CompactedError as error:
                self._revision = 0
                reason = str(error)
            except EtcdError as error:
                reason = str(error)
            except Exception:  # noqa: BLE001, a background task has nobody else to tell
                _log.exception("etcd_mirror_failed", prefix=self.prefix.decode())
                self._revision = 0
                reason = "internal"
            if self.synced:
                backoff_s = _FIRST_BACKOFF_S
            self._say_synced(synced=False, reason=reason)
            self.counts.reconnects += 1
            # Jitter, so that replicas do not come back all at once.
            await asyncio.sleep(backoff_s * random.SystemRandom().uniform(0.5, 1.5))
            backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)

    async def _read_all(self) -> None:
        """Read everything as of one revision and apply what differs.

        All at once, so that no revision is seen by halves. What is read in parts is
        applied in parts: a million entries at once would keep the event loop for
        seconds.
        """
        learnt_before = max(self._ahead.values(), default=0)
        seen: set[str] = set()
        found: dict[str, T | None] = {}
        revision = 0
        try:
            async for page in self._pages():
                if not revision:
                    revision = page.header.revision
                    self.is_reading = True
                    # Nothing older than a finished transaction is read, unless the
                    # store is another one: nothing learnt of the old one holds.
                    if revision < learnt_before:
                        self._ahead.clear()
                for kv in page.kvs:
                    name, value = self._name(kv), self.parsed(kv.value)
                    if name is not None and value is not None:
                        found[name] = value
                        seen.add(name)
                if self._splits:
                    self._adopt(found, revision)
                    found = {}
        finally:
            self.is_reading = False
        found |= dict.fromkeys(name for name in self.entries if name not in seen)
        self._adopt(found, revision)
        self._ahead = {n: at for n, at in self._ahead.items() if at > revision}
        self._revision = revision
        self.counts.full_reads += 1

    def _adopt(self, found: Changes[T], revision: int) -> None:
        """Apply what was read as of a revision, where nothing newer is known."""
        self._apply(
            {
                name: value
                for name, value in found.items()
                if self.entries.get(name) != value
                and self._ahead.get(name, 0) <= revision
            }
        )

    async def _pages(self) -> AsyncIterator[wire.RangeResponse]:
        start, end = self.prefix, prefix_end(self.prefix)
        stop, revision = end, 0
        while start < end:
            page = await self._client.call(
                RANGE,
                wire.RangeRequest(
                    key=start, range_end=stop, limit=_PAGE_KEYS, revision=revision
                ),
                deadline_s=_PAGE_DEADLINE_S,
            )
            yield page
            revision = revision or page.header.revision
            start = page.kvs[-1].key + b"\0" if page.more else stop
            stop = next((split for split in self._splits if split > start), end)

    async def _follow(self) -> None:
        """Apply what happens from the known revision on, until the watch breaks."""
        changes: dict[str, T | None] = {}
        current: int | None = None
        async with watching(
            self._client, self.prefix, self._revision + 1, idle_s=self._idle_s
        ) as watch:
            while True:
                response = await watch.next(None if self.synced else _CATCH_UP_S)
                if response.created:
                    # Its revision is where etcd is, not where this watch is:
                    # what happened in between is still to come.
                    current = response.header.revision
                    if current < self._revision:
                        raise CompactedError("etcd's history was replaced")
                    if current == self._revision:
                        self._say_synced(synced=True)
                    continue
                self._collect(response, changes)
                if response.fragment:
                    continue
                self._apply(changes)
                changes = {}
                asked_for = is_answer_to_asking(response)
                if response.events:
                    self._revision = response.events[-1].kv.mod_revision
                elif not asked_for:
                    self._revision = max(self._revision, response.header.revision)
                if current is not None and (asked_for or self._revision >= current):
                    self._say_synced(synced=True)

    def _collect(
        self, response: wire.WatchResponse, changes: dict[str, T | None]
    ) -> None:
        for event in response.events:
            name = self._name(event.kv)
            if name is None or event.kv.mod_revision < self._ahead.get(name, 0):
                continue
            self._ahead.pop(name, None)
            gone = event.type == wire.Event.DELETE
            changes[name] = None if gone else self.parsed(event.kv.value)

    def _name(self, kv: wire.KeyValue) -> str | None:
        try:
            return kv.key[len(self.prefix) :].decode()
        except UnicodeDecodeError:
            self.counts.unreadable += 1
            return None

    def _apply(self, changes: Changes[T]) -> None:
        if not changes:
            return
        for name, value in changes.items():
            if value is None:
                self.entries.pop(name, None)
            else:
                self.entries[name] = value
        for tell in self._listeners:
            tell(changes)

    def _say_synced(self, *, synced: bool, reason: str = "") -> None:
        if synced:
            self._synced.set()
        else:
            self._synced.clear()
        if synced is self._said_synced:
            return
        if not synced and self._said_synced is not None:
            self._away_since = time.monotonic()
        self._said_synced = synced
        prefix = self.prefix.decode()
        if synced:
            _log.info("etcd_sync_gained", prefix=prefix, entries=len(self.entries))
        else:
            _log.warning("etcd_sync_lost", prefix=prefix, reason=reason)
