"""Who may call a service, by the name in the certificate that was shown.

A certificate of the right authority says who somebody is; not everybody whom it
knows has business here. Health alone is told to all of them.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

import grpc
import structlog
from grpc import aio
from grpc_health.v1 import health

from holdfast.rpc.errors import Context

_log = structlog.get_logger("holdfast.rpc")

_OPEN_TO_ALL = f"/{health.SERVICE_NAME}/"

_NAMES = ("peer_dns", "peer_uri")
"""Where gRPC lists the subject alternative names: `edge`, or `spiffe://.../edge`.
The common name is none of them, and counts for nothing."""


class Admission(aio.ServerInterceptor):  # type: ignore[misc]
    """Lets those call who are on a list."""

    def __init__(self, callers: Collection[str]) -> None:
        """Admit whose certificate bears one of some names."""
        self._callers = frozenset(callers)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler of a method, with the list before it."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_OPEN_TO_ALL):
            return handler
        return _guarded(handler, self._check)

    async def _check(self, context: Context) -> None:
        shown = context.auth_context()
        names = {name.decode() for kind in _NAMES for name in shown.get(kind, ())}
        if self._callers.isdisjoint(names):
            _log.warning("caller_refused", names=sorted(names))
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                "The certificate bears no name that may call this service.",
            )


def _guarded(handler: Any, check: Callable[[Context], Awaitable[None]]) -> Any:
    """Return a handler that checks first, and of the same kind: gRPC asks."""
    arity = (
        f"{'stream' if handler.request_streaming else 'unary'}_"
        f"{'stream' if handler.response_streaming else 'unary'}"
    )
    inner = getattr(handler, arity)

    async def whole(request: Any, context: Context) -> Any:
        await check(context)
        return await inner(request, context)

    async def streamed(request: Any, context: Context) -> AsyncIterator[Any]:
        await check(context)
        async for message in inner(request, context):
            yield message

    return getattr(grpc, f"{arity}_rpc_method_handler")(
        streamed if inspect.isasyncgenfunction(inner) else whole,
        handler.request_deserializer,
        handler.response_serializer,
    )
