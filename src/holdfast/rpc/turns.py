"""In which turn the replicas of a service are asked for one answer."""

import asyncio
from typing import Protocol, Self

from holdfast.errors import GatewayError
from holdfast.rpc.addresses import Addresses
from holdfast.rpc.errors import time_ran_out
from holdfast.rpc.replica import Replica


class Asked(Protocol):
    """The replicas of a service.

    Attributes:
        addresses: Where they are.
    """

    addresses: Addresses

    def in_turn(self, affinity: bytes) -> list[Replica]:
        """Return every replica, the one to ask first at the front."""

    def is_well(self, replica: Replica) -> bool:
        """Tell whether a replica is there, and in touch with whom it is to call."""

    async def comes_back(self, deadline: float | None) -> bool:
        """Wait a while for some replica, and return whether one can be called."""


class Turns:
    """Each replica in turn; then, should one come back in time, each once more.

    Attributes:
        asked: Whose turn it is.
        out_of_touch: Why the last one that answered has handed the request on.
    """

    def __init__(
        self, replicas: Asked, deadline: float | None, affinity: bytes = b""
    ) -> None:
        self._replicas = replicas
        self._deadline = deadline
        self._affinity = affinity
        self._left = replicas.in_turn(affinity)
        self._is_early = not replicas.addresses.are_looked_up
        self._patient = True
        self.asked: Replica | None = None
        self.out_of_touch: GatewayError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Replica:
        if self._is_early:
            await self._look_up()
        if not self._left and self._patient:
            self._patient = False
            if await self._replicas.comes_back(self._deadline):
                self._left = self._replicas.in_turn(self._affinity)
        if not self._left:
            raise StopAsyncIteration
        self.asked = self._left.pop(0)
        return self.asked

    def has_another(self) -> bool:
        """Tell whether a further one is there, and in touch as far as is known."""
        return bool(self._left) and self._replicas.is_well(self._left[0])

    def repeat(self) -> None:
        """Have the same replica be the next once more: it is there."""
        if self.asked is not None:
            self._left.insert(0, self.asked)

    async def _look_up(self) -> None:
        """Wait to hear for the first time who is behind the names."""
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._replicas.addresses.looked_up()
        except TimeoutError:
            raise time_ran_out() from None
        self._is_early = False
        self._left = self._replicas.in_turn(self._affinity)
