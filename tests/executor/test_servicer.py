"""What plain clients of the executor meet, whatever their gRPC is told to do."""

import json

import pytest
from grpc import aio

from fakes.plans import asking
from fakes.secured import EXECUTOR, secured
from fakes.services import FailingExecutor
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.api.executor.v1 import executor_service_pb2_grpc as rpc
from holdfast.errors import AllAttemptsFailedError
from holdfast.rpc.messages import execute_request_to_wire, stream_request_to_wire

RETRYING = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{"service": EXECUTOR}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.01s",
                    "maxBackoff": "0.01s",
                    "backoffMultiplier": 1,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)


class CountingFailures(FailingExecutor):
    """Fails every request, and counts them."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.begun = 0

    async def execute(self, request, *, deadline=None):
        self.begun += 1
        return await super().execute(request, deadline=deadline)

    async def execute_stream(self, request, *, deadline=None):
        self.begun += 1
        async for message in super().execute_stream(request, deadline=deadline):
            yield message


@pytest.mark.parametrize("streams", [False, True])
async def test_a_client_that_retries_by_policy_has_a_request_executed_once(streams):
    """What failed may have been billed, and is not for gRPC to do again."""
    executor = CountingFailures(AllAttemptsFailedError("All are down."))
    options = [("grpc.service_config", RETRYING)]
    async with (
        secured(executor, None) as address,
        aio.insecure_channel(address, options) as channel,
    ):
        stub = rpc.ExecutorServiceStub(channel)
        with pytest.raises(aio.AioRpcError, match="All are down"):
            await asked(stub, streams=streams)

    assert executor.begun == 1


async def asked(stub: rpc.ExecutorServiceStub, *, streams: bool) -> None:
    request = asking(b"{}")
    if not streams:
        await stub.Execute(execute_request_to_wire(request))
        return
    message: pb.ExecuteStreamResponse
    async for message in stub.ExecuteStream(stream_request_to_wire(request)):
        assert not message
