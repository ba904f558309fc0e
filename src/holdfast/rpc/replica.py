"""One replica of a service as its callers see it, and what it is asked."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from holdfast.errors import GatewayError
from holdfast.rpc.channels import Dialer
from holdfast.rpc.methods import Method, Request, Response

_Read = TypeVar("_Read", covariant=True)  # noqa: PLC0105 - one letter more says nothing
_Said = TypeVar("_Said", contravariant=True)  # noqa: PLC0105 - likewise
_Asked = TypeVar("_Asked")


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

    async def retire(self) -> None:
        """Take no further call, and hang up once those begun have ended.

        From now on a call raises `ReplicaGoneError`.
        """

    async def close(self) -> None:
        """Hang up."""


Found = Callable[[Replica], None]
"""Told of a further replica at the same target."""

Reach = Callable[[Dialer, str, Found], Replica]
"""Makes the client of one replica, of what opens channels and a gRPC target."""


class HandedOn(Protocol, Generic[_Asked]):
    """What one replica after another is asked for one answer."""

    def addressed(self, request: _Asked, *, may_hand_on: bool) -> _Asked:
        """Return what is asked of one replica: whether there is another one yet."""

    async def again(self, request: _Asked, error: GatewayError) -> _Asked | None:
        """Return what to ask instead of what was refused; None if nothing can be.

        Raises:
            GatewayError: Nothing can be, and this is why.
        """

    def give_up(self, request: _Asked) -> None:
        """Note that nobody goes on with it, if it had begun."""


class PassedOn(HandedOn[_Asked], Protocol, Generic[_Asked, _Said]):
    """What a caller has of a streamed answer."""

    def add(self, message: _Said) -> None:
        """Take a message that goes to the caller now."""

    def rest(self, request: _Asked) -> _Asked | None:
        """Return what to ask another replica for the rest; None if that cannot be."""
