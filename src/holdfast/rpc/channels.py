"""gRPC channels as all our clients use them."""

import asyncio

from grpc import aio

from holdfast.certificates import Certificates
from holdfast.rpc.limits import MESSAGE_BYTES
from holdfast.rpc.tls import MutualTls

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # A replica that vanished without a word is noticed within 15 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC waits a minute for the answer to a ping, whatever the keepalive says. A
    # body of 32 MiB before it takes 2.7 s at 100 Mb/s.
    ("grpc.http2.ping_timeout_ms", 5_000),
    # A replica that comes back is used within a second, not within two minutes.
    # gRPC adds up to a fifth to the longest pause.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 800),
    # Whatever its name says, this is how long one attempt to connect may take:
    # on a machine that is overloaded, more than a tenth of a second.
    ("grpc.min_reconnect_backoff_ms", 1_000),
    # Channels to one address connect each for itself: workers may share it.
    ("grpc.use_local_subchannel_pool", 1),
)

LONGEST_CALL_S = 86_400.0
"""How long a call may go on over a channel that no further call uses, in seconds:
the longest request that the configuration allows."""


class Dialer:
    """Opens channels to one service.

    Attributes:
        service: What it is called, e.g. `resolver`.
        tls: What both ends prove themselves with. None: in the clear.
    """

    def __init__(self, service: str, tls: MutualTls | None = None) -> None:
        """Open nothing yet."""
        self.service = service
        self.tls = tls

    @property
    def certificates(self) -> Certificates | None:
        """What a channel opened now uses; None where it is in the clear."""
        return None if self.tls is None else self.tls.current

    def open(self, target: str, *, resends: bool) -> aio.Channel:
        """Prepare a channel; nothing is connected yet.

        Args:
            target: A gRPC target, e.g. `127.0.0.1:50051`.
            resends: Whether gRPC sends a call once more that no server has seen,
                for its connection was at the end of its life. Whether one is
                asked again that may have been seen is always decided by us: an
                execution may have been billed.
        """
        options = (*CHANNEL_OPTIONS, ("grpc.enable_retries", int(resends)))
        if self.tls is None:
            return aio.insecure_channel(target, options)
        return self.tls.open(self.service, target, options)


class Channels:
    """Channels on which no further call is begun: each goes with its last one."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._closing: dict[aio.Channel, asyncio.Task[None]] = {}

    def leave(self, channel: aio.Channel) -> None:
        """Close a channel once the calls on it have ended."""
        closing = asyncio.create_task(channel.close(LONGEST_CALL_S))
        self._closing[channel] = closing
        closing.add_done_callback(lambda _: self._closing.pop(channel, None))

    async def ended(self) -> None:
        """Wait until all of them are closed."""
        await asyncio.gather(*self._closing.values())

    async def close(self) -> None:
        """Close them now."""
        closing = {**self._closing}
        for task in closing.values():
            task.cancel()
        await asyncio.gather(*closing.values(), return_exceptions=True)
        for channel in closing:
            await channel.close()


def time_left(deadline: float | None) -> float | None:
    """Return the seconds until a deadline, at least a thousandth."""
    if deadline is None:
        return None
    return max(0.001, deadline - asyncio.get_running_loop().time())


_TRAVEL_S = 0.1
_TRAVEL_SHARE = 0.1


def answer_by(left_s: float) -> float:
    """Return when an answer must go out, on the loop's clock.

    A little of the time is kept for the way back: a caller whose time runs out
    is then told what was tried meanwhile.

    Args:
        left_s: What the caller has left, in seconds.
    """
    travel = min(_TRAVEL_S, left_s * _TRAVEL_SHARE)
    return asyncio.get_running_loop().time() + left_s - travel
