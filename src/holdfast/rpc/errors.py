"""Between `GatewayError` and a gRPC status: the one place for either direction."""

from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from holdfast import convert
from holdfast.api.routing.v1 import attempt_pb2
from holdfast.errors import (
    BY_REASON,
    DeadlineExceededError,
    GatewayError,
    InternalError,
    ServiceUnavailableError,
)

DOMAIN = "holdfast.dev"
"""The `domain` of every `ErrorInfo`: whose reasons these are."""

_MOST_HEADER_BYTES = 7 * 1024
"""A status travels in trailing metadata, which gRPC bounds to 8 KiB by default;
other headers get the rest. Beyond it the status would be lost altogether."""

_MOST_ATTEMPTS = 8
_MOST_MESSAGE = 1_000
_MOST_METADATA = 256
"""Bytes of a message, and of each word of metadata: a caller's may be any length."""

_MOST_VIOLATIONS = 1_000
"""Bytes of what an answer offends against, which is told in so much."""

_MOST_WORDS = ((800, 2_000), (100, 2_000), (0, 2_000), (0, 0))
"""Bytes of each attempt's message, and of an answer that did not fit: as much of
them as there is room for."""

Context = Any
"""`grpc.aio.ServicerContext`, whose stubs know only half of its methods."""


async def abort(context: Context, error: GatewayError) -> NoReturn:
    """End a call with the status that says what went wrong."""
    await context.abort_with_status(rpc_status.to_status(_status(error)))
    raise AssertionError  # abort_with_status raises


def _status(error: GatewayError) -> status_pb2.Status:
    """Write a status that fits: first what attempts say in words gives way."""
    for attempt_message, text in _MOST_WORDS:
        status = _written(error, attempt_message, text)
        if _header_bytes(status) <= _MOST_HEADER_BYTES:
            break
    return status


def _written(error: GatewayError, attempt_message: int, text: int) -> status_pb2.Status:
    most = {"violations": _MOST_VIOLATIONS, "text": text}
    metadata = {
        name: _cut(word, most.get(name, _MOST_METADATA))
        for name, word in error.metadata.items()
    }
    details = [
        _packed(
            error_details_pb2.ErrorInfo(
                reason=error.reason, domain=DOMAIN, metadata=metadata
            )
        )
    ]
    if error.attempts:
        attempts = [
            convert.attempt_to_wire(attempt)
            for attempt in error.attempts[-_MOST_ATTEMPTS:]
        ]
        for attempt in attempts:
            attempt.error_message = _cut(attempt.error_message, attempt_message)
        details.append(_packed(attempt_pb2.ExecutionFailure(attempts=attempts)))
    code = getattr(grpc.StatusCode, error.code)
    return status_pb2.Status(
        code=code.value[0], message=_cut(error.message, _MOST_MESSAGE), details=details
    )


def _cut(text: str, most_bytes: int) -> str:
    return text.encode(errors="replace")[:most_bytes].decode(errors="ignore")


def _header_bytes(status: status_pb2.Status) -> int:
    """Count what gRPC makes of a status: the message escaped, and all in base64."""
    escaped = sum(
        1 if 0x20 <= byte <= 0x7E and byte != ord("%") else 3
        for byte in status.message.encode()
    )
    size: int = status.ByteSize()
    return escaped + size * 4 // 3


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def from_call(error: aio.AioRpcError, service: str) -> GatewayError:
    """Rebuild what the other side raised, or say that it was not reached.

    Args:
        error: What the call ended with.
        service: Which service was called, e.g. `resolver`.
    """
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        status = None
    if status is not None and (rebuilt := _rebuilt(status)) is not None:
        return rebuilt
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return time_ran_out()
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return unreachable(service)
    return InternalError(f"The gateway's {service} failed ({code.name}).")


def to_bytes(error: GatewayError) -> bytes:
    """Write the status that says what went wrong, for other ways than a trailer."""
    written: bytes = _status(error).SerializeToString()
    return written


def from_bytes(written: bytes, service: str) -> GatewayError:
    """Rebuild what `to_bytes` was given at the other side.

    Args:
        written: What came.
        service: Which service was called, e.g. `resolver`.
    """
    status = status_pb2.Status.FromString(written)
    return _rebuilt(status) or InternalError(f"The gateway's {service} failed.")


def time_ran_out() -> DeadlineExceededError:
    """Say that a call's time ran out while it was waited for."""
    return DeadlineExceededError(
        "The request's time ran out before an answer came.",
        plan_id="",
        attempt_count="0",
    )


def unreachable(service: str) -> ServiceUnavailableError:
    """Say that none of a service's replicas was there to answer."""
    return ServiceUnavailableError(
        f"The gateway's {service} could not be reached; try again.", service=service
    )


def _rebuilt(status: status_pb2.Status) -> GatewayError | None:
    info, attempts = error_details_pb2.ErrorInfo(), attempt_pb2.ExecutionFailure()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(attempts)
    kind = BY_REASON.get(info.reason) if info.domain == DOMAIN else None
    if kind is None:
        return None
    return kind(
        status.message,
        attempts=[convert.attempt_from_wire(attempt) for attempt in attempts.attempts],
        **info.metadata,
    )
