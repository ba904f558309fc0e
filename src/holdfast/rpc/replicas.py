"""Several replicas of one service: which to ask, and whom else if it is gone."""

import asyncio
import itertools
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Generic, Protocol, Self, TypeVar

from holdfast.errors import DeadlineExceededError
from holdfast.rpc.channels import time_left
from holdfast.rpc.errors import unreachable
from holdfast.rpc.methods import Method, Request, Response

_Read = TypeVar("_Read", covariant=True)  # noqa: PLC0105 - one letter more says nothing


class ReplicaGoneError(Exception):
    """A replica is not there, or is no more: another one may be asked."""


class Reading(Protocol, Generic[_Read]):
    """A streamed answer on its way."""

    async def read(self) -> _Read | None:
        """Return the next message, or None at the end of the whole answer.

        Raises:
            ReplicaGoneError: There will be no more, for want of the replica.
            GatewayError: There will be no more; it says why.
        """

    def cancel(self) -> None:
        """Have the other side stop. Does nothing once the answer has ended."""


class Replica(Protocol):
    """One process of a service, and a way to call it."""

    def is_away(self) -> bool:
        """Tell whether it could not be reached when that was last tried."""

    def is_connected(self) -> bool:
        """Tell whether it can be called now; begin to connect if not."""

    async def connected(self) -> None:
        """Wait until it can be called."""

    async def call(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> Response:
        """Call a method that answers with one message.

        Raises:
            ReplicaGoneError: It was not there to answer.
            GatewayError: It answered that it failed, or time ran out.
        """

    async def open(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> Reading[Response]:
        """Call a method that streams its answer. Who opens it cancels it.

        Raises:
            ReplicaGoneError: It is not there to answer.
            GatewayError: Time ran out.
        """

    async def close(self) -> None:
        """Hang up."""


_SUSPICION_S = 10.0
"""How long a replica that did not answer is asked last, in seconds: by then gRPC
has noticed if its host is gone, and one call in ten seconds may look again."""

Found = Callable[[Replica], None]
"""Told of a further replica at the same target."""

Reach = Callable[[str, str, Found], Replica]
"""Makes the client of one replica, of the service's name and a gRPC target."""


class Replicas:
    """Asks one replica of several, and another where the first is gone."""

    def __init__(
        self, service: str, targets: Sequence[str], reach: Reach, patience_s: float
    ) -> None:
        """Prepare a client of each; nothing is called yet.

        Args:
            service: What it is called in errors, e.g. `resolver`.
            targets: Where the replicas are.
            reach: How one of them is called.
            patience_s: How long to wait for one where none is there, in seconds.
        """
        if not targets:
            raise ValueError(f"no address of a {service} was given")
        self._service = service
        self._patience_s = patience_s
        self._replicas: list[Replica] = []
        self._suspected_until: dict[Replica, float] = {}
        for target in targets:
            self._add(reach(service, target, self._add))
        self._turns = itertools.count()

    def _add(self, replica: Replica) -> None:
        self._replicas.append(replica)
        self._suspected_until[replica] = 0.0

    def is_reachable(self) -> bool:
        """Tell whether some replica can be called now."""
        # Each is asked, for that makes each of them connect.
        return any([replica.is_connected() for replica in self._replicas])  # noqa: C419

    async def connected(self) -> None:
        """Wait until some replica can be called."""
        waiting = [
            asyncio.ensure_future(replica.connected()) for replica in self._replicas
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def close(self) -> None:
        """Hang up on all of them."""
        await asyncio.gather(*(replica.close() for replica in self._replicas))

    def in_turn(self, affinity: bytes) -> list[Replica]:
        """Return every replica, the one to ask first at the front.

        What has the same affinity meets the same replica again, so that it
        finds what that replica alone knows yet; the rest take turns. One that
        was silent of late comes last: each call would wait for it in vain.
        """
        now = asyncio.get_running_loop().time()
        usable = [
            replica
            for replica in self._replicas
            if not replica.is_away() and self._suspected_until[replica] <= now
        ]
        away = [replica for replica in self._replicas if replica not in usable]
        if not usable:
            return away
        first = zlib.crc32(affinity) if affinity else next(self._turns)
        first %= len(usable)
        return usable[first:] + usable[:first] + away

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
        async for replica in _Round(self, deadline, affinity):
            until = _sooner(deadline, patience_with_each_s)
            try:
                return await replica.call(method, request, until)
            except ReplicaGoneError as error:
                gone = error
            except DeadlineExceededError as error:
                if until == deadline:
                    raise
                self._suspected_until[replica] = (until or 0.0) + _SUSPICION_S
                gone = error
        raise unreachable(self._service) from gone

    async def stream(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> AsyncGenerator[Response, None]:
        """Stream one replica's answer; another's only before the first message.

        Raises:
            ServiceUnavailableError: None was there, or the one that had begun
                is there no more.
            GatewayError: One answered that it failed, or time ran out.
        """
        gone: ReplicaGoneError | None = None
        async for replica in _Round(self, deadline):
            begun = False
            try:
                answer = await replica.open(method, request, deadline)
                try:
                    while (message := await answer.read()) is not None:
                        begun = True
                        yield message
                finally:
                    answer.cancel()
            except ReplicaGoneError as error:
                gone = error
                if begun:
                    break
            else:
                return
        raise unreachable(self._service) from gone


class _Round:
    """Each replica in turn; then, should one come back in time, each once more."""

    def __init__(
        self, replicas: Replicas, deadline: float | None, affinity: bytes = b""
    ) -> None:
        self._replicas = replicas
        self._deadline = deadline
        self._affinity = affinity
        self._left = replicas.in_turn(affinity)
        self._patient = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Replica:
        if not self._left and self._patient:
            self._patient = False
            if await self._replicas.comes_back(self._deadline):
                self._left = self._replicas.in_turn(self._affinity)
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop(0)


def _sooner(deadline: float | None, patience_s: float | None) -> float | None:
    if patience_s is None:
        return deadline
    until = asyncio.get_running_loop().time() + patience_s
    return until if deadline is None else min(deadline, until)
