"""Links to a service whose workers share one address."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from fakes.links import executors
from fakes.plans import asking
from fakes.services import AnsweringExecutor
from holdfast.environment import Worker
from holdfast.rpc.clients import RemoteExecutor
from holdfast.rpc.link.offers import of_executor
from holdfast.rpc.link.server import serve_link
from holdfast.rpc.server import GrpcServer

REQUEST = asking(b"{}")


async def start(executor: AnsweringExecutor, worker: Worker, at: str) -> GrpcServer:
    """Start one worker at an address."""
    server = GrpcServer([], worker)
    serve_link(server, of_executor(executor))
    assert await server.start(at) == at
    return server


@contextlib.contextmanager
def an_address() -> Iterator[str]:
    """Give an address that workers may share."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


async def meets(far: RemoteExecutor, executor: AnsweringExecutor) -> None:
    """Ask until an executor is among those that answer."""
    before = len(executor.asked)
    async with asyncio.timeout(20):
        while len(executor.asked) == before:
            await far.execute(REQUEST)
            await asyncio.sleep(0.01)


async def test_every_worker_gets_its_share_of_one_callers_calls():
    """Whichever the kernel connects it to first."""
    first, second, third = (AnsweringExecutor() for _ in range(3))
    ours = (first, second, third)
    async with contextlib.AsyncExitStack() as stack:
        address = stack.enter_context(an_address())
        for number, executor in enumerate(ours, 1):
            server = await start(executor, Worker(number, 3), address)
            stack.push_async_callback(server.stop, 0)
        far = await stack.enter_async_context(executors(address))
        for executor in ours:
            await meets(far, executor)
        before = [len(executor.asked) for executor in ours]
        for _ in range(30):
            await far.execute(REQUEST)

    assert [
        len(executor.asked) - then for executor, then in zip(ours, before, strict=True)
    ] == [10, 10, 10]


async def test_a_worker_that_stops_is_left_out_and_its_successor_met():
    """No call fails meanwhile: the other one answers."""
    staying, going, coming = (AnsweringExecutor() for _ in range(3))
    async with contextlib.AsyncExitStack() as stack:
        address = stack.enter_context(an_address())
        server = await start(staying, Worker(1, 2), address)
        stack.push_async_callback(server.stop, 0)
        leaving = await start(going, Worker(2, 2), address)
        far = await stack.enter_async_context(executors(address))
        await meets(far, staying)
        await meets(far, going)
        await leaving.stop(0)
        for _ in range(10):
            await far.execute(REQUEST)
        successor = await start(coming, Worker(2, 2), address)
        stack.push_async_callback(successor.stop, 0)
        await meets(far, coming)

    assert len(staying.asked) >= 10


async def test_a_server_that_is_alone_does_not_share_its_address():
    """A second one by mistake is an error, and takes no calls by chance."""
    server = GrpcServer([])
    address = await server.start("127.0.0.1:0")
    with pytest.raises(OSError, match="cannot listen"):
        await GrpcServer([]).start(address)
    await server.stop(0)
