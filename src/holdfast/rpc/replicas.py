"""Several replicas of one service: which to ask, and whom else if it is gone."""

import asyncio
import functools
import itertools
import zlib
from collections.abc import AsyncGenerator, Sequence

from holdfast.errors import DeadlineExceededError, GatewayError
from holdfast.rpc.addresses import Addresses, Lookup, look_up
from holdfast.rpc.asides import Asides
from holdfast.rpc.channels import Dialer, time_left
from holdfast.rpc.errors import unreachable
from holdfast.rpc.methods import Method, Request, Response
from holdfast.rpc.replica import (
    HandedOn,
    PassedOn,
    Reach,
    Replica,
    ReplicaGoneError,
)
from holdfast.rpc.turns import Turns
from holdfast.standpoint import OUT_OF_TOUCH

_SUSPICION_S = 10.0
"""How long a replica that did not answer is asked last, in seconds: by then gRPC
has noticed if its host is gone, and one call in ten seconds may look again."""


class Replicas:
    """Asks one replica of several, and another where the first is gone."""

    def __init__(
        self,
        dialer: Dialer,
        targets: Sequence[str],
        reach: Reach,
        patience_s: float = 0.0,
        lookup: Lookup = look_up,
    ) -> None:
        """Prepare to call them; nothing is called yet.

        Args:
            dialer: Opens channels to the service.
            targets: Where the replicas are: addresses, and names behind each of
                which there may be several.
            reach: How one of them is called.
            patience_s: How long to wait for one where none is there, in seconds.
            lookup: Finds the addresses behind a name.
        """
        if not targets:
            raise ValueError(f"no address of a {dialer.service} was given")
        self._dialer = dialer
        self._reach = reach
        self._patience_s = patience_s
        self._behind: dict[str, list[Replica]] = {}
        self._replicas: list[Replica] = []
        self._retiring: dict[Replica, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._suspected_until: dict[Replica, float] = {}
        self._asides = Asides[Replica]()
        self._turns = itertools.count()
        self.addresses = Addresses(dialer.service, targets, self._become, lookup)

    def _become(self, addresses: Sequence[str]) -> None:
        """Call whoever is at some addresses, and nobody else."""
        before, self._behind = self._behind, {}
        for address in addresses:
            there = before.pop(address, None)
            if there is None:
                found = functools.partial(self._add, address)
                there = [self._reach(self._dialer, address, found)]
            self._behind[address] = there
        for replica in itertools.chain.from_iterable(before.values()):
            self._retire(replica)
        self._list()

    def _add(self, address: str, replica: Replica) -> None:
        """Call a further replica at an address, unless that has gone meanwhile."""
        if address in self._behind:
            self._behind[address].append(replica)
            self._list()
        else:
            self._retire(replica)

    def _list(self) -> None:
        self._replicas = [*itertools.chain.from_iterable(self._behind.values())]
        self._suspected_until = {
            replica: self._suspected_until.get(replica, 0.0)
            for replica in self._replicas
        }
        self._asides.keep(self._replicas)
        self._changed.set()
        self._changed = asyncio.Event()

    def _retire(self, replica: Replica) -> None:
        task = self._retiring[replica] = asyncio.create_task(replica.retire())
        task.add_done_callback(lambda _: self._retiring.pop(replica, None))

    def is_reachable(self) -> bool:
        """Tell whether some replica can be called now."""
        self.addresses.follow()
        # Each is asked, for that makes each of them connect.
        return any([replica.is_connected() for replica in self._replicas])  # noqa: C419

    async def connected(self) -> None:
        """Wait until some replica can be called."""
        self.addresses.follow()
        while not await self._connected_or_changed():
            pass

    async def _connected_or_changed(self) -> bool:
        """Wait until a replica is connected, or there are others to wait for."""
        waiting = {
            asyncio.ensure_future(replica.connected()) for replica in self._replicas
        }
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            done, _ = await asyncio.wait(
                {*waiting, changed}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (*waiting, changed):
                task.cancel()
            await asyncio.gather(*waiting, changed, return_exceptions=True)
        return bool(done & waiting)

    async def close(self) -> None:
        """Hang up on all of them."""
        await self.addresses.close()
        retiring = {**self._retiring}
        for task in retiring.values():
            task.cancel()
        await asyncio.gather(*retiring.values(), return_exceptions=True)
        await asyncio.gather(
            *(replica.close() for replica in (*self._replicas, *retiring))
        )

    def in_turn(self, affinity: bytes) -> list[Replica]:
        """Return every replica, the one to ask first at the front.

        What has the same affinity meets the same replica again, so that it
        finds what that replica alone knows yet; the rest take turns. One that
        was silent of late comes last: each call would wait for it in vain.
        """
        if not self.addresses.are_followed:
            self.addresses.follow()
        now = asyncio.get_running_loop().time()
        until = self._suspected_until
        usable = [
            replica
            for replica in self._replicas
            if not replica.is_away() and until[replica] <= now
        ]
        away: list[Replica] = []
        if len(usable) < len(self._replicas):
            # Few, so that looking each up costs little.
            away = [replica for replica in self._replicas if replica not in usable]
        if not usable:
            return away
        first = zlib.crc32(affinity) if affinity else next(self._turns)
        first %= len(usable)
        turned = usable[first:] + usable[:first]
        if self._asides:
            turned = self._asides.sorted(turned, now)
        return turned + away

    def is_well(self, replica: Replica) -> bool:
        """Tell whether a replica is there, and in touch with whom it is to call."""
        now = asyncio.get_running_loop().time()
        return (
            replica not in self._asides
            and not replica.is_away()
            and self._suspected_until.get(replica, now) <= now
        )

    async def comes_back(self, deadline: float | None) -> bool:
        """Wait a while for some replica, and return whether one can be called."""
        patience = min(self._patience_s, time_left(deadline) or self._patience_s)
        if not patience:
            return False
        try:
            async with asyncio.timeout(patience):
                await self.connected()
        except TimeoutError:
            return False
        return True

    async def ask(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
        *,
        affinity: bytes = b"",
        patience_with_each_s: float | None = None,
    ) -> Response:
        """Ask replicas in turn until one is there to answer.

        Args:
            method: What to ask.
            request: Its request.
            deadline: When the caller waits no longer.
            affinity: What should meet the same replica again.
            patience_with_each_s: How long one replica may take before it counts
                as gone, in seconds. None for as long as there is time.

        Raises:
            ServiceUnavailableError: None was there.
            GatewayError: One answered that it failed, or time ran out.
        """
        gone: Exception | None = None
        async for replica in Turns(self, deadline, affinity):
            until = _sooner(deadline, patience_with_each_s)
            try:
                return await replica.call(method, request, until)
            except ReplicaGoneError as error:
                self.addresses.hurry()
                gone = error
            except DeadlineExceededError as error:
                if until == deadline:
                    raise
                if replica in self._suspected_until:
                    self._suspected_until[replica] = (until or 0.0) + _SUSPICION_S
                gone = error
        raise unreachable(self._dialer.service) from gone

    async def hand(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
        handed_on: HandedOn[Request],
    ) -> Response:
        """Ask one replica; where it is gone or reaches nobody, another one.

        Args:
            method: What to ask.
            request: Its request.
            deadline: When the caller waits no longer.
            handed_on: Says what to ask of another one.

        Raises:
            ServiceUnavailableError: None was there.
            GatewayError: One answered that it failed, or time ran out.
        """
        gone: Exception | None = None
        turns = Turns(self, deadline)
        async for replica in turns:
            asked = handed_on.addressed(request, may_hand_on=turns.has_another())
            try:
                answer = await replica.call(method, asked, deadline)
            except ReplicaGoneError as error:
                self.addresses.hurry()
                gone = error
            except GatewayError as error:
                request = await self._otherwise(turns, request, error, handed_on)
            else:
                self._asides.answered(replica)
                return answer
        handed_on.give_up(request)
        raise turns.out_of_touch or unreachable(self._dialer.service) from gone

    async def _otherwise(
        self,
        turns: Turns,
        request: Request,
        error: GatewayError,
        handed_on: HandedOn[Request],
    ) -> Request:
        """Return what to ask after a failure, of the same replica or of another.

        Raises:
            GatewayError: Nothing can be asked any more.
        """
        if OUT_OF_TOUCH in error.metadata and turns.asked is not None:
            self._asides.add(turns.asked, asyncio.get_running_loop().time())
            turns.out_of_touch = error
        else:
            turns.out_of_touch = None
        if (other := await handed_on.again(request, error)) is None:
            raise error
        if turns.out_of_touch is None:
            turns.repeat()
        return other

    async def ask_one(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float,
        *,
        affinity: bytes,
    ) -> Response:
        """Ask one replica that is there, and nobody else: what it does is not undone.

        Args:
            method: What to ask.
            request: Its request.
            deadline: When the caller waits no longer.
            affinity: What should meet the same replica again.

        Raises:
            ReplicaGoneError: It went away before it had answered.
            ServiceUnavailableError: None was there.
            GatewayError: It answered that it failed, or time ran out.
        """
        try:
            async with asyncio.timeout_at(deadline):
                while (replica := self._connected(affinity)) is None:
                    await self.connected()
        except TimeoutError:
            raise unreachable(self._dialer.service) from None
        return await replica.call(method, request, deadline)

    def _connected(self, affinity: bytes) -> Replica | None:
        """Return the first replica in turn that can be called now, if any can."""
        ready = (each for each in self.in_turn(affinity) if each.is_connected())
        return next(ready, None)

    async def stream(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
        passed_on: PassedOn[Request, Response],
    ) -> AsyncGenerator[Response, None]:
        """Stream one replica's answer; where it is gone, another's, or the rest of it.

        Args:
            method: What to ask.
            request: Its request.
            deadline: When the caller waits no longer.
            passed_on: Remembers what the caller has of the answer.

        Raises:
            ServiceUnavailableError: None was there, or the one that had begun
                is there no more and what it had begun is nobody else's to end.
            GatewayError: One answered that it failed, or time ran out.
        """
        gone: ReplicaGoneError | None = None
        begun = False
        turns = Turns(self, deadline)
        async for replica in turns:
            asked = passed_on.addressed(request, may_hand_on=turns.has_another())
            try:
                answer = await replica.open(method, asked, deadline)
                try:
                    while (message := await answer.read()) is not None:
                        begun = True
                        passed_on.add(message)
                        yield message
                finally:
                    answer.cancel()
            except ReplicaGoneError as error:
                self.addresses.hurry()
                gone = error
                if begun:
                    if (rest := passed_on.rest(request)) is None:
                        break
                    request = rest
            except GatewayError as error:
                request = await self._otherwise(turns, request, error, passed_on)
            else:
                self._asides.answered(replica)
                return
        passed_on.give_up(request)
        raise turns.out_of_touch or unreachable(self._dialer.service) from gone


def _sooner(deadline: float | None, patience_s: float | None) -> float | None:
    if patience_s is None:
        return deadline
    until = asyncio.get_running_loop().time() + patience_s
    return until if deadline is None else min(deadline, until)
