"""A link between two processes of one machine, and the frames that cross it."""

import asyncio
import dataclasses
import os
import subprocess
import sys

import pytest

from fakes.breakable_proxy import BreakableProxy
from fakes.links import CountingExecutor, collect, executors, linked, stoppable
from fakes.plans import asking
from fakes.services import WaitingExecutor
from holdfast.errors import ServiceUnavailableError
from holdfast.rpc.link import frames, lane

REQUEST = asking(b"{}")


async def test_on_one_machine_calls_do_not_cross_the_network():
    """They are answered while nothing passes between the two by gRPC."""
    async with (
        linked(CountingExecutor()) as address,
        BreakableProxy(address) as proxy,
        executors(proxy.endpoint) as far,
    ):
        await far.connected()
        proxy.black_hole()
        whole = await asyncio.wait_for(far.execute(asking(b"7")), 10)
        streamed = await asyncio.wait_for(
            collect(far.execute_stream(asking(b"20"))), 10
        )
        proxy.pass_on()

    assert whole.body == b"7"
    assert len(streamed) == 20


async def test_a_stream_that_breaks_takes_its_lane_with_it():
    """Both sides give up what had begun, as if there were no lane."""
    executor = WaitingExecutor(first_chunk=True)
    async with (
        linked(executor) as address,
        BreakableProxy(address) as proxy,
        executors(proxy.endpoint) as far,
    ):
        stream = far.execute_stream(REQUEST)
        await anext(stream)
        await anext(stream)
        proxy.refuse()
        with pytest.raises(ServiceUnavailableError):
            await asyncio.wait_for(collect(stream), 10)

        await asyncio.wait_for(executor.called_off.wait(), 10)


class LargeExecutor(WaitingExecutor):
    """Answers with more than a socket holds, once it is let."""

    async def execute(self, request, *, deadline=None):
        answer = await super().execute(request, deadline=deadline)
        return dataclasses.replace(answer, body=bytes(900_000))


async def test_the_last_answer_of_a_server_that_stops_arrives_whole():
    """However large: the stream beside it may be seen to end first."""
    executor = LargeExecutor()
    async with stoppable(executor) as (server, address), executors(address) as far:
        calling = asyncio.create_task(far.execute(REQUEST))
        await asyncio.wait_for(executor.began.wait(), 10)
        stopping = asyncio.create_task(server.stop(30))
        await asyncio.sleep(0)
        executor.release.set()
        answer = await calling
        await asyncio.wait_for(stopping, 10)

    assert len(answer.body) == 900_000


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
async def test_a_process_of_another_user_is_not_let_in():
    """It can see the name, and is hung up on; our own is still awaited."""
    ends: list[lane.Lane] = []

    def make() -> lane.Lane:
        ends.append(lane.Lane(lambda _: None))
        return ends[-1]

    async with lane.offered(make) as name:
        knocking = (
            "import os, socket, sys; os.setuid(65534); "
            "s = socket.socket(socket.AF_UNIX); "
            "s.connect(chr(0) + sys.argv[1]); sys.exit(len(s.recv(1)))"
        )
        stranger = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", knocking, name],
            timeout=10,
        )
        let_in = len(ends)
        ours = lane.Lane(lambda _: None)
        connected = await lane.take(name, ours)
        ours.close()
        await asyncio.wait_for(ours.closed.wait(), 10)

    assert stranger.returncode == 0
    assert let_in == 0
    assert connected


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
async def test_a_socket_of_another_user_is_not_trusted():
    """Whoever has told its name: nothing of a call is said to it."""
    listening = (
        "import os, socket; os.setuid(65534); "
        "s = socket.socket(socket.AF_UNIX); s.bind(chr(0) + 'holdfast-stranger'); "
        "s.listen(1); print(flush=True); c, _ = s.accept(); "
        "raise SystemExit(len(c.recv(1)))"
    )
    stranger = await asyncio.create_subprocess_exec(
        sys.executable, "-c", listening, stdout=asyncio.subprocess.PIPE
    )
    assert stranger.stdout is not None
    await stranger.stdout.readline()
    ours = lane.Lane(lambda _: None)

    assert not await lane.take("holdfast-stranger", ours)
    assert await asyncio.wait_for(stranger.wait(), 10) == 0


async def test_a_name_of_another_machine_leads_nowhere():
    """Nobody listens there, and the stream carries the calls."""
    assert not await lane.take("holdfast-nobody", lane.Lane(lambda _: None))


@pytest.mark.parametrize("size", [1, 2, 7, 13, 14, 1_000])
def test_frames_are_whole_wherever_they_were_cut(size):
    """What is carried comes out as it went in, in order."""
    written = [
        frames.opening(1, "a.B/C", b"request" * 20, 5),
        frames.credit(1, 4_096),
        frames.cancel(2**40),
        frames.part(3, b""),
        frames.whole(4, b"x" * 300),
        frames.going(),
    ]
    taken: list[tuple[int, int, bytes]] = []
    reader = frames.FrameReader(
        lambda kind, call_id, data, begin, end: taken.append(
            (kind, call_id, data[begin:end])
        )
    )
    stream = b"".join(written)
    for at in range(0, len(stream), size):
        reader.feed(stream[at : at + size])

    assert [(kind, call_id) for kind, call_id, _ in taken] == [
        (frames.OPEN, 1),
        (frames.CREDIT, 1),
        (frames.CANCEL, 2**40),
        (frames.PART, 3),
        (frames.ANSWER, 4),
        (frames.GOING, 0),
    ]
    opening = taken[0][2]
    assert frames.opened(opening, 0, len(opening)) == (
        "a.B/C",
        b"request" * 20,
        5,
    )
    assert frames.granted(taken[1][2], 0) == 4_096
    assert taken[4][2] == b"x" * 300
