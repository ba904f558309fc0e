"""Calling etcd: several endpoints, one deadline.

A call walks the endpoints until one answers, and what is left of its deadline is
shared out among those still to try, so that one hung member costs a part of the
time and not all of it. There is a channel for each endpoint: gRPC's own round
robin keeps sending to a hung member until a keepalive fails.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from holdfast.certificates import CertificateFiles, Certificates
from holdfast.rpc.channels import Channels
from holdfast.settings import Secret
from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.breaker import Breaker
from holdfast_resolver.etcd.errors import (
    CompactedError,
    EtcdError,
    EtcdRefusedError,
    EtcdUnavailableError,
    LeaseNotFoundError,
)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Response]):
    """One of etcd's methods: its path, what goes in and what comes out."""

    path: str
    request: type[Request]
    response: type[Response]


RANGE = Method("/etcdserverpb.KV/Range", wire.RangeRequest, wire.RangeResponse)
PUT = Method("/etcdserverpb.KV/Put", wire.PutRequest, wire.PutResponse)
DELETE_RANGE = Method(
    "/etcdserverpb.KV/DeleteRange", wire.DeleteRangeRequest, wire.DeleteRangeResponse
)
TXN = Method("/etcdserverpb.KV/Txn", wire.TxnRequest, wire.TxnResponse)
COMPACT = Method(
    "/etcdserverpb.KV/Compact", wire.CompactionRequest, wire.CompactionResponse
)
WATCH = Method("/etcdserverpb.Watch/Watch", wire.WatchRequest, wire.WatchResponse)
LEASE_GRANT = Method(
    "/etcdserverpb.Lease/LeaseGrant", wire.LeaseGrantRequest, wire.LeaseGrantResponse
)
LEASE_REVOKE = Method(
    "/etcdserverpb.Lease/LeaseRevoke", wire.LeaseRevokeRequest, wire.LeaseRevokeResponse
)
LEASE_KEEP_ALIVE = Method(
    "/etcdserverpb.Lease/LeaseKeepAlive",
    wire.LeaseKeepAliveRequest,
    wire.LeaseKeepAliveResponse,
)
_AUTHENTICATE = Method(
    "/etcdserverpb.Auth/Authenticate",
    wire.AuthenticateRequest,
    wire.AuthenticateResponse,
)

_CHANNEL_OPTIONS = (
    # The least that etcd allows (its --grpc-keepalive-min-time): a dead
    # connection is found within 5 s + 2 s.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC waits a minute for the answer to a ping, whatever the keepalive says.
    ("grpc.http2.ping_timeout_ms", 2_000),
    # A member that is started anew elsewhere is found there: not after 30 s only.
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    # gRPC waits up to 120 s between attempts; etcd is a neighbour, not a stranger.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # etcd sends whole batches of a watch, and pages of a range, well above 4 MB.
    ("grpc.max_receive_message_length", 64 << 20),
    # Trying again is decided here, where it is known what may be repeated.
    ("grpc.enable_retries", 0),
    # Two clients in one process are two clients: one's backoff is not the other's.
    ("grpc.use_local_subchannel_pool", 1),
)

_WORTH_ANOTHER_ENDPOINT = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Login:
    """A user of etcd's own. With certificates that name the user, none is needed."""

    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class Access:
    """How etcd lets us in: as anybody, over TLS, as a user, or both."""

    certificates: CertificateFiles | None = None
    login: Login | None = None


ANYBODY = Access()
"""Over plain TCP, without a user: an etcd on the same machine or network."""


class EtcdClient:
    """Etcd, as one service, however many endpoints it has."""

    def __init__(
        self,
        endpoints: Sequence[str],
        *,
        access: Access = ANYBODY,
        deadline_s: float = 2.0,
        breaker: Breaker | None = None,
    ) -> None:
        """Take note of the endpoints; nothing is connected before the first call.

        Args:
            endpoints: `host:port` each, with or without `http://`; one with
                `https://` uses TLS even where `access` names none.
            access: How etcd lets us in. New connections use its certificates as
                they are then, and a login the password.
            deadline_s: What a call may take, over all endpoints, in seconds.
                Two: an election in a healthy cluster takes one to one and a half.
            breaker: Says when etcd is not asked. None: the usual one.
        """
        if not endpoints:
            raise ValueError("etcd needs at least one endpoint")
        self._endpoints = [
            _Endpoint(address, access.certificates) for address in endpoints
        ]
        # Replicas start on different members, so that none carries all watches.
        self._turn = random.SystemRandom().randrange(len(endpoints))
        self._login = access.login
        self._token: str | None = None
        self._deadline_s = deadline_s
        self._breaker = breaker or Breaker()

    async def call(
        self,
        method: Method[Request, Response],
        request: Request,
        *,
        deadline_s: float | None = None,
    ) -> Response:
        """Call a method on the first endpoint that answers.

        A call whose first endpoint fell silent may have been carried out twice.

        Raises:
            EtcdUnavailableError: No endpoint answered within the deadline, or none
                has for a while and none was asked.
            EtcdRefusedError: Etcd refused; see its subclasses.
            CompactedError: The revision asked for is gone.
        """
        self._check_breaker()
        now = asyncio.get_running_loop().time
        end = now() + (self._deadline_s if deadline_s is None else deadline_s)
        reason = "no time left"
        may_log_in_again = True
        endpoints_left = len(self._endpoints)
        while endpoints_left and (time_left := end - now()) > 0:
            endpoint = self._endpoint
            timeout = time_left / endpoints_left
            try:
                response = await self._call_one(endpoint, method, request, timeout)
            except grpc.aio.AioRpcError as error:
                reason = error.details() or error.code().name
                if may_log_in_again and self._token_was_refused(error):
                    may_log_in_again = False
                    continue
                if error.code() not in _WORTH_ANOTHER_ENDPOINT:
                    self.heard()
                    raise _refusal(error) from error
                self._turn_from(endpoint)
                endpoints_left -= 1
            else:
                self.heard()
                return response
        self._breaker.failed()
        raise EtcdUnavailableError(f"{method.path}: {reason}")

    def heard(self) -> None:
        """Take note that etcd has answered; to be told of what comes by a stream."""
        self._breaker.succeeded()

    @contextlib.asynccontextmanager
    async def stream(
        self, method: Method[Any, Any], *, open_timeout_s: float
    ) -> AsyncIterator[Any]:
        """Open a bidirectional stream, a `grpc.aio.StreamStreamCall`, on one endpoint.

        If it breaks, the next stream or call goes to the next endpoint.

        Raises:
            EtcdUnavailableError: The stream broke, the block timed out, or etcd
                was not asked.
            EtcdRefusedError: Etcd refused; raised by the block or by the stream.
        """
        self._check_breaker()
        endpoint = self._endpoint
        try:
            metadata = await self._metadata(endpoint, open_timeout_s)
            call = endpoint.stream(method)(metadata=metadata)
            try:
                yield call
            finally:
                call.cancel()
        except grpc.aio.AioRpcError as error:
            if self._token_was_refused(error):
                raise EtcdUnavailableError("logging in again") from error
            self._turn_from(endpoint)
            self._breaker.failed()
            raise EtcdUnavailableError(error.details() or error.code().name) from error
        except EtcdRefusedError:
            # A watch whose token has run out is cancelled with a reason in words.
            self._token = None
            raise
        except (EtcdUnavailableError, TimeoutError, asyncio.InvalidStateError) as error:
            # gRPC raises InvalidStateError for writing to a stream that has ended.
            self._turn_from(endpoint)
            self._breaker.failed()
            raise EtcdUnavailableError(str(error) or "stream timed out") from error

    async def close(self) -> None:
        """Break off what is under way and close the connections."""
        await asyncio.gather(*(endpoint.close() for endpoint in self._endpoints))

    def _check_breaker(self) -> None:
        if not self._breaker.admits():
            raise EtcdUnavailableError("not asked: it has not answered for a while")

    @property
    def _endpoint(self) -> "_Endpoint":
        return self._endpoints[self._turn % len(self._endpoints)]

    def _turn_from(self, failed: "_Endpoint") -> None:
        # Of many calls that fail together the first one turns, the others follow.
        if self._endpoint is failed:
            self._turn += 1

    async def _call_one(
        self,
        endpoint: "_Endpoint",
        method: Method[Request, Response],
        request: Request,
        timeout: float,  # noqa: ASYNC109, gRPC's deadline, which it sends along
    ) -> Response:
        metadata = await self._metadata(endpoint, timeout)
        response: Response = await endpoint.unary(method)(
            request, timeout=timeout, metadata=metadata
        )
        return response

    async def _metadata(
        self,
        endpoint: "_Endpoint",
        timeout: float,  # noqa: ASYNC109, as above
    ) -> tuple[tuple[str, str], ...] | None:
        if self._login is None:
            return None
        if self._token is None:
            request = wire.AuthenticateRequest(
                name=self._login.user, password=self._login.password.read() or ""
            )
            answer = await endpoint.unary(_AUTHENTICATE)(request, timeout=timeout)
            self._token = answer.token
        return (("token", self._token or ""),)

    def _token_was_refused(self, error: grpc.aio.AioRpcError) -> bool:
        # Tokens end: after five minutes without use, or when etcd forgets them
        # (UNAUTHENTICATED); signed ones when users or roles are changed.
        refused = self._login is not None and (
            error.code() is grpc.StatusCode.UNAUTHENTICATED
            or "revision of auth store is old" in (error.details() or "")
        )
        if refused:
            self._token = None
        return refused


class _Endpoint:
    """The channel to one member, opened when it is first needed."""

    def __init__(self, address: str, files: CertificateFiles | None) -> None:
        scheme, _, rest = address.rpartition("://")
        self._target = rest.rstrip("/")
        self._is_secure = scheme == "https" or files is not None
        self._files = files
        self._shown: Certificates | None = None
        self._channel: grpc.aio.Channel | None = None
        self._left = Channels()
        self._callables: dict[str, Any] = {}

    def unary(self, method: Method[Any, Any]) -> Any:
        return self._callable(method, "unary_unary")

    def stream(self, method: Method[Any, Any]) -> Any:
        return self._callable(method, "stream_stream")

    async def close(self) -> None:
        await self._left.close()
        if self._channel is not None:
            await self._channel.close()

    def _callable(self, method: Method[Any, Any], arity: str) -> Any:
        channel = self._current()
        if method.path not in self._callables:
            self._callables[method.path] = getattr(channel, arity)(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
        return self._callables[method.path]

    def _current(self) -> grpc.aio.Channel:
        """Return the channel: another one once there are other certificates."""
        current = None if self._files is None else self._files.current
        if self._channel is not None and current is self._shown:
            return self._channel
        if self._channel is not None:
            # A watch goes on over the connection it has.
            self._left.leave(self._channel)
        self._shown = current
        self._callables.clear()
        self._channel = self._open(current or Certificates())
        return self._channel

    def _open(self, certificates: Certificates) -> grpc.aio.Channel:
        if not self._is_secure:
            return grpc.aio.insecure_channel(self._target, _CHANNEL_OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            certificates.authorities, certificates.private_key, certificates.chain
        )
        return grpc.aio.secure_channel(self._target, credentials, _CHANNEL_OPTIONS)


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key that no longer begins with a prefix.

    Raises:
        ValueError: The prefix is empty or ends with byte 255; none of ours is text
            then.
    """
    if not prefix or prefix[-1] == 0xFF:
        raise ValueError("a prefix is text, and not empty")
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _refusal(error: grpc.aio.AioRpcError) -> EtcdError:
    # etcd's codes are shared by several errors; its words tell them apart.
    code, words = error.code().name, error.details() or ""
    if "lease not found" in words:
        return LeaseNotFoundError(code, words)
    if "compacted" in words:
        return CompactedError(words)
    return EtcdRefusedError(code, words)
