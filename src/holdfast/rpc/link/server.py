"""Serving links beside the plain gRPC services of a process."""

import asyncio
import random
from typing import Any

import grpc

from holdfast.api.link.v1 import link_service_pb2 as pb
from holdfast.environment import Worker
from holdfast.rpc.errors import Context
from holdfast.rpc.link.connection import Connection
from holdfast.rpc.link.offers import Offers
from holdfast.rpc.link.workers import told
from holdfast.rpc.server import GrpcServer

SERVICE = "holdfast.api.link.v1.LinkService"


_LIFE_S = 3_600.0
"""How long a stream takes new calls where certificates are shown, in seconds: one
that has run out, or was made out by an authority that is trusted no more, opens
no door for longer. A tenth more or less, so that they are not made anew at once."""

_CROSSING_S = 5.0
"""How long calls may cross the news that another stream is wanted, in seconds."""


def serve_link(
    server: GrpcServer,
    offers: Offers,
    *,
    lanes: bool = True,
    life_s: float = _LIFE_S,
) -> None:
    """Have a server answer over links too. To be called before it starts.

    When the server stops, its clients are told to begin no further call there,
    and those begun have the server's grace to end.

    Args:
        server: What serves the plain methods.
        offers: What can be called; see `of_resolver` and `of_executor`.
        lanes: Whether clients on this machine get lanes beside their streams.
            Not with TLS: a lane shows no certificate, and the users that two
            containers of one machine run as may have the same number.
        life_s: With TLS, how long a stream takes new calls, in seconds.
    """
    secure = server.tls is not None
    servicer = LinkServicer(
        offers,
        server.worker,
        lanes=lanes and not secure,
        life_s=life_s if secure else None,
    )
    connect = grpc.stream_stream_rpc_method_handler(
        servicer.connect, request_deserializer=pb.ConnectRequest.FromString
    )
    server.grpc.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Connect": connect}),)
    )
    server.before_stop(servicer.drain)


class LinkServicer:
    """Serves `holdfast.api.link.v1.LinkService`, whose messages go out as bytes."""

    def __init__(
        self, offers: Offers, worker: Worker, *, lanes: bool, life_s: float | None
    ) -> None:
        """Serve what is offered."""
        self._offers = offers
        self._life_s = life_s
        self._metadata = told(worker)
        self._lanes = lanes
        self._connections: set[Connection] = set()
        self._drains = False

    async def connect(self, _requests: Any, context: Context) -> None:
        """Answer the calls of one client."""
        if self._drains:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server drains")
        connection = Connection(
            self._offers, context, metadata=self._metadata, offers_lane=self._lanes
        )
        self._connections.add(connection)
        ageing = self._ages(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            if ageing is not None:
                ageing.cancel()

    def _ages(self, connection: Connection) -> asyncio.TimerHandle | None:
        if self._life_s is None:
            return None
        life_s = self._life_s * random.SystemRandom().uniform(0.9, 1.1)
        return asyncio.get_running_loop().call_later(life_s, _leave, connection)

    def drain(self) -> None:
        """Take no further stream and no further call."""
        self._drains = True
        for connection in self._connections:
            connection.drain()


def _leave(connection: Connection) -> None:
    connection.take_leave()
    asyncio.get_running_loop().call_later(_CROSSING_S, connection.drain)
