"""Serving links beside the plain gRPC services of a process."""

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


def serve_link(server: GrpcServer, offers: Offers, *, lanes: bool = True) -> None:
    """Have a server answer over links too. To be called before it starts.

    When the server stops, its clients are told to begin no further call there,
    and those begun have the server's grace to end.

    Args:
        server: What serves the plain methods.
        offers: What can be called; see `of_resolver` and `of_executor`.
        lanes: Whether clients on this machine get lanes beside their streams.
    """
    servicer = LinkServicer(offers, server.worker, lanes=lanes)
    connect = grpc.stream_stream_rpc_method_handler(
        servicer.connect, request_deserializer=pb.ConnectRequest.FromString
    )
    server.grpc.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Connect": connect}),)
    )
    server.before_stop(servicer.drain)


class LinkServicer:
    """Serves `holdfast.api.link.v1.LinkService`, whose messages go out as bytes."""

    def __init__(self, offers: Offers, worker: Worker, *, lanes: bool) -> None:
        """Serve what is offered."""
        self._offers = offers
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
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def drain(self) -> None:
        """Take no further stream and no further call."""
        self._drains = True
        for connection in self._connections:
            connection.drain()
