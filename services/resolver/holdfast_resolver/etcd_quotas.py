"""Tallies of quotas that replicas of the resolver share through etcd.

Keys, below the prefix:

    1/q/<period>/<unit>/<scope>   a tally, as JSON; those of a minute have a lease
    1/r/<replica>                 nothing: that it is there says that the replica is

A replica's key is under a lease that it keeps alive. What it holds of a quota is its
own until that lease has run out by its own clock, which began to count before etcd's
did; others take it back when the key is gone, and not before.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta

import msgspec
import structlog

from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import (
    LEASE_GRANT,
    LEASE_KEEP_ALIVE,
    LEASE_REVOKE,
    TXN,
    EtcdClient,
)
from holdfast_resolver.etcd.errors import EtcdError, LeaseNotFoundError
from holdfast_resolver.etcd.leases import LeaseBuckets
from holdfast_resolver.etcd.mirror import Changes, Mirror
from holdfast_resolver.quotas.store import Found, Listener, Swap, TalliesAwayError
from holdfast_resolver.quotas.tally import Tally

_log = structlog.get_logger("holdfast.resolver")

_LIFE_S = 12
"""How long after its last sign of life a replica is taken for gone, in seconds: what
it held is of no use to anybody for so long. Shorter, and an election of etcd's would
cost every replica its shares."""

_SIGNS = 4
"""How many it gives in that time: three may be lost."""

_MARGIN_S = 0.5
"""How much earlier it takes itself for gone: clocks do not go exactly alike."""

_DEADLINE_S = 1.0
"""For a turn, in seconds. A healthy etcd takes a few milliseconds, and a call that
waits for a turn gives up after half of that."""

_decode = msgspec.json.Decoder(Tally).decode
_encode = msgspec.json.Encoder().encode


def _read(value: bytes) -> Tally:
    """Read a tally.

    Raises:
        ValueError: It is none.
    """
    try:
        return _decode(value)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


class EtcdTallyStore:
    """A `TallyStore` in etcd.

    Attributes:
        mirror: The tallies, as last seen.
        presence: The replicas that are there, likewise.
    """

    def __init__(  # noqa: PLR0913 - each is for the caller to choose
        self,
        client: EtcdClient,
        prefix: str,
        presence_prefix: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        idle_s: float = 2.0,
        life_s: int = _LIFE_S,
    ) -> None:
        """Prepare; `run` keeps the replica's sign of life.

        Args:
            client: Stays open as long as this is used.
            prefix: What the tallies' keys begin with.
            presence_prefix: What the replicas' keys begin with.
            clock: Seconds that go on while this process is stopped.
            idle_s: How long etcd may be silent; see `Mirror`.
            life_s: How long after its last sign of life a replica is gone.
        """
        self._client = client
        self._clock = clock
        self._life_s = life_s
        self._pause_s = life_s / _SIGNS
        self._leases = LeaseBuckets(client)
        self._listeners: list[Listener] = []
        self._replica = secrets.token_hex(6)
        self._lease = 0
        self._valid_until = 0.0
        self._appeared = asyncio.Event()
        self.mirror = Mirror(client, prefix, _read, idle_s=idle_s)
        self.presence = Mirror(client, presence_prefix, bool, idle_s=idle_s)
        self.mirror.listen(self._tell)

    @property
    def replica(self) -> str:
        """What this one is called. Another name after it was taken for gone."""
        return self._replica

    @property
    def is_present(self) -> bool:
        """Whether nobody can have taken this one for gone yet."""
        return self._clock() < self._valid_until

    @property
    def is_known(self) -> bool:
        """Whether what is read is what all replicas see, as far as is known."""
        return self.mirror.synced and self.presence.synced

    @property
    def replicas(self) -> Collection[str]:
        """Those that are there, as far as is known."""
        return self.presence.entries.keys()

    @property
    def tallies(self) -> Iterable[str]:
        """The names of all there are, as far as is known."""
        return tuple(self.mirror.entries)

    def get(self, name: str) -> Tally | None:
        """Return a tally as it was seen last."""
        return self.mirror.entries.get(name)

    def listen(self, on_change: Listener) -> None:
        """Have changes told, one's own too."""
        self._listeners.append(on_change)

    async def appear(self) -> None:
        """Be there: under another name than before, if it was there before."""
        self._appeared.clear()
        self._valid_until = 0.0
        # At first under the name that it has had from the beginning.
        name = secrets.token_hex(6) if self._lease else self._replica
        started = self._clock()
        try:
            lease = await self._client.call(
                LEASE_GRANT,
                wire.LeaseGrantRequest(ttl=self._life_s),
                deadline_s=_DEADLINE_S,
            )
            put = wire.PutRequest(
                key=self.presence.prefix + name.encode(), value=b"1", lease=lease.id
            )
            answer = await self._client.call(
                TXN,
                wire.TxnRequest(success=[wire.RequestOp(put=put)]),
                deadline_s=_DEADLINE_S,
            )
        except EtcdError as error:
            raise TalliesAwayError(str(error)) from error
        former, self._replica, self._lease = self._lease, name, lease.id
        # Etcd may round a short life up, and never down.
        self._valid_until = started + self._life_s - _MARGIN_S
        self.presence.learn(name, True, answer.header.revision)
        self._appeared.set()
        if former:
            # What was held under the other name others may have now.
            with contextlib.suppress(EtcdError):
                await self._client.call(
                    LEASE_REVOKE, wire.LeaseRevokeRequest(id=former)
                )

    async def run(self) -> None:
        """Give signs of life from when it has appeared, until cancelled."""
        while True:
            await self._appeared.wait()
            try:
                await self._keep_alive()
            except EtcdError as error:
                _log.debug("presence_unconfirmed", reason=str(error))
            except Exception:  # noqa: BLE001, a background task has nobody else to tell
                _log.exception("presence_failed")
            await asyncio.sleep(self._pause_s / 3)

    async def swap(self, swaps: Sequence[Swap]) -> Sequence[Found | None]:
        """Change tallies, each of them wholly or not at all."""
        lives = {swap.life_s for swap in swaps if swap.life_s is not None}
        try:
            leases = {
                life_s: await self._leases.lease_for(
                    timedelta(seconds=life_s), len(swaps), deadline_s=_DEADLINE_S
                )
                for life_s in lives
            }
            request = wire.TxnRequest(
                success=[
                    wire.RequestOp(
                        txn=self._transaction(
                            each,
                            0 if each.life_s is None else leases[each.life_s],
                        )
                    )
                    for each in swaps
                ]
            )
            answer = await self._client.call(TXN, request, deadline_s=_DEADLINE_S)
        except LeaseNotFoundError as error:
            self._leases.forget()
            raise TalliesAwayError(str(error)) from error
        except EtcdError as error:
            raise TalliesAwayError(str(error)) from error
        revision = answer.header.revision
        return [
            self._answered(each, result.txn, revision)
            for each, result in zip(swaps, answer.responses, strict=True)
        ]

    async def forget(self, names: Sequence[str]) -> None:
        """Delete tallies."""
        try:
            for name in names:
                delete = wire.DeleteRangeRequest(key=self._key(name))
                await self._client.call(
                    TXN, wire.TxnRequest(success=[wire.RequestOp(delete_range=delete)])
                )
        except EtcdError as error:
            raise TalliesAwayError(str(error)) from error

    async def close(self) -> None:
        """Be gone, so that others need not wait until that is certain."""
        if not self.is_present:
            return
        self._valid_until = 0.0
        with contextlib.suppress(EtcdError):
            await self._client.call(
                LEASE_REVOKE, wire.LeaseRevokeRequest(id=self._lease)
            )

    async def _keep_alive(self) -> None:
        lease = self._lease
        request = wire.LeaseKeepAliveRequest(id=lease)
        async with self._client.stream(
            LEASE_KEEP_ALIVE, open_timeout_s=self._pause_s
        ) as call:
            while self._lease == lease and self.is_present:
                asked = self._clock()
                async with asyncio.timeout(self._pause_s):
                    await call.write(request)
                    answer = await call.read()
                if not isinstance(answer, wire.LeaseKeepAliveResponse):
                    return  # The stream has ended: another one is opened.
                if self._lease == lease and self.is_present:
                    # No time at all where the lease has run out.
                    self._valid_until = asked + answer.ttl - _MARGIN_S
                await asyncio.sleep(self._pause_s)
        if self._lease == lease:
            # There is nothing to keep alive until it appears anew.
            self._appeared.clear()

    def _transaction(self, swap: Swap, lease: int) -> wire.TxnRequest:
        key = self._key(swap.name)
        as_it_was = wire.Compare(key=key, result=wire.Compare.EQUAL)
        if swap.before is None:
            as_it_was.target, as_it_was.create_revision = wire.Compare.CREATE, 0
        else:
            as_it_was.target, as_it_was.value = wire.Compare.VALUE, _encode(swap.before)
        here = self.presence.prefix + self._replica.encode()
        present = wire.Compare(
            key=here,
            result=wire.Compare.GREATER,
            target=wire.Compare.CREATE,
            create_revision=0,
        )
        gone = [
            wire.Compare(
                key=self.presence.prefix + name.encode(),
                result=wire.Compare.EQUAL,
                target=wire.Compare.CREATE,
                create_revision=0,
            )
            for name in sorted(swap.gone)
        ]
        put = wire.PutRequest(key=key, value=_encode(swap.after), lease=lease)
        return wire.TxnRequest(
            compare=[as_it_was, present, *gone],
            success=[wire.RequestOp(put=put)],
            failure=[
                wire.RequestOp(range=wire.RangeRequest(key=key)),
                wire.RequestOp(range=wire.RangeRequest(key=here)),
            ],
        )

    def _answered(
        self, swap: Swap, result: wire.TxnResponse, revision: int
    ) -> Found | None:
        if result.succeeded:
            self.mirror.learn(swap.name, swap.after, revision)
            return None
        found, here = (each.range.kvs for each in result.responses)
        tally = self.mirror.parsed(found[0].value) if found else None
        if found and tally is None:
            raise TalliesAwayError(f"the tally {swap.name} is of another version")
        self.mirror.learn(swap.name, tally, revision)
        if not here:
            self._valid_until = 0.0
        return Found(tally, bool(here))

    def _key(self, name: str) -> bytes:
        return self.mirror.prefix + name.encode()

    def _tell(self, changes: Changes[Tally]) -> None:
        for tell in self._listeners:
            tell(changes.keys())
