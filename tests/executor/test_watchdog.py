"""Waits that take too long end; those that do not are left alone."""

import asyncio

import pytest

from fakes.instant_loop import InstantLoop, on_instant_loop
from holdfast_executor.watchdog import Watchdog

NEVER = 1e12


async def test_a_wait_that_takes_too_long_ends() -> None:
    """What was waited for is cancelled; who waited is not."""
    watchdog = Watchdog()
    cancelled = asyncio.Event()

    async def silence() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await watchdog.wait(silence, 0.01, NEVER)

    task = asyncio.current_task()
    assert cancelled.is_set()
    assert task is not None
    assert task.cancelling() == 0
    watchdog.close()


async def test_the_deadline_ends_a_wait_too() -> None:
    """Even one that has passed; what is there already is taken all the same."""
    watchdog = Watchdog()
    past = asyncio.get_running_loop().time() - 1

    async def at_once() -> str:
        return "here"

    assert await watchdog.wait(at_once, 60, past) == "here"
    with pytest.raises(TimeoutError):
        await watchdog.wait(asyncio.Event().wait, 60, past)
    watchdog.close()


def test_what_came_while_the_process_stood_still_is_taken() -> None:
    """It is no silence of who sent it. One that goes on after that is."""

    async def wait() -> str:
        watchdog = Watchdog()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, InstantLoop)
        coming = loop.create_future()

        def stop_and_go_on() -> None:
            loop.stand_still(10)
            loop.call_soon(coming.set_result, "here")

        loop.call_soon(stop_and_go_on)
        came = await watchdog.wait(lambda: coming, 5, NEVER)
        loop.call_soon(loop.stand_still, 10)
        with pytest.raises(TimeoutError):
            await watchdog.wait(asyncio.Event().wait, 5, NEVER)
        watchdog.close()
        return str(came)

    assert on_instant_loop(wait()) == "here"


async def test_many_short_waits_may_take_longer_together() -> None:
    """Each has the whole time."""
    watchdog = Watchdog()
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def shortly() -> None:
        await asyncio.sleep(0.02)

    while loop.time() < began + 0.5:
        await watchdog.wait(shortly, 0.25, NEVER)

    with pytest.raises(TimeoutError):
        await watchdog.wait(asyncio.Event().wait, 0.01, NEVER)
    watchdog.close()


async def test_what_happens_between_two_waits_takes_as_long_as_it_likes() -> None:
    """A reader that is slow is not a provider that is silent."""
    watchdog = Watchdog()

    async def at_once() -> str:
        return "here"

    await watchdog.wait(at_once, 0.01, NEVER)
    await asyncio.sleep(0.05)

    assert await watchdog.wait(at_once, 0.01, NEVER) == "here"
    watchdog.close()


async def test_a_shorter_wait_ends_sooner_than_the_one_before_would_have() -> None:
    """The timer of the longer one does not hold it up."""
    watchdog = Watchdog()

    async def at_once() -> str:
        return "here"

    await watchdog.wait(at_once, 3_600, NEVER)

    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            await watchdog.wait(asyncio.Event().wait, 0.01, NEVER)
    watchdog.close()


async def test_who_is_cancelled_while_it_waits_is_cancelled() -> None:
    """It is not told that time ran out."""
    watchdog = Watchdog()
    task = asyncio.ensure_future(watchdog.wait(asyncio.Event().wait, 60, NEVER))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    watchdog.close()


async def test_who_is_cancelled_just_as_time_runs_out_is_cancelled() -> None:
    """Else whoever cancelled it would wait for its end in vain."""
    watchdog = Watchdog()

    async def cancelled_meanwhile() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task.cancel()
            raise

    task = asyncio.ensure_future(watchdog.wait(cancelled_meanwhile, 0.01, NEVER))

    with pytest.raises(asyncio.CancelledError):
        await task
    watchdog.close()


async def test_a_failure_of_what_is_waited_for_is_passed_on() -> None:
    """And the next wait is watched like any."""
    watchdog = Watchdog()

    async def failing() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await watchdog.wait(failing, 60, NEVER)

    with pytest.raises(TimeoutError):
        await watchdog.wait(asyncio.Event().wait, 0.01, NEVER)
    watchdog.close()
