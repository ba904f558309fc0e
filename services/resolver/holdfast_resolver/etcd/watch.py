"""One watch on a prefix of etcd, which knows when it has gone deaf.

A stream can be open and silent for two reasons: nothing happens, or nothing
comes through. After a silence etcd is asked for a sign of life; silence again
means that the stream is dead.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from holdfast_resolver.etcd import wire_pb2 as wire
from holdfast_resolver.etcd.client import WATCH, EtcdClient, prefix_end
from holdfast_resolver.etcd.errors import (
    CompactedError,
    EtcdRefusedError,
    EtcdUnavailableError,
)

# The id in an answer to a progress request: it is about the whole stream.
_EVERY_WATCH = -1
# Etcd does not answer while it has the watch among those that have to catch up,
# where it is for up to 100 ms even if there is nothing to send.
_TIMES_ASKED = 2


class Watch:
    """An open watch. Made by `watching`."""

    def __init__(self, client: EtcdClient, call: Any, idle_s: float) -> None:
        self._client = client
        self._call = call
        self._idle_s = idle_s

    async def next(self, ask_after_s: float | None = None) -> wire.WatchResponse:
        """Return what etcd says next, asking for a sign of life after a silence.

        Args:
            ask_after_s: How long a silence; by default as long as it may take
                etcd to answer, once asked.

        Raises:
            EtcdUnavailableError: The stream has ended, or is silent though asked.
            EtcdRefusedError: Etcd cancelled the watch.
            CompactedError: Etcd no longer has the revisions to be watched.
        """
        # Read and write whole, not through an iterator: cancelling a wait of an
        # iterator breaks off the stream. So does cancelling `read`, which is why
        # it is a task that survives the first silence.
        reading = asyncio.ensure_future(self._call.read())
        silence_s = self._idle_s if ask_after_s is None else ask_after_s
        try:
            await asyncio.wait((reading,), timeout=silence_s)
            for _ in range(_TIMES_ASKED):
                if not reading.done():
                    await self._ask()
                    await asyncio.wait((reading,), timeout=self._idle_s / _TIMES_ASKED)
            if not reading.done():
                raise EtcdUnavailableError("watch is silent")
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait((reading,))
        response = _checked(reading.result())
        self._client.heard()
        return response

    async def _ask(self) -> None:
        async with asyncio.timeout(self._idle_s):
            await self._call.write(
                wire.WatchRequest(progress=wire.WatchProgressRequest())
            )


@contextlib.asynccontextmanager
async def watching(
    client: EtcdClient, prefix: bytes, start_revision: int, *, idle_s: float
) -> AsyncIterator[Watch]:
    """Watch a prefix from a revision on.

    Raises:
        EtcdError: As `Watch.next`, from the block.
    """
    create = wire.WatchCreateRequest(
        key=prefix,
        range_end=prefix_end(prefix),
        start_revision=start_revision,
        progress_notify=True,
        fragment=True,
    )
    async with client.stream(WATCH, open_timeout_s=idle_s) as call:
        async with asyncio.timeout(idle_s):
            await call.write(wire.WatchRequest(create=create))
        yield Watch(client, call, idle_s)


def is_answer_to_asking(response: wire.WatchResponse) -> bool:
    """Whether a response is the sign of life that was asked for.

    It is no position to resume from: before 3.4.25 and 3.5.8 its revision may be
    ahead of events not yet sent: https://github.com/etcd-io/etcd/issues/15220.
    """
    return response.watch_id == _EVERY_WATCH


def _checked(response: Any) -> wire.WatchResponse:
    if not isinstance(response, wire.WatchResponse):  # grpc.aio.EOF
        raise EtcdUnavailableError("watch has ended")
    if not response.canceled:
        return response
    if response.compact_revision:
        raise CompactedError(f"compacted at revision {response.compact_revision}")
    raise EtcdRefusedError("CANCELLED", response.cancel_reason)
