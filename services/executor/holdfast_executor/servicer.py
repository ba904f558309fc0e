"""The gRPC face of the executor: messages in, messages out, nothing decided."""

from collections.abc import AsyncIterator

import structlog

from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.executor.v1 import executor_service_pb2_grpc as rpc
from holdfast.errors import GatewayError, InternalError
from holdfast.ports import Executor
from holdfast.rpc import messages
from holdfast.rpc.channels import answer_by
from holdfast.rpc.errors import Context, abort

_log = structlog.get_logger("holdfast.executor")

_FAILED = InternalError("The executor failed; its log says how.")


def _deadline(context: Context) -> float | None:
    left: float | None = context.time_remaining()
    return None if left is None else answer_by(left)


async def _take_on(context: Context) -> None:
    """Tell the client that its call was begun, before a provider is called.

    From then on gRPC does not send it to another replica by itself, whatever a
    client's retry policy says: an execution may have been billed.
    """
    await context.send_initial_metadata(())


class ExecutorServicer(rpc.ExecutorServiceServicer):
    """Serves `holdfast.api.executor.v1.ExecutorService`."""

    def __init__(self, executor: Executor) -> None:
        """Serve an executor."""
        self._executor = executor

    async def Execute(  # noqa: N802 - gRPC's name
        self, request: pb.ExecuteRequest, context: Context
    ) -> pb.ExecuteResponse:
        """Execute a request and return the whole answer."""
        await _take_on(context)
        try:
            response = await self._executor.execute(
                messages.execute_request_from_wire(request),
                deadline=_deadline(context),
            )
            return messages.execute_response_to_wire(response)
        except GatewayError as error:
            await abort(context, error)
        except Exception:  # noqa: BLE001 - the top of a request
            _log.exception("call_failed")
            await abort(context, _FAILED)

    async def ExecuteStream(  # noqa: N802 - gRPC's name
        self, request: pb.ExecuteStreamRequest, context: Context
    ) -> AsyncIterator[pb.ExecuteStreamResponse]:
        """Execute a request and stream the answer."""
        await _take_on(context)
        answer = self._executor.execute_stream(
            messages.stream_request_from_wire(request), deadline=_deadline(context)
        )
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
