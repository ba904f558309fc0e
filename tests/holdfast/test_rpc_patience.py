"""A caller waits a little for a service that is away, rather than fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fakes.plans import asking
from fakes.services import AnsweringExecutor
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.executor.v1 import executor_service_pb2_grpc as executor_rpc
from holdfast.errors import ServiceUnavailableError
from holdfast.rpc.clients import RemoteExecutor
from holdfast.rpc.server import GrpcServer
from holdfast_executor.servicer import ExecutorServicer

REQUEST = asking(b"{}")
STREAM = asking(b"{}")

_LONG_S = 30.0


@contextlib.asynccontextmanager
async def served(
    executor: AnsweringExecutor, listen: str = "127.0.0.1:0"
) -> AsyncIterator[str]:
    server = GrpcServer([])
    executor_rpc.add_ExecutorServiceServicer_to_server(
        ExecutorServicer(executor), server.grpc
    )
    address = await server.start(listen)
    try:
        yield address
    finally:
        await server.stop(0)


async def collect(remote: RemoteExecutor) -> list[executor_pb.ExecuteStreamResponse]:
    return [message async for message in remote.execute_stream(STREAM)]


async def test_service_that_comes_back_in_time_is_asked() -> None:
    """Calls that met nobody are answered once somebody is there, streamed or not."""
    executor = AnsweringExecutor()
    async with served(executor) as address:
        pass
    impatient = RemoteExecutor([address])
    remote = RemoteExecutor([address], patience_s=_LONG_S)
    try:
        with pytest.raises(ServiceUnavailableError):
            await impatient.execute(REQUEST)
        whole = asyncio.create_task(remote.execute(REQUEST))
        streamed = asyncio.create_task(collect(remote))
        async with served(executor, address):
            await asyncio.gather(whole, streamed)
    finally:
        await impatient.close()
        await remote.close()

    assert len(executor.asked) == 2


async def test_patience_ends_with_the_request_s_own_time() -> None:
    """Who gave a call little time is told before it is over that nobody is there."""
    async with served(AnsweringExecutor()) as address:
        pass
    remote = RemoteExecutor([address], patience_s=_LONG_S)
    soon = asyncio.get_running_loop().time() + 0.05
    try:
        with pytest.raises(ServiceUnavailableError):
            async with asyncio.timeout(_LONG_S / 2):
                await remote.execute(REQUEST, deadline=soon)
    finally:
        await remote.close()
