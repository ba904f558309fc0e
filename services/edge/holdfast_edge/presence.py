"""Noticing that a caller went away, and stopping what was done for it."""

import asyncio
from types import TracebackType

from starlette.types import Receive

_UNWATCHED_S = 0.02
"""How long work goes on before the caller is watched, in seconds: to watch costs
a task, which an answer that comes sooner is spared."""


class CallerGoneError(Exception):
    """The caller closed the connection before it had its answer."""


class CallerPresence:
    """Cancels the work inside it when the caller goes away.

    To be entered once the request's body has been read, and to be left before
    the last piece of the answer is sent: a connection whose answer is whole
    reads as closed.

    Raises:
        CallerGoneError: On leaving, if the caller went away meanwhile.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("there is no task to cancel")
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED_S, self._begin)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        task, watch = self._task, self._watch
        # Both lead back here: kept, they would only go with the next collection.
        del self._task, self._timer
        self._watch = None
        if watch is not None:
            watch.cancel()
        if self._gone and task.uncancel() <= self._cancelling:
            raise CallerGoneError from exception

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        message = await self._receive()
        while message["type"] != "http.disconnect":
            message = await self._receive()
        self._gone = True
        self._task.cancel()
