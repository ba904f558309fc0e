"""Keeps the connection of a stream open while there is nothing to send.

Proxies and clients close a connection that is silent for long, and a stream may
be: a model thinks, or another deployment takes up what broke off. A comment is
no event; clients pass over it.
"""

import asyncio
import contextlib

from starlette.types import Send

from holdfast_edge.presence import CallerGoneError

COMMENT = b": keep-alive\n\n"

LOOKS_EVERY_S = 5.0
"""How often somebody looks, in seconds. What has been silent from one look to the
next gets a comment, so 5 to 10 s after its last piece, and every 10 s from then
on. The HTML standard advises one about every 15 s, for the sake of old proxies;
nginx and load balancers close after 60 s, impatient clients after 30 s."""


class KeepAlive:
    """Sends a comment where a stream has been silent for a while.

    One timer a stream, which sets itself anew: a piece costs no more than saying
    that it was sent.

    Attributes:
        is_quiet: Whether nothing was sent since somebody looked. To be set to
            False by whoever sends something.
    """

    __slots__ = ("_every_s", "_loop", "_sending", "_timer", "_to", "is_quiet")

    def __init__(self, to: Send, every_s: float) -> None:
        """Begin to look.

        Args:
            to: Towards the caller. The answer's head must be on its way, and
                each piece that is sent must consist of whole events.
            every_s: How often to look, in seconds.
        """
        self.is_quiet = False
        self._to = to
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._sending: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(every_s, self._look)

    def close(self) -> None:
        """Send nothing any more, not even what waits for a slow reader."""
        self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()

    def _look(self) -> None:
        self._timer = self._loop.call_later(self._every_s, self._look)
        if not self.is_quiet:
            self.is_quiet = True
        elif self._sending is None:
            self._sending = self._loop.create_task(self._send())

    async def _send(self) -> None:
        # Whoever has gone away is noticed where their presence is watched.
        with contextlib.suppress(CallerGoneError):
            await self._to(
                {"type": "http.response.body", "body": COMMENT, "more_body": True}
            )
        self.is_quiet = False
        self._sending = None
