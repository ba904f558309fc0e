"""Waiting for something to become true, rather than for time to pass."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Return once a condition holds.

    Raises:
        AssertionError: It does not in the time there is, generous by design.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.01)
