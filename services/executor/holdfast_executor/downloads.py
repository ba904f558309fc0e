"""Fetches what a request names by its address, for providers that fetch nothing.

The addresses are a caller's own, and what answers there may be hostile, or a
neighbour of ours that trusts its network. So: over https alone, from public
addresses alone (the transport checks each just before it connects to it),
wherever a server may lead us; nothing of ours is shown; and what comes is bounded
in time and size and must be media by its own first bytes.
"""

import asyncio
import base64
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import urljoin

from holdfast_executor.media import Fetched, Media, Unfetched
from holdfast_executor.media_types import is_looked_at, media_type_of
from holdfast_executor.transport import (
    FailureKind,
    HttpRequest,
    HttpResponse,
    TransportError,
)

_MOST_BYTES = 20 * 1024 * 1024
"""Of all that one request names: what Gemini takes of a whole request, and three
images of the size that Bedrock takes five of."""

_MOST_ADDRESSES = 20
"""Of one request, as many images as Bedrock takes."""

_AT_ONCE = 6
"""What browsers allow themselves of one host."""

_TIME_S = 10.0
"""For all of them; less where the attempt has less. Providers that fetch give up
within as long."""

_CONNECT_S = 5.0
_REDIRECTS = 3
"""Followed at most, each under the same rules: from a short link to a host, and
from there to its store."""

_LATE = Unfetched("it did not arrive in time")
_LEADS_ON = frozenset({301, 302, 303, 307, 308})
_SUCCESS = 200

_WHY = {
    FailureKind.ADDRESS_REFUSED: "it is not on the public internet",
    FailureKind.CONNECT: "no connection to its server was possible",
    FailureKind.TLS: "its server's certificate is not to be trusted",
    FailureKind.TIMEOUT_CONNECT: "its server did not answer in time",
    FailureKind.TIMEOUT_RESPONSE: "its server did not answer in time",
    FailureKind.RESET: "its server broke off",
}
"""A transport's own words hold the host, which is part of a prompt."""


class Send(Protocol):
    """Sends a request once, as `Transport.send` does."""

    async def __call__(
        self, request: HttpRequest, *, connect_timeout: float, response_timeout: float
    ) -> HttpResponse:
        """Return what answers.

        Raises:
            TransportError: Nothing does.
        """


class _RefusedError(Exception):
    """Something that is not taken, and why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Room:
    """How many bytes may still come for one request."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, size: int) -> None:
        if size > self.left:
            raise _RefusedError(f"it is longer than the {_MOST_BYTES >> 20} MiB taken")
        self.left -= size


class Downloads:
    """Fetches media."""

    def __init__(self, send: Send) -> None:
        """Fetch.

        Args:
            send: Sends each request. What it may call is its own to decide: a
                request never asks it for more than public addresses.
        """
        self._send = send

    async def fetch(self, addresses: Iterable[str], media: Media, ends: float) -> None:
        """Fetch what is at addresses, each once, and note what came of it.

        Args:
            addresses: As a caller wrote them.
            media: Where it is noted. What is in it is not fetched again.
            ends: When it must be there, on the event loop's clock.
        """
        ends = min(ends, asyncio.get_running_loop().time() + _TIME_S)
        wanted = list(addresses)
        try:
            async with asyncio.timeout_at(ends):
                await media.gate.acquire()
        except TimeoutError:
            for address in wanted:
                media.setdefault(address, _LATE)
            return
        try:
            await self._all([a for a in wanted if a not in media], media, ends)
        finally:
            media.gate.release()

    async def _all(self, wanted: list[str], media: Media, ends: float) -> None:
        taken = sum(
            len(each.data) * 3 // 4
            for each in media.values()
            if isinstance(each, Fetched)
        )
        room = _Room(_MOST_BYTES - taken)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(address: str) -> None:
            media[address] = await self._outcome(address, room, gate, ends)

        left = max(0, _MOST_ADDRESSES - len(media))
        for address in wanted[left:]:
            media[address] = Unfetched(
                f"a request may name {_MOST_ADDRESSES} addresses at most"
            )
        async with asyncio.TaskGroup() as tasks:
            for address in wanted[:left]:
                tasks.create_task(one(address))

    async def _outcome(
        self, address: str, room: _Room, gate: asyncio.Semaphore, ends: float
    ) -> Fetched | Unfetched:
        try:
            async with asyncio.timeout_at(ends), gate:
                return await self._fetched(address, room, ends)
        except TimeoutError:
            return _LATE
        except TransportError as error:
            return Unfetched(_WHY[error.kind])
        except _RefusedError as error:
            return Unfetched(error.why)

    async def _fetched(self, address: str, room: _Room, ends: float) -> Fetched:
        for _ in range(1 + _REDIRECTS):
            if address[:8].lower() != "https://":
                raise _RefusedError("content is fetched over https alone")
            left = max(0.001, ends - asyncio.get_running_loop().time())
            response = await self._send(
                HttpRequest("GET", address),
                connect_timeout=min(_CONNECT_S, left),
                response_timeout=left,
            )
            try:
                if response.status not in _LEADS_ON:
                    return await _read(response, room)
                address = urljoin(address, response.headers.get("location", ""))
            except ValueError as error:
                raise _RefusedError("its server leads nowhere") from error
            finally:
                await response.close()
        raise _RefusedError(f"its server leads on more than {_REDIRECTS} times")


async def _read(response: HttpResponse, room: _Room) -> Fetched:
    if response.status != _SUCCESS:
        raise _RefusedError(f"its server answered {response.status}")
    declared = response.headers.get("content-type", "")
    if not is_looked_at(declared):
        raise _RefusedError("its server says that it is no media")
    blocks: list[bytes] = []
    while block := await response.next_block():
        room.take(len(block))
        blocks.append(block)
    content = b"".join(blocks)
    media_type = media_type_of(declared, content)
    if not media_type:
        raise _RefusedError("its first bytes are those of no media that is known")
    return Fetched(media_type, base64.b64encode(content).decode())
