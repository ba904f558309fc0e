"""Closing a server of a test's own, so that nothing of it is left open."""

import asyncio

_STEPS = 10
"""Turns of the loop within which whoever was accepted is met: making the transport
takes two, and beginning the task another."""


async def close_server(server: asyncio.Server) -> None:
    """Accept nobody more, see all met that were accepted, and close.

    The transport of one that is not met yet fails as the server is closed, and is left
    open; and a task that is cancelled before it has begun closes no connection.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(_STEPS):
        await asyncio.sleep(0)
    server.close()
