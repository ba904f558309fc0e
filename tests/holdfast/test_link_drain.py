"""A server of links that stops: what had begun, and what comes too late."""

import asyncio

import pytest
from grpc import aio

from fakes.links import ExecutorByBody, collect, executors, linked, stoppable
from fakes.services import AnsweringExecutor, WaitingExecutor
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.link.v1 import link_service_pb2 as link_pb
from holdfast.api.link.v1 import link_service_pb2_grpc as link_rpc
from holdfast.errors import ServiceUnavailableError
from holdfast.rpc.methods import EXECUTE
from holdfast.rpc.server import GrpcServer

REQUEST = executor_pb.ExecuteRequest(body=b"{}")
STREAM = executor_pb.ExecuteStreamRequest(body=b"{}")


async def test_a_server_that_stops_answers_what_had_begun_and_nothing_more():
    """What is asked meanwhile goes to another replica."""
    whole, streamed = WaitingExecutor(), WaitingExecutor(first_chunk=True)
    other = AnsweringExecutor()
    async with (
        stoppable(ExecutorByBody({b"{}": whole, b"[]": streamed})) as (server, one),
        linked(other) as two,
        executors(one, two) as far,
    ):
        stream = far.execute_stream(executor_pb.ExecuteStreamRequest(body=b"[]"))
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
    first, second = (
        link_pb.ConnectRequest(
            frames=[
                link_pb.CallFrame(
                    call_id=number, open=link_pb.Open(method=EXECUTE.name)
                )
            ]
        )
        for number in (1, 2)
    )
    async with (
        stoppable(executor) as (server, address),
        aio.insecure_channel(address) as channel,
    ):
        stream = link_rpc.LinkServiceStub(channel).Connect()
        await stream.write(first)
        await asyncio.wait_for(executor.began.wait(), 10)
        stopping = asyncio.create_task(server.stop(30))
        news = await stream.read()
        await stream.write(second)
        refusal = await stream.read()
        executor.release.set()
        answer = await stream.read()
        ended = await stream.read()
        await asyncio.wait_for(stopping, 10)

    kinds = [
        (frame.call_id, frame.WhichOneof("kind"))
        for message in (news, refusal, answer)
        for frame in message.frames
    ]
    assert kinds == [(0, "going"), (2, "refused"), (1, "end")]
    assert ended is aio.EOF


class RefusingLinks(link_rpc.LinkServiceServicer):
    """Begins none of the calls that come."""

    async def Connect(self, request_iterator, context):  # noqa: N802 - gRPC's name
        await context.send_initial_metadata(())
        async for message in request_iterator:
            yield link_pb.ConnectResponse(
                frames=[
                    link_pb.AnswerFrame(
                        call_id=frame.call_id, refused=link_pb.Refused()
                    )
                    for frame in message.frames
                ]
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
