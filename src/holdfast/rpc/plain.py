"""One replica, called by a gRPC call of its own for each request."""

from typing import Any, Generic

import grpc
from grpc import aio

from holdfast.errors import GatewayError
from holdfast.rpc.channels import Channels, Dialer, time_left
from holdfast.rpc.errors import from_call
from holdfast.rpc.methods import Method, Request, Response
from holdfast.rpc.replica import Found, ReplicaGoneError


class PlainReplica:
    """A replica behind a channel."""

    def __init__(
        self, dialer: Dialer, target: str, _found: Found | None = None
    ) -> None:
        """Prepare a channel; nothing is called yet.

        Args:
            dialer: Opens channels to the service.
            target: A gRPC target.
        """
        self._dialer = dialer
        self._service = dialer.service
        self._target = target
        self._shown = dialer.certificates
        self._channel = dialer.open(target, resends=True)
        self._left = Channels()
        self._is_retired = False
        self._calls: dict[str, Any] = {}

    def is_away(self) -> bool:
        """Tell whether the last attempt to connect failed; begin another."""
        return self._state() is grpc.ChannelConnectivity.TRANSIENT_FAILURE

    def is_connected(self) -> bool:
        """Tell whether it is connected; begin to connect if not."""
        return self._state() is grpc.ChannelConnectivity.READY

    async def connected(self) -> None:
        """Wait until it is connected."""
        await self._current().channel_ready()

    async def retire(self) -> None:
        """Take no further call, and hang up once those begun have ended."""
        self._is_retired = True
        self._left.leave(self._channel)
        await self._left.ended()

    async def close(self) -> None:
        """Close the channel, and end the calls on it."""
        self._is_retired = True
        await self._left.close()
        await self._channel.close()

    async def call(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> Response:
        """Call a method that answers with one message."""
        call = self._known(method)
        if call is None:
            call = self._calls[method.name] = self._channel.unary_unary(
                f"/{method.name}", method.write, method.read
            )
        try:
            answer: Response = await call(request, timeout=time_left(deadline))
        except aio.AioRpcError as error:
            raise _failure(error, self._service) from error
        return answer

    async def open(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> "_PlainReading[Response]":
        """Call a method that streams its answer."""
        call = self._known(method)
        if call is None:
            call = self._calls[method.name] = self._channel.unary_stream(
                f"/{method.name}", method.write, method.read
            )
        return _PlainReading(call(request, timeout=time_left(deadline)), self._service)

    def _known(self, method: Method[Any, Any]) -> Any:
        """Return what a method is called by, None if it was not called yet."""
        if self._is_retired:
            raise ReplicaGoneError("it is retired")
        self._current()
        return self._calls.get(method.name)

    def _current(self) -> aio.Channel:
        """Return the channel: another one once there are other certificates."""
        if self._dialer.certificates is not self._shown:
            self._left.leave(self._channel)
            self._shown = self._dialer.certificates
            self._channel = self._dialer.open(self._target, resends=True)
            self._calls.clear()
        return self._channel

    def _state(self) -> grpc.ChannelConnectivity:
        return self._current().get_state(try_to_connect=True)


class _PlainReading(Generic[Response]):
    def __init__(self, call: Any, service: str) -> None:
        self._call = call
        self._service = service

    async def read(self) -> Response | None:
        try:
            message = await self._call.read()
        except aio.AioRpcError as error:
            raise _failure(error, self._service) from error
        if message is aio.EOF:
            return None
        read: Response = message
        return read

    def cancel(self) -> None:
        self._call.cancel()


def _failure(error: aio.AioRpcError, service: str) -> ReplicaGoneError | GatewayError:
    if error.code() is grpc.StatusCode.UNAVAILABLE and not _answered(error):
        return ReplicaGoneError(error.details())
    return from_call(error, service)


def _answered(error: aio.AioRpcError) -> bool:
    """Tell a service's own answer from a failure to reach it."""
    return any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata())
