"""Both ends of links, and executors for what only a link has to get right."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, TypeVar

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.ports import ExecuteRequest, ExecuteResponse, Executor
from holdfast.rpc.clients import RemoteExecutor, RemoteResolver
from holdfast.rpc.link.client import Link
from holdfast.rpc.link.offers import of_executor, of_resolver
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.server import GrpcServer

_Message = TypeVar("_Message")


@contextlib.asynccontextmanager
async def linked(
    executor: Any = None,
    resolver: Any = None,
    *,
    at: str = "127.0.0.1:0",
    lanes: bool = True,
) -> AsyncIterator[str]:
    """Serve an executor, a resolver or both over links alone; give the address.

    Without lanes, as between two machines.
    """
    server = GrpcServer([])
    offers = {
        **(of_executor(executor) if executor is not None else {}),
        **(of_resolver(resolver) if resolver is not None else {}),
    }
    serve_link(server, offers, lanes=lanes)
    address = await server.start(at)
    try:
        yield address
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def stoppable(
    executor: Executor, *, lanes: bool = True
) -> AsyncIterator[tuple[GrpcServer, str]]:
    """Serve an executor over links until the test stops its server."""
    server = GrpcServer([])
    serve_link(server, of_executor(executor), lanes=lanes)
    address = await server.start("127.0.0.1:0")
    try:
        yield server, address
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def executors(*targets: str, **more: Any) -> AsyncIterator[RemoteExecutor]:
    """Reach executors over links."""
    far = RemoteExecutor(targets, reach=Link, **more)
    try:
        yield far
    finally:
        await far.close()


@contextlib.asynccontextmanager
async def resolvers(*targets: str) -> AsyncIterator[RemoteResolver]:
    """Reach resolvers over links."""
    far = RemoteResolver(targets, reach=Link)
    try:
        yield far
    finally:
        await far.close()


@contextlib.asynccontextmanager
async def remote(
    executor: Executor, *, lanes: bool = True
) -> AsyncIterator[RemoteExecutor]:
    """Reach an executor that is served for this one test."""
    async with linked(executor, lanes=lanes) as address, executors(address) as far:
        yield far


async def collect(
    stream: AsyncGenerator[_Message, None], into: list[_Message] | None = None
) -> list[_Message]:
    """Read a stream to its end."""
    taken = [] if into is None else into
    async for message in stream:
        taken.append(message)
    return taken


class ExecutorByBody:
    """Has each request answered by the executor that its body names."""

    def __init__(self, executors: Mapping[bytes, Executor]) -> None:
        self._executors = executors

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        executor = self._executors[request.body]
        return await executor.execute(request, deadline=deadline)

    def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[executor_pb.ExecuteStreamResponse, None]:
        executor = self._executors[request.body]
        return executor.execute_stream(request, deadline=deadline)


class CountingExecutor:
    """Streams numbers as fast as they are taken, and answers a request's own body.

    Attributes:
        sent: How many messages were taken from it.
    """

    def __init__(self, count: int | None = None, *, padding: int = 0) -> None:
        """Count to what is given, or to the number in each request's body.

        Args:
            count: How many messages a stream has.
            padding: Bytes that each message has beside its number.
        """
        self.sent = 0
        self._count = count
        self._padding = b" " * padding

    async def execute(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> ExecuteResponse:
        return ExecuteResponse(request.body, executor_pb.Served(), ())

    async def execute_stream(
        self, request: ExecuteRequest, *, deadline: float | None = None
    ) -> AsyncGenerator[executor_pb.ExecuteStreamResponse, None]:
        for number in range(self._count or int(request.body)):
            yield executor_pb.ExecuteStreamResponse(
                chunks=executor_pb.Chunks(events=b"%d" % number + self._padding)
            )
            self.sent += 1
