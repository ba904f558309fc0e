"""The frames of a link: what is said of one call, as bytes.

Each is a head and what it carries, and they are laid end to end: whoever writes
may cut the bytes where it likes. They are packed by hand because a frame a call
is what a link costs, and because a large body would be copied twice more on its
way in and out of a message. See `link_service.proto` for what each one means.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

from holdfast.errors import GatewayError
from holdfast.rpc.errors import to_bytes
from holdfast.rpc.limits import MESSAGE_BYTES

OPEN, CANCEL, CREDIT = 1, 2, 3
PART, ANSWER, FINISHED, STATUS, REFUSED, GOING = 16, 17, 18, 19, 20, 21
"""Kinds of frames: the client's, and the server's."""

LARGEST = MESSAGE_BYTES - 1024
"""The most bytes of a frame: with the framing around it, what gRPC lets through."""

_HEAD = struct.Struct("<IBQ")
"""How many bytes are carried, the kind of frame, and the call's number."""

_OPENING = struct.Struct("<QH")
"""The time left in microseconds, and the length of the method's name after it."""

_CREDIT = struct.Struct("<I")

Take = Callable[[int, int, bytes, int, int], None]
"""Takes one frame: its kind, its call, and in which bytes, from where to where,
what it carries lies: who needs it copies it, once."""


class Opening(NamedTuple):
    """The beginning of a call.

    Attributes:
        method: A gRPC method's full name.
        request: Its request, serialized.
        time_left_us: How long it is waited for. Zero if there is no limit.
    """

    method: str
    request: bytes
    time_left_us: int


def opening(call_id: int, method: str, request: bytes, time_left_us: int) -> bytes:
    """Begin a call. No time left is no limit."""
    name = method.encode()
    size = _OPENING.size + len(name) + len(request)
    head = _HEAD.pack(size, OPEN, call_id)
    return b"".join((head, _OPENING.pack(time_left_us, len(name)), name, request))


def opened(data: bytes, begin: int, end: int) -> Opening:
    """Read what `opening` wrote."""
    time_left_us, length = _OPENING.unpack_from(data, begin)
    name = begin + _OPENING.size
    request = name + length
    return Opening(data[name:request].decode(), data[request:end], time_left_us)


def cancel(call_id: int) -> bytes:
    """End a call that is waited for no longer."""
    return _HEAD.pack(0, CANCEL, call_id)


def credit(call_id: int, size: int) -> bytes:
    """Let so many further bytes come."""
    return _HEAD.pack(_CREDIT.size, CREDIT, call_id) + _CREDIT.pack(size)


def granted(data: bytes, begin: int) -> int:
    """Read what `credit` wrote."""
    size: int = _CREDIT.unpack_from(data, begin)[0]
    return size


def part(call_id: int, answer: bytes) -> bytes:
    """Send a message of a streamed answer."""
    return _HEAD.pack(len(answer), PART, call_id) + answer


def whole(call_id: int, answer: bytes) -> bytes:
    """End a call with its one answer."""
    return _HEAD.pack(len(answer), ANSWER, call_id) + answer


def finished(call_id: int) -> bytes:
    """End a streamed answer that succeeded."""
    return _HEAD.pack(0, FINISHED, call_id)


def failed(call_id: int, error: GatewayError) -> bytes:
    """End a call that failed."""
    status = to_bytes(error)
    return _HEAD.pack(len(status), STATUS, call_id) + status


def refused(call_id: int) -> bytes:
    """Leave a call unbegun."""
    return _HEAD.pack(0, REFUSED, call_id)


def going() -> bytes:
    """Say that no further call is begun."""
    return _HEAD.pack(0, GOING, 0)


class FrameReader:
    """Takes bytes apart into frames, wherever they were cut."""

    __slots__ = ("_missing", "_parts", "_take")

    def __init__(self, take: Take) -> None:
        """Pass on each frame that is whole."""
        self._take = take
        self._parts: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> None:
        """Take in further bytes, and pass on the frames that are whole by now."""
        if self._parts:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                # A large frame is joined once, however many pieces it comes in.
                return
            data = b"".join(self._parts)
            self._parts = []
        at, end = 0, len(data)
        while (after := at + _HEAD.size) <= end:
            size, kind, call_id = _HEAD.unpack_from(data, at)
            begin, after = after, after + size
            if after > end:
                break
            self._take(kind, call_id, data, begin, after)
            at = after
        if at < end:
            self._parts = [data[at:]]
            self._missing = after - end
