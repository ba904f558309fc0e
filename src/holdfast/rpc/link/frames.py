"""The frames of a link as they are written, each a message of its own.

See `link_service.proto` for what each one means, and `Outbox` for why they are
serialized one by one.
"""

from holdfast.api.link.v1 import link_service_pb2 as pb
from holdfast.errors import GatewayError
from holdfast.rpc.errors import to_bytes


def opening(call_id: int, method: str, request: bytes, time_left_us: int) -> bytes:
    """Begin a call. No time left is no limit."""
    message = pb.ConnectRequest()
    written = message.frames.add(call_id=call_id).open
    written.method = method
    written.request = request
    written.time_left_us = time_left_us
    return message.SerializeToString()


def cancel(call_id: int) -> bytes:
    """End a call that is waited for no longer."""
    message = pb.ConnectRequest()
    message.frames.add(call_id=call_id).cancel.SetInParent()
    return message.SerializeToString()


def credit(call_id: int, size: int) -> bytes:
    """Let so many further bytes come."""
    message = pb.ConnectRequest()
    message.frames.add(call_id=call_id, credit_bytes=size)
    return message.SerializeToString()


def part(call_id: int, answer: bytes) -> bytes:
    """Send a message of a streamed answer."""
    message = pb.ConnectResponse()
    message.frames.add(call_id=call_id, message=answer)
    return message.SerializeToString()


def whole(call_id: int, answer: bytes) -> bytes:
    """End a call with its one answer."""
    message = pb.ConnectResponse()
    message.frames.add(call_id=call_id).end.answer = answer
    return message.SerializeToString()


def finished(call_id: int) -> bytes:
    """End a streamed answer that succeeded."""
    message = pb.ConnectResponse()
    message.frames.add(call_id=call_id).end.finished.SetInParent()
    return message.SerializeToString()


def failed(call_id: int, error: GatewayError) -> bytes:
    """End a call that failed."""
    message = pb.ConnectResponse()
    message.frames.add(call_id=call_id).end.status = to_bytes(error)
    return message.SerializeToString()


def refused(call_id: int) -> bytes:
    """Leave a call unbegun."""
    message = pb.ConnectResponse()
    message.frames.add(call_id=call_id).refused.SetInParent()
    return message.SerializeToString()


def going() -> bytes:
    """Say that no further call is begun."""
    message = pb.ConnectResponse()
    message.frames.add().going.SetInParent()
    return message.SerializeToString()
