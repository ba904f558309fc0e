"""What is ready goes in one write, and nothing waits for company."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from fakes.patience import until
from holdfast.rpc.link.outbox import BATCH_BYTES, CROWD, Outbox


class Stream:
    """Takes one write at a time, each until it is let go.

    Attributes:
        written: What was written so far, the one under way included.
        go: Lets the write that is under way end.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.go = asyncio.Semaphore(0)

    async def write(self, frames: Sequence[bytes]) -> None:
        self.written.append(b"".join(frames))
        await self.go.acquire()


@contextlib.asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(outbox.run())
    yield
    outbox.close()
    await asyncio.wait_for(task, 10)


async def test_the_first_frame_is_written_at_once_and_the_rest_together():
    """Those that became ready during a write make up the next one."""
    stream = Stream()
    outbox = Outbox(stream.write)
    async with running(outbox):
        outbox.put(b"a")
        await until(lambda: stream.written)
        for frame in (b"b", b"c", b"d"):
            outbox.put(frame)
        stream.go.release()
        await until(lambda: len(stream.written) == 2)
        stream.go.release()

    assert stream.written == [b"a", b"bcd"]


async def test_a_write_is_bounded_unless_one_frame_is_larger():
    """So much and no more goes at once, in the order it came."""
    stream = Stream()
    outbox = Outbox(stream.write)
    half, large = bytes(BATCH_BYTES // 2), bytes(3 * BATCH_BYTES)
    for frame in (half, half, b"x", large, b"y"):
        outbox.put(frame)
    for _ in range(4):
        stream.go.release()
    async with running(outbox):
        pass

    assert stream.written == [half + half, b"x", large, b"y"]


async def test_closing_writes_what_waits():
    """Nothing that was put in is lost, and then it ends."""
    stream = Stream()
    stream.go.release()
    outbox = Outbox(stream.write)
    outbox.put(b"last")
    outbox.close()
    await asyncio.wait_for(outbox.run(), 10)

    assert stream.written == [b"last"]


@pytest.mark.parametrize(
    ("calls", "together"), [(CROWD, [b"a", b"bc"]), (CROWD - 1, [b"a", b"b", b"c"])]
)
async def test_a_crowds_writes_keep_their_distance(calls: int, together: list[bytes]):
    """Frames that follow one another go together where many calls are under way."""
    stream = Stream()
    for _ in range(3):
        stream.go.release()
    outbox = Outbox(stream.write, lambda: calls, distance_s=0.5)
    async with running(outbox):
        for frame in (b"a", b"b", b"c"):
            outbox.put(frame)
            # Time enough to write, and far from enough for the distance.
            for _ in range(5):
                await asyncio.sleep(0)
        await until(lambda: b"".join(stream.written) == b"abc")

    assert stream.written == together
