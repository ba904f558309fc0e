"""Work that may take long, while something else is shown to whoever waits for it."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")


class UnderWay(Generic[T]):
    """One coroutine, run as a task for as long as the context lasts.

    It is called off where the context is left before it has ended.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        """Begin.

        Args:
            work: What is to be done.
        """
        self._task = asyncio.get_running_loop().create_task(work)

    async def ends_within(self, seconds: float) -> bool:
        """Wait a while, and tell whether it has ended."""
        await asyncio.wait({self._task}, timeout=seconds)
        return self._task.done()

    async def result(self) -> T:
        """Wait for what comes of it."""
        return await self._task

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self._task.cancelled():
            # Looked at, so that nobody is told that it was not.
            self._task.exception()
