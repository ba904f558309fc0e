"""The way to providers: a request goes out, an answer or a failure comes back."""

import asyncio
import functools
import os
import ssl

from holdfast.addresses import Resolve
from holdfast_executor.transport.connection import Connection
from holdfast_executor.transport.dialing import AddressRefusedError
from holdfast_executor.transport.failure import FailureKind, TransportError
from holdfast_executor.transport.limits import TransportLimits
from holdfast_executor.transport.pool import Pool
from holdfast_executor.transport.request import (
    HttpRequest,
    Target,
    head_of,
    target_of,
)
from holdfast_executor.transport.response import HttpResponse

_URLS = 1024
"""How many parsed URLs are kept: a few for each deployment."""


class Transport:
    """Sends requests, and keeps connections for the next ones.

    Args:
        resolve: Looks up host names; the system's resolver unless given.
        tls: Whom to trust; the system's certificate authorities unless given.
        limits: What is kept and taken.
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
        self._target_of = functools.lru_cache(_URLS)(target_of)
        self._pool: Pool | None = None

    async def start(self) -> None:
        """Begin, on the running event loop."""
        tls = self._tls or ssl.create_default_context()
        self._pool = Pool(self._resolve, tls, self._limits)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

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
        target = self._target_of(
            request.url, allow_private_network=request.allow_private_network
        )
        head = head_of(request, target)
        pool = self._pool
        if pool is None:
            raise TransportError(FailureKind.CONNECT, "the transport is not open")
        try:
            async with asyncio.timeout(response_timeout):
                connection = pool.take(target.place)
                if connection is None:
                    connection = await _dialed(pool, target, connect_timeout)
                try:
                    answer = await connection.send(head, request.body)
                except BaseException:
                    connection.cut()
                    raise
        except TimeoutError as error:
            raise TransportError(
                FailureKind.TIMEOUT_RESPONSE,
                f"no answer from {target.authority} within {response_timeout:g} s",
            ) from error
        if not answer.has_head:
            connection.release()
            raise TransportError(
                FailureKind.RESET, f"{target.authority} {answer.broken}"
            )
        return HttpResponse(connection, answer, target.authority)


async def _dialed(pool: Pool, target: Target, connect_timeout: float) -> Connection:
    """Open a connection, or say how that failed in words that hold only the host."""
    host = target.authority
    try:
        async with asyncio.timeout(connect_timeout) as limit:
            return await pool.dial(target.place)
    except TimeoutError as error:
        if not limit.expired():  # the operating system's, which is the longer
            raise TransportError(
                FailureKind.CONNECT, f"no connection to {host}: it does not answer"
            ) from error
        raise TransportError(
            FailureKind.TIMEOUT_CONNECT,
            f"no connection to {host} within {connect_timeout:g} s",
        ) from error
    except AddressRefusedError as error:
        raise TransportError(
            FailureKind.ADDRESS_REFUSED, f"{host} has no public address"
        ) from error
    except ssl.SSLError as error:
        raise TransportError(FailureKind.TLS, f"no TLS with {host}") from error
    except OSError as error:
        # The event loop's own words hold the address; the system's do not.
        is_system = isinstance(error.errno, int) and error.errno > 0
        why = os.strerror(error.errno or 0) if is_system else error.strerror
        raise TransportError(
            FailureKind.CONNECT, f"no connection to {host}: {why or 'it failed'}"
        ) from error
    except ValueError as error:
        raise TransportError(
            FailureKind.CONNECT, f"{host} is no host to connect to"
        ) from error
