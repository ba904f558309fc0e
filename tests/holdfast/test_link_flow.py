"""Many calls, large messages and slow readers on one link."""

import asyncio

import pytest

from fakes.links import CountingExecutor, ExecutorByBody, collect, remote
from fakes.plans import asking
from fakes.services import WaitingExecutor
from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.errors import InternalError, RequestTooLargeError
from holdfast.ports import ExecuteResponse
from holdfast.rpc.link.window import WINDOW_BYTES

REQUEST = asking(b"{}")

pytestmark = pytest.mark.parametrize(
    "lanes", [True, False], ids=["one machine", "two machines"]
)


async def test_many_calls_at_once_each_get_their_own_answer(lanes):
    """Whole and streamed ones share the stream and are not mixed up."""
    async with remote(CountingExecutor(), lanes=lanes) as far:
        wholes = [far.execute(asking(b"%d" % n)) for n in range(200)]
        streams = [collect(far.execute_stream(asking(b"%d" % n))) for n in range(100)]
        answers = await asyncio.gather(*wholes, *streams)

    assert [answer.body for answer in answers[:200]] == [b"%d" % n for n in range(200)]
    for n, taken in enumerate(answers[200:]):
        numbers = [int(message.chunks.events) for message in taken]
        assert numbers == list(range(n))


async def test_readers_that_stop_reading_stop_their_own_streams_alone(lanes):
    """A stream gets one window ahead of its reader; other calls go on meanwhile."""
    large = {b"%d" % n: CountingExecutor(100, padding=65_536) for n in range(10)}
    small = CountingExecutor(1_000)
    async with remote(ExecutorByBody({**large, b"small": small}), lanes=lanes) as far:
        unread = [far.execute_stream(asking(name)) for name in large]
        for stream in unread:
            await anext(stream)
        taken = await collect(far.execute_stream(asking(b"small")))
        for _ in range(50):
            await far.execute(asking(b"small"))
        ahead = [executor.sent for executor in large.values()]
        rest = await collect(unread[0])
        for stream in unread:
            await stream.aclose()

    assert len(taken) == 1_000
    assert max(ahead) <= WINDOW_BYTES // 65_536
    assert len(rest) == 99


async def test_a_slow_reader_gets_everything_in_the_end(lanes):
    """What its window held back comes as it reads on: many windows of it."""
    count = WINDOW_BYTES // 4
    async with remote(CountingExecutor(), lanes=lanes) as far:
        stream = far.execute_stream(asking(b"%d" % count))
        numbers = [int(message.chunks.events) for message in await collect(stream)]

    assert numbers == list(range(count))


async def test_a_body_of_the_largest_size_passes(lanes):
    """32 MiB both ways, while small calls are answered too."""
    body = bytes(32 * 1024 * 1024)
    async with remote(CountingExecutor(), lanes=lanes) as far:
        large, *small = await asyncio.gather(
            far.execute(asking(body)),
            *[far.execute(REQUEST) for _ in range(20)],
        )

    assert large.body == body
    assert {answer.body for answer in small} == {REQUEST.body}


async def test_what_no_message_can_hold_fails_by_itself(lanes):
    """A request too large is refused, an answer too large is a fault; others go on."""

    class Magnifying(WaitingExecutor):
        async def execute(self, request, *, deadline=None):
            if request.body == b"more":
                return ExecuteResponse(
                    bytes(41 * 1024 * 1024), executor_pb.Served(), ()
                )
            return await super().execute(request, deadline=deadline)

    executor = Magnifying()
    async with remote(executor, lanes=lanes) as far:
        other = asyncio.create_task(far.execute(REQUEST))
        await asyncio.wait_for(executor.began.wait(), 10)
        with pytest.raises(RequestTooLargeError):
            await far.execute(asking(bytes(41 * 1024 * 1024)))
        with pytest.raises(InternalError):
            await far.execute(asking(b"more"))
        executor.release.set()

        assert (await other).body
