"""One replica, called over a single stream that is kept open."""

import asyncio
from typing import Generic

import grpc
import structlog

from holdfast.api.link.v1 import link_service_pb2 as pb
from holdfast.errors import InternalError
from holdfast.rpc.channels import Channels, Dialer
from holdfast.rpc.errors import time_ran_out
from holdfast.rpc.link.call import Call
from holdfast.rpc.link.lane import METADATA_KEY
from holdfast.rpc.link.session import DRAINS, Session
from holdfast.rpc.link.workers import Workers, met
from holdfast.rpc.methods import Method, Request, Response
from holdfast.rpc.replica import Found, ReplicaGoneError

CONNECT = "/holdfast.api.link.v1.LinkService/Connect"

_log = structlog.get_logger("holdfast.link")

_PAUSE_S = 0.1
"""Between two attempts at a stream, in seconds, where the replica takes
connections and no streams. While it takes no connections, gRPC sets the pace."""

_NEEDLESS_S = 5.0
"""The same where there is little to hope for: every worker of a target is called
by another link already, for it runs fewer than it did; or we may not call it."""

_CONNECT_S = 5.0
"""How long a replica may take to accept a stream, in seconds. It does so before
it has looked at anything; one that takes longer hangs."""


class Link:
    """A replica at the other end of a stream.

    Connects when it is first used, and again whenever the stream ends. A
    replica that drains keeps the stream for the calls on it, while another one
    is sought for the calls to come.
    """

    def __init__(
        self,
        dialer: Dialer,
        target: str,
        found: Found | None = None,
        workers: Workers | None = None,
    ) -> None:
        """Prepare a channel; nothing is connected yet.

        Args:
            dialer: Opens channels to the service.
            target: A gRPC target.
            found: Told of a link to each further worker of the target.
            workers: Those of the target, where another link told of this one.
        """
        self._dialer = dialer
        self._service = dialer.service
        self._target = target
        self._found_further = found
        self._workers = workers or Workers(self._make_link)
        self._log = _log.bind(service=dialer.service, target=target)
        self._shown = dialer.certificates
        self._channel = dialer.open(target, resends=False)
        self._left = Channels()
        self._is_retired = False
        self._session: Session | None = None
        self._up = asyncio.Event()
        self._settled = asyncio.Event()
        """Set unless an attempt to connect is under way that is worth waiting for."""
        self._is_lost = workers is not None
        self._is_refused = False
        self._keeping: asyncio.Task[None] | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    def is_away(self) -> bool:
        """Tell whether it was lost, or could not be reached."""
        self._keep()
        return self._is_lost

    def is_connected(self) -> bool:
        """Tell whether it can be called now; begin to connect if not."""
        self._keep()
        return self._up.is_set()

    async def connected(self) -> None:
        """Wait until it can be called."""
        self._keep()
        await self._up.wait()

    async def retire(self) -> None:
        """Take no further call, and hang up once those begun have ended."""
        self._is_retired = True
        if self._keeping is not None:
            self._keeping.cancel()
        if self._session is not None:
            self._session.retire()
        self._session = None
        self._up.clear()
        self._settled.set()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self.close()

    async def close(self) -> None:
        """End the stream, and the calls on it."""
        self._is_retired = True
        tasks = [*self._sessions]
        if self._keeping is not None:
            tasks.append(self._keeping)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._left.close()
        await self._channel.close()

    async def call(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> Response:
        """Call a method that answers with one message."""
        call = await self._begin(method, request, deadline)
        try:
            answer = await call.read()
        finally:
            call.cancel()
        if answer is None:
            raise InternalError(f"The gateway's {self._service} gave no answer.")
        return method.read(answer)

    async def open(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> "_LinkedReading[Response]":
        """Call a method that streams its answer."""
        call = await self._begin(method, request, deadline)
        return _LinkedReading(method, call)

    async def _begin(
        self,
        method: Method[Request, Response],
        request: Request,
        deadline: float | None,
    ) -> Call:
        session = self._session
        if session is None or session.left.is_set():
            session = await self._soon_connected(deadline)
        return session.call(method.name, method.write(request), deadline)

    async def _soon_connected(self, deadline: float | None) -> Session:
        """Wait for the attempt to connect that is under way, if one is."""
        self._keep()
        if self._session is not None:
            # It was left this very moment, and the next attempt is about to begin.
            self._settled.clear()
        try:
            async with asyncio.timeout_at(deadline):
                await self._settled.wait()
        except TimeoutError:
            raise time_ran_out() from None
        if self._session is None or self._session.left.is_set():
            raise ReplicaGoneError("it could not be reached")
        return self._session

    def _make_link(self) -> None:
        """Call a further worker, if whoever holds this link can use it."""
        if self._found_further is not None:
            link = Link(self._dialer, self._target, self._found_further, self._workers)
            link._keep()
            self._found_further(link)

    def _keep(self) -> None:
        if self._keeping is None and not self._is_retired:
            self._keeping = asyncio.create_task(self._keep_connected())

    async def _keep_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if (session := await self._connect()) is not None:
                self._found(session)
                await session.left.wait()
                self._lost(session.why_left)
                # The next attempt follows at once, and calls may wait for it.
                self._settled.clear()
                if loop.time() < began + _PAUSE_S:
                    await asyncio.sleep(_PAUSE_S)
            else:
                self._settled.set()
                needless = self._is_refused or (
                    self._is_lost and self._workers.are_all_called()
                )
                await asyncio.sleep(_NEEDLESS_S if needless else _PAUSE_S)
                await self._can_be_tried()

    async def _can_be_tried(self) -> None:
        """Wait until there is a connection, or certificates to try for one with."""
        ready = asyncio.ensure_future(self._channel.channel_ready())
        waiting: list[asyncio.Future[None]] = [ready]
        if self._dialer.tls is not None and self._shown is not None:
            renewed = self._dialer.tls.renewed(self._shown)
            waiting.append(asyncio.ensure_future(renewed))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _dial_again(self) -> None:
        """Take another channel; calls that go on over the old one keep it."""
        self._left.leave(self._channel)
        self._shown = self._dialer.certificates
        self._channel = self._dialer.open(self._target, resends=False)

    async def _connect(self) -> Session | None:
        """Open a stream, or say why not."""
        if self._dialer.certificates is not self._shown:
            self._dial_again()
        stream = self._channel.stream_stream(
            CONNECT,
            request_serializer=None,
            response_deserializer=pb.ConnectResponse.FromString,
        )()
        try:
            async with asyncio.timeout(_CONNECT_S):
                metadata = await stream.initial_metadata()
        except TimeoutError:
            stream.cancel()
            self._lost("it did not answer")
            return None
        self._is_refused = False
        if stream.done():
            self._is_refused = await stream.code() is grpc.StatusCode.PERMISSION_DENIED
            self._lost(await stream.details())
            return None
        told = dict(metadata or ())
        if not self._workers.take(self, met(told)):
            stream.cancel()
            self._dial_again()
            return None
        session = Session(self._service, stream)
        if self._dialer.tls is None and (lane := told.get(METADATA_KEY)):
            await session.take_lane(str(lane))
        running = asyncio.create_task(session.run())
        self._sessions.add(running)
        running.add_done_callback(self._sessions.discard)
        return session

    def _found(self, session: Session) -> None:
        self._session = session
        self._is_lost = False
        self._up.set()
        self._settled.set()
        self._log.info("replica_found")

    def _lost(self, why: str) -> None:
        self._session = None
        self._up.clear()
        self._workers.leave(self)
        # Said once, and not again at every attempt.
        if not self._is_lost:
            say = self._log.info if why == DRAINS else self._log.warning
            say("replica_lost", why=why)
        self._is_lost = True


class _LinkedReading(Generic[Response]):
    def __init__(self, method: Method[Request, Response], call: Call) -> None:
        self._read = method.read
        self._call = call

    async def read(self) -> Response | None:
        message = await self._call.read()
        return None if message is None else self._read(message)

    def cancel(self) -> None:
        self._call.cancel()
