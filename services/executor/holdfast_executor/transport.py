"""Calling providers over HTTP: one request, one answer, or one kind of failure.

The one file that knows the HTTP client, so that another can take its place.
A request is sent once: nothing here retries, follows a redirect, keeps a
cookie or heeds a proxy of the environment. What fails says how, as a
`FailureKind`; an answer that was cut off fails and never just ends.
"""

import asyncio
import io
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from holdfast_executor.addresses import is_public
from holdfast_executor.unpacking import BLOCK_BYTES, Unpacking

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Looks up a host name: its addresses, best first. Raises `OSError` if it has none."""


class FailureKind(Enum):
    """How a request failed, as far as what to do next depends on it."""

    CONNECT = "connect"
    """Refused, unreachable, unknown host, or a request that cannot be sent."""
    TLS = "tls"
    """No TLS was agreed on, or the certificate is not to be trusted."""
    TIMEOUT_CONNECT = "timeout_connect"
    """No connection in time, TLS included."""
    TIMEOUT_RESPONSE = "timeout_response"
    """No status and headers in time."""
    RESET = "reset"
    """The peer closed before its answer was whole, or what it sent is no HTTP."""
    ADDRESS_REFUSED = "address_refused"
    """The host's address is not public, and the request may not go elsewhere."""


class TransportError(Exception):
    """A request that got no answer, or not all of it.

    Attributes:
        message: What happened, with the host. Never a path, header or body.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to send.

    Attributes:
        url: Absolute, sent as it is written.
        headers: In order. `host` and `content-length` are added.
        allow_private_network: Whether the address may be other than public.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    allow_private_network: bool = False


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Bounds on what is kept and taken.

    Attributes:
        connections: Open at a time, to private and to public addresses each.
            Zero is no bound: the executor's own admission is the bound, and
            a request that waits here would look like a slow provider.
        keepalive_s: How long an idle connection is kept. Five seconds below the
            60 s after which common load balancers close theirs, so that it is
            seldom the peer who closes.
        dns_ttl_s: How long an address is remembered. Below the 60 s for which
            the clouds' load balancers publish theirs.
        header_line_bytes: One header or the status line. Twice the 8 KiB that
            servers commonly send at most, for the policies and tracing that
            content networks add.
    """

    connections: int = 0
    keepalive_s: float = 55
    dns_ttl_s: int = 30
    header_line_bytes: int = 16 * 1024


_PLAIN = re.compile(r"[\x21-\x7e]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class HttpResponse:
    """An answer of which status and headers are there.

    It must be closed, whichever way reading it ended. A task that is cancelled
    while it reads closes it.

    Attributes:
        headers: By lower-case name; values of one name are joined by a comma.
        at_end: Whether the whole body has been read.
    """

    def __init__(self, response: aiohttp.ClientResponse, host: str) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = MappingProxyType(_by_lower_name(response))
        self.at_end = False
        self._response = response
        self._host = host
        self._broken: TransportError | None = None
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        self._unpacking = None if encoding in {"", "identity"} else Unpacking(encoding)
        framed = "content-length" in self.headers or "transfer-encoding" in self.headers
        # A body without a frame ends with its connection, which is then never
        # used again: only there can the connection's end be this body's.
        connection = None if framed else response.connection
        self._last_words = connection.protocol if connection else None

    async def read(self, limit: int | None = None) -> bytes:
        """Return the body, or its first `limit` bytes: `at_end` tells which.

        Raises:
            TransportError: `RESET`, if it broke off before its end.
        """
        blocks: list[bytes] = []
        size = 0
        while block := await self.next_block():
            blocks.append(block)
            size += len(block)
            if limit is not None and size > limit:
                break
        return b"".join(blocks)[:limit]

    async def next_block(self) -> bytes:
        """Return what has arrived, waiting for some; nothing at the end.

        What arrived before a break is returned before the break is raised.

        Raises:
            TransportError: `RESET`, if the body broke off before its end.
        """
        if self._unpacking is None:
            return await self._receive()
        try:
            while True:
                if block := self._unpacking.next_block():
                    return block
                if not (packed := await self._receive()):
                    self._unpacking.finish()
                    return b""
                self._unpacking.feed(packed)
        except (zlib.error, ValueError) as error:
            await self.close()
            self.at_end = False
            raise self._reset("sent a compressed body that is broken") from error

    async def close(self) -> None:
        """Free the connection, or cut it if the body was not read to its end."""
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            # Not closed but cut: closing TLS waits for the peer, and a provider
            # that goes on generating for nobody is paid for it.
            connection.transport.abort()
        self._response.close()

    async def _receive(self) -> bytes:
        if self._broken is not None:
            raise self._broken
        content = self._response.content
        try:
            block = await content.readany()
        except (aiohttp.ClientError, OSError) as error:
            self._broken = self._reset("closed the connection within its answer")
            self._broken.__cause__ = error
            # The client refuses what is left as soon as it knows of the break.
            # It is read all the same: which part of a broken answer counts must
            # not depend on how fast it was asked for.
            left = b"".join(content._buffer)  # noqa: SLF001
            content._buffer.clear()  # noqa: SLF001
            await self.close()
            if left:
                return left
            raise self._broken from error
        except asyncio.CancelledError:
            await self.close()
            raise
        if not block:
            self._require_clean_end()
            self.at_end = True
        return block

    def _require_clean_end(self) -> None:
        if self._last_words is not None and isinstance(
            self._last_words.exception(), OSError
        ):
            raise self._reset("reset the connection within its answer")

    def _reset(self, what: str) -> TransportError:
        return TransportError(FailureKind.RESET, f"{self._host} {what}")


class Transport:
    """Sends requests, and keeps connections for the next ones.

    Args:
        resolve: Looks up host names; the system's resolver unless given.
        tls: Whom to trust; the system's certificate authorities unless given.
    """

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        limits: TransportLimits | None = None,
    ) -> None:
        self._resolve = resolve
        self._tls = tls
        self._limits = limits or TransportLimits()
        self._public: aiohttp.ClientSession | None = None
        self._any: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin, on the running event loop."""
        tls = self._tls or ssl.create_default_context()
        # A connection that a request with the allowance opened must not serve
        # one without: they never share a pool.
        self._public = self._session(tls, _open_public_socket)
        self._any = self._session(tls, None)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        for session in (self._public, self._any):
            if session is not None:
                await session.close()
        # What was closed is told to its protocol in the loop's next round.
        await asyncio.sleep(0)

    async def send(
        self, request: HttpRequest, *, connect_timeout: float, response_timeout: float
    ) -> HttpResponse:
        """Send a request once and return when status and headers have come.

        Args:
            request: What to send.
            connect_timeout: Seconds for looking up, connecting and TLS.
            response_timeout: Seconds from this call until status and headers
                are there, connecting included.

        Raises:
            TransportError: There is no answer; `kind` says why.
        """
        url = _checked(request)
        session = self._any if request.allow_private_network else self._public
        if session is None or session.closed:
            raise TransportError(FailureKind.CONNECT, "the transport is not open")
        host = url.authority
        # A pooled connection that the peer has closed is noticed when the event
        # loop looks at it: let it look once, and act on what it saw, before one
        # is taken. What was written to a closed connection cannot be sent again.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(response_timeout):
                response = await session.request(
                    request.method,
                    url,
                    data=_as_data(request.body),
                    headers=request.headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        total=None,
                        connect=connect_timeout,
                        ceil_threshold=_NEVER_ROUNDED,
                    ),
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise TransportError(
                FailureKind.TIMEOUT_CONNECT,
                f"no connection to {host} within {connect_timeout:g} s",
            ) from error
        except TimeoutError as error:
            raise TransportError(
                FailureKind.TIMEOUT_RESPONSE,
                f"no answer from {host} within {response_timeout:g} s",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(host, error) from error
        return HttpResponse(response, host)

    def _session(
        self,
        tls: ssl.SSLContext,
        open_socket: Callable[[Any], socket.socket] | None,
    ) -> aiohttp.ClientSession:
        limits = self._limits
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=limits.connections,
                keepalive_timeout=limits.keepalive_s,
                ttl_dns_cache=limits.dns_ttl_s,
                resolver=None if self._resolve is None else _Resolver(self._resolve),
                socket_factory=open_socket,
                ssl=tls,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # Compression saves little on answers of a few kilobytes, and a
            # compressor holds back the events of a stream.
            headers={"accept-encoding": "identity", "user-agent": "holdfast"},
            skip_auto_headers=("content-type",),
            # Its own unpacking lets a body pass that ends before its packing does.
            auto_decompress=False,
            max_line_size=limits.header_line_bytes,
            max_field_size=limits.header_line_bytes,
        )


def _as_data(body: bytes) -> bytes | io.BytesIO | None:
    """Hand over a large body as a file: the client lets others run between pieces."""
    return io.BytesIO(body) if len(body) > BLOCK_BYTES else body or None


_NEVER_ROUNDED = 1e9
"""Seconds above which the client may round a timeout up to a whole one."""


class _Resolver(AbstractResolver):
    """Hands the client what an injected look-up finds."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=family, proto=0, flags=0
            )
            for address in await self._resolve(host)
        ]

    async def close(self) -> None:
        pass


class _AddressRefusedError(OSError):
    """Raised in the client's midst; it gathers such errors if their words agree."""

    def __init__(self) -> None:
        super().__init__("the address is not public")


def _open_public_socket(address_info: Any) -> socket.socket:
    """Open a socket for an address that is about to be connected to.

    The one place that every address passes, looked up or written out, just
    before it is used: a name that resolves anew in between gains nothing.
    """
    family, kind, protocol, _, address = address_info
    if not is_public(str(address[0])):
        raise _AddressRefusedError
    return socket.socket(family, kind, protocol)


def _checked(request: HttpRequest) -> URL:
    """Parse the URL, if the request can be sent at all.

    Whatever is wrong is the deployment's: its URL, or a credential with a line
    break. So it is a failure to connect and not the program's.
    """
    if not _PLAIN.fullmatch(request.url):
        raise TransportError(FailureKind.CONNECT, "the URL holds what no URL may hold")
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or _NOT_IN_A_VALUE.search(value):
            raise TransportError(
                FailureKind.CONNECT, "a header holds what no header may hold"
            )
    try:
        url = URL(request.url, encoded=True)
        if url.scheme in {"http", "https"} and url.host and url.port:
            if url.user is None and url.password is None:
                return url
            raise TransportError(FailureKind.CONNECT, "the URL holds a credential")
    except ValueError as error:
        raise TransportError(FailureKind.CONNECT, "the URL is malformed") from error
    raise TransportError(FailureKind.CONNECT, "the URL is no absolute HTTP URL")


_TLS_ERRORS = (
    aiohttp.ClientConnectorSSLError,
    aiohttp.ClientConnectorCertificateError,
    ssl.SSLError,
)


def _failure(host: str, error: Exception) -> TransportError:
    """Say how a request failed, in words that hold nothing of it but the host."""
    if isinstance(error, _TLS_ERRORS):
        return TransportError(FailureKind.TLS, f"no TLS with {host}")
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
        if isinstance(cause, _AddressRefusedError):
            return TransportError(
                FailureKind.ADDRESS_REFUSED, f"{host} has no public address"
            )
        why = cause.strerror or type(cause).__name__
        return TransportError(FailureKind.CONNECT, f"no connection to {host}: {why}")
    if isinstance(error, (aiohttp.InvalidURL, ValueError)):
        return TransportError(FailureKind.CONNECT, f"{host} is no host to connect to")
    if isinstance(error, aiohttp.ClientResponseError):
        return TransportError(FailureKind.RESET, f"{host} answered with no valid HTTP")
    return TransportError(
        FailureKind.RESET, f"{host} closed the connection before it answered"
    )


def _by_lower_name(response: aiohttp.ClientResponse) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers
