"""Resources that replicas of the resolver share through etcd, edited one at a time.

Keys, below the prefix, none of them leased:

    control/resources/<kind>/<organization>/<names...>   a resource
    control/generation                                   the number of the last edit
    control/log/<number>                                 what that edit did

All of it is mirrored in this process's memory, and read from there. An edit is one
transaction, which goes through only if the generation is still the one that it was
decided on: so edits are made one after the other in the whole fleet, each on what
the one before left, and no reader sees half of one.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog

from holdfast.control.resources import Any as AnyResource
from holdfast.errors import (
    GatewayError,
    RequestMalformedError,
    ServiceUnavailableError,
)
from holdfast_resolver.control.history import KEPT_GENERATIONS, changes_of
from holdfast_resolver.control.records import (
    GENERATION,
    Entry,
    Kept,
    Logged,
    Path,
    log_key,
    read,
    write,
)
from holdfast_resolver.control.state import State
from holdfast_resolver.control.store import Changes, Decide, EditCounts
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import TXN, EtcdClient
from holdfast_resolver.etcd.errors import EtcdError
from holdfast_resolver.etcd.mirror import Changes as Told
from holdfast_resolver.etcd.mirror import Mirror

_log = structlog.get_logger("holdfast.control")

MOST_CHANGES = 120
"""Resources that one edit may change: with the generation, its log entry and the
one that is let go it stays below the 128 operations that etcd takes a transaction
(--max-txn-ops)."""

_MOST_BYTES = 1 << 20
"""Of one edit: etcd takes requests of 1.5 MiB (--max-request-bytes)."""

_PATIENCE_S = 2.0
"""How long an edit waits for etcd and for faster ones, in seconds: an election in a
healthy cluster takes one to one and a half."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


class EtcdControlStore:
    """A `ControlStore` in etcd.

    Attributes:
        mirror: Everything below the prefix, as last seen.
        state: The same, by what it is.
        counts: For metrics.
    """

    def __init__(
        self,
        client: EtcdClient,
        prefix: str,
        *,
        clock: Clock = _now,
        idle_s: float = 2.0,
    ) -> None:
        """Prepare; the mirror's `run` does the reading.

        Args:
            client: Stays open as long as the mirror runs.
            prefix: What its keys begin with, ending with a slash.
            clock: Says when an edit is made.
            idle_s: How long etcd may be silent; see `Mirror`.
        """
        self._client = client
        self._clock = clock
        self._listeners: list[Callable[[Sequence[Path]], None]] = []
        self._turn = asyncio.Lock()
        self._failures = 0
        self._changed = asyncio.Event()
        self.state = State()
        self.counts = EditCounts()
        self.mirror: Mirror[Entry] = Mirror(client, prefix, read, idle_s=idle_s)
        self.mirror.listen(self._on_changes)

    @property
    def synced(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""
        return self.mirror.synced

    @property
    def known(self) -> bool:
        """Whether what is kept has been read at all."""
        return self.mirror.counts.full_reads > 0

    @property
    def away_s(self) -> float:
        """For how many seconds it is not known whether that is still so."""
        return self.mirror.away_s

    def listen(self, on_change: Callable[[Sequence[Path]], None]) -> None:
        """Have each edit told, one's own too, once it is in `state`."""
        self._listeners.append(on_change)

    async def edit(self, actor: str, action: str, decide: Decide) -> Logged | None:
        """Make one edit: all of it, or nothing; see `ControlStore.edit`."""
        try:
            entry = await self._edit(actor, action, decide)
        except ServiceUnavailableError:
            self.counts.unavailable += 1
            raise
        except GatewayError:
            self.counts.refused += 1
            raise
        if entry is not None:
            self.counts.made += 1
            # The audit trail that outlives what etcd keeps: what it was is there.
            _log.info(
                "edit_made",
                actor=actor,
                action=action,
                generation=entry.number,
                resources=[f"{each.kind} {each.path.text}" for each in entry.changes],
            )
        return entry

    async def _edit(self, actor: str, action: str, decide: Decide) -> Logged | None:
        now = asyncio.get_running_loop().time
        failures = self._failures
        async with self._turn:
            if self._failures != failures:
                # Whoever was before has waited for etcd in vain.
                raise _away()
            end = now() + _PATIENCE_S
            while True:
                waited_already = self.mirror.away_s
                if not await self.mirror.wait_synced(
                    max(0.0, end - now() - waited_already)
                ):
                    raise self._failed(_away())
                changes = decide(self.state)
                if not changes:
                    return None
                made, known = await self._try(actor, action, changes)
                if made is not None:
                    return made
                self.counts.lost_races += 1
                if not await self._has_moved_on(known, end):
                    raise self._failed(_away())

    async def _has_moved_on(self, known: int, end: float) -> bool:
        """Wait for the edit that was faster to come in, and return whether it has."""
        try:
            async with asyncio.timeout_at(end):
                while self.state.generation == known:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _try(
        self, actor: str, action: str, changes: Changes
    ) -> tuple[Logged | None, int]:
        """Try once; return what was written down and which generation it was tried on.

        None: another edit was faster.
        """
        state = self.state
        known, at = state.generation, self._clock()
        written, cut = changes_of(changes, state)
        entry = Logged(
            number=known + 1,
            at=at,
            actor=actor,
            action=action,
            edit=secrets.token_hex(8),
            changes=written,
            cut=cut,
        )
        entries: dict[str, Kept | Logged | int | None] = {
            path.key: _kept(path, resource, state, entry)
            for path, resource in changes.items()
        }
        entries[GENERATION] = entry.number
        entries[log_key(entry.number)] = entry
        if (old := entry.number - KEPT_GENERATIONS) > 0:
            entries[log_key(old)] = None
        request = self._transaction(known, entries)
        _check_size(changes, request)
        try:
            answer = await self._client.call(TXN, request)
        except EtcdError as error:
            _log.warning("edit_failed", actor=actor, action=action, reason=str(error))
            raise self._failed(_unsure()) from error
        revision = answer.header.revision
        if not answer.succeeded:
            # A call may be carried out twice: then the second finds the first.
            revision = _revision_of(entry, answer)
        if revision:
            self.mirror.learn_together(entries, revision)
        return (entry if revision else None), known

    def _transaction(
        self, known: int, entries: dict[str, Kept | Logged | int | None]
    ) -> wire.TxnRequest:
        generation = self._key(GENERATION)
        unchanged = wire.Compare(key=generation, result=wire.Compare.EQUAL)
        if known:
            unchanged.target, unchanged.value = wire.Compare.VALUE, write(known)
        else:
            unchanged.target, unchanged.create_revision = wire.Compare.CREATE, 0
        taken = wire.RangeRequest(key=self._key(log_key(known + 1)))
        return wire.TxnRequest(
            compare=[unchanged],
            success=[self._operation(key, entry) for key, entry in entries.items()],
            failure=[wire.RequestOp(range=taken)],
        )

    def _operation(self, key: str, entry: Kept | Logged | int | None) -> wire.RequestOp:
        name = self._key(key)
        if entry is None:
            return wire.RequestOp(delete_range=wire.DeleteRangeRequest(key=name))
        return wire.RequestOp(put=wire.PutRequest(key=name, value=write(entry)))

    def _key(self, name: str) -> bytes:
        return self.mirror.prefix + name.encode()

    def _failed(self, error: ServiceUnavailableError) -> ServiceUnavailableError:
        """Have those that wait behind this edit fail with it."""
        self._failures += 1
        return error

    def _on_changes(self, changes: Told[Entry]) -> None:
        changed = self.state.apply(changes)
        self._changed.set()
        for tell in self._listeners:
            tell(changed)


def _kept(
    path: Path, resource: AnyResource | None, state: State, entry: Logged
) -> Kept | None:
    if resource is None:
        return None
    before = state.get(path)
    return Kept(
        path.kind,
        resource,
        entry.number,
        entry.at if before is None else before.created_at,
        entry.at,
    )


def _revision_of(entry: Logged, answer: wire.TxnResponse) -> int:
    """Return the revision an edit was made at, zero if another is in its place."""
    for each in answer.responses:
        for kv in each.range.kvs:
            found = read(kv.value)
            if isinstance(found, Logged) and found.edit == entry.edit:
                return int(kv.mod_revision)
    return 0


def _check_size(changes: Changes, request: wire.TxnRequest) -> None:
    if len(changes) > MOST_CHANGES or request.ByteSize() > _MOST_BYTES:
        raise RequestMalformedError(
            f"The edit would change {len(changes)} resources of "
            f"{request.ByteSize()} bytes at once; {MOST_CHANGES} resources and "
            f"{_MOST_BYTES} bytes are the most. Make it in smaller steps.",
            field="changes",
        )


def _away() -> ServiceUnavailableError:
    return ServiceUnavailableError(
        "The edit was not made: etcd, where it would be kept, cannot be reached. "
        "What is there goes on being used; try again later.",
        service="etcd",
    )


def _unsure() -> ServiceUnavailableError:
    return ServiceUnavailableError(
        "Etcd gave no answer, and the edit may have been made or not: look, before "
        "you try again.",
        service="etcd",
    )
