"""The gRPC face of the executor: messages in, messages out, nothing decided."""

import asyncio
from collections.abc import AsyncIterator

import structlog

from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.executor.v1 import executor_service_pb2_grpc as rpc
from holdfast.errors import GatewayError, InternalError
from holdfast.ports import Executor
from holdfast.rpc.errors import Context, abort

_log = structlog.get_logger("holdfast.executor")

_FAILED = InternalError("The executor failed; its log says how.")


_TRAVEL_S = 0.1
_TRAVEL_SHARE = 0.1
"""What of a call's time is kept for the way back, in seconds and at most as a
share: a caller whose time runs out is then told what was tried meanwhile."""


def _deadline(context: Context) -> float | None:
    left = context.time_remaining()
    if left is None:
        return None
    travel = min(_TRAVEL_S, left * _TRAVEL_SHARE)
    return asyncio.get_running_loop().time() + left - travel


class ExecutorServicer(rpc.ExecutorServiceServicer):
    """Serves `holdfast.api.executor.v1.ExecutorService`."""

    def __init__(self, executor: Executor) -> None:
        """Serve an executor."""
        self._executor = executor

    async def Execute(  # noqa: N802 - gRPC's name
        self, request: pb.ExecuteRequest, context: Context
    ) -> pb.ExecuteResponse:
        """Execute a request and return the whole answer."""
        try:
            return await self._executor.execute(request, deadline=_deadline(context))
        except GatewayError as error:
            await abort(context, error)
        except Exception:  # noqa: BLE001 - the top of a request
            _log.exception("call_failed")
            await abort(context, _FAILED)

    async def ExecuteStream(  # noqa: N802 - gRPC's name
        self, request: pb.ExecuteStreamRequest, context: Context
    ) -> AsyncIterator[pb.ExecuteStreamResponse]:
        """Execute a request and stream the answer."""
        answer = self._executor.execute_stream(request, deadline=_deadline(context))
        try:
            async for message in answer:
                yield message
        except GatewayError as error:
            await abort(context, error)
        except Exception:  # noqa: BLE001 - the top of a request
            _log.exception("call_failed")
            await abort(context, _FAILED)
        finally:
            await answer.aclose()
