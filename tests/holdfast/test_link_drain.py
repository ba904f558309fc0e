"""A server of links that stops: what had begun, and what comes too late."""

import asyncio

import pytest
from grpc import aio

from fakes.links import ExecutorByBody, collect, executors, linked, stoppable
from fakes.plans import asking
from fakes.services import AnsweringExecutor, WaitingExecutor
from holdfast.api.link.v1 import link_service_pb2 as link_pb
from holdfast.api.link.v1 import link_service_pb2_grpc as link_rpc
from holdfast.errors import ServiceUnavailableError
from holdfast.rpc.link import frames
from holdfast.rpc.methods import EXECUTE
from holdfast.rpc.server import GrpcServer

REQUEST = asking(b"{}")
STREAM = asking(b"{}")


@pytest.mark.parametrize("lanes", [True, False])
async def test_a_server_that_stops_answers_what_had_begun_and_nothing_more(lanes):
    """What is asked meanwhile goes to another replica."""
    whole, streamed = WaitingExecutor(), WaitingExecutor(first_chunk=True)
    other = AnsweringExecutor()
    async with (
        stoppable(ExecutorByBody({b"{}": whole, b"[]": streamed}), lanes=lanes) as (
            server,
            one,
        ),
        linked(other) as two,
        executors(one, two) as far,
    ):
        stream = far.execute_stream(asking(b"[]"))
        await anext(stream)
        await far.execute(REQUEST)
        calling = asyncio.create_task(far.execute(REQUEST))
        await asyncio.wait_for(whole.began.wait(), 10)
        stopping = asyncio.create_task(server.stop(30))
        for _ in range(4):
            await asyncio.wait_for(far.execute(REQUEST), 10)
        whole.release.set()
        streamed.release.set()
        rest = await collect(stream)
        answer = await calling
        await asyncio.wait_for(stopping, 10)

    assert answer.body
    assert rest[-1].HasField("completed")
    assert len(other.asked) == 5


async def test_a_server_ends_what_outlasts_its_grace():
    """On both sides, and it does stop."""
    executor = WaitingExecutor(first_chunk=True)
    async with stoppable(executor) as (server, address), executors(address) as far:
        stream = far.execute_stream(STREAM)
        await anext(stream)
        await asyncio.wait_for(server.stop(0.1), 10)
        with pytest.raises(ServiceUnavailableError):
            await collect(stream)
        await asyncio.wait_for(executor.called_off.wait(), 10)


async def test_a_call_that_crosses_the_news_of_a_drain_is_refused_unbegun():
    """So that it can safely be asked of another replica."""
    executor = WaitingExecutor()
    request = EXECUTE.write(REQUEST)
    async with (
        stoppable(executor) as (server, address),
        aio.insecure_channel(address) as channel,
    ):
        stream = link_rpc.LinkServiceStub(channel).Connect()
        await stream.write(said(frames.opening(1, EXECUTE.name, request, 0)))
        await asyncio.wait_for(executor.began.wait(), 10)
        stopping = asyncio.create_task(server.stop(30))
        news = await stream.read()
        await stream.write(said(frames.opening(2, EXECUTE.name, request, 0)))
        refusal = await stream.read()
        executor.release.set()
        answer = await stream.read()
        ended = await stream.read()
        await asyncio.wait_for(stopping, 10)

    assert news.frames == frames.going()
    assert refusal.frames == frames.refused(2)
    assert read(answer) == [(frames.ANSWER, 1)]
    assert ended is aio.EOF


def said(frame: bytes) -> link_pb.ConnectRequest:
    return link_pb.ConnectRequest(frames=frame)


def read(message: link_pb.ConnectResponse | link_pb.ConnectRequest):
    """Take a message's frames apart: the kind and the call of each."""
    taken: list[tuple[int, int]] = []
    frames.FrameReader(lambda kind, call_id, *_: taken.append((kind, call_id))).feed(
        message.frames
    )
    return taken


class RefusingLinks(link_rpc.LinkServiceServicer):
    """Begins none of the calls that come."""

    async def Connect(self, request_iterator, context):  # noqa: N802 - gRPC's name
        await context.send_initial_metadata(())
        async for message in request_iterator:
            yield link_pb.ConnectResponse(
                frames=b"".join(frames.refused(call_id) for _, call_id in read(message))
            )


@pytest.mark.parametrize("streams", [False, True])
async def test_a_call_that_is_refused_unbegun_is_asked_of_another_replica(streams):
    """Whatever it does: it was done nowhere yet."""
    server, other = GrpcServer([]), AnsweringExecutor()
    link_rpc.add_LinkServiceServicer_to_server(RefusingLinks(), server.grpc)
    refusing = await server.start("127.0.0.1:0")
    async with linked(other) as two, executors(refusing, two) as far:
        if streams:
            await collect(far.execute_stream(STREAM))
        else:
            await far.execute(REQUEST)
    await server.stop(0)

    assert len(other.asked) == 1
