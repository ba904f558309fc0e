"""gRPC channels as all our clients use them."""

import asyncio

from grpc import aio

from holdfast.rpc.limits import MESSAGE_BYTES

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # A replica that vanished without a word is noticed within 13 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A replica that comes back is used within a second, not within two minutes.
    # gRPC adds up to a fifth to the longest pause.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 800),
    # Whatever its name says, this is how long one attempt to connect may take:
    # on a machine that is overloaded, more than a tenth of a second.
    ("grpc.min_reconnect_backoff_ms", 1_000),
    # Channels to one address connect each for itself: workers may share it.
    ("grpc.use_local_subchannel_pool", 1),
    # Who retries is decided by us: an execution may have been billed.
    ("grpc.enable_retries", 0),
)


def open_channel(target: str) -> aio.Channel:
    """Prepare a channel; nothing is connected yet.

    Args:
        target: A gRPC target, e.g. `127.0.0.1:50051` or `dns:///resolver:50051`.
    """
    return aio.insecure_channel(target, CHANNEL_OPTIONS)


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
