"""Where responses are kept, with several replicas."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from holdfast.api.ledger.v1 import stored_response_service_pb2 as pb
from holdfast.api.ledger.v1 import stored_response_service_pb2_grpc as rpc
from holdfast.ports import Recalled
from holdfast.rpc.server import GrpcServer
from holdfast.rpc.stored_responses import RemoteStoredResponses


class SilentStore(rpc.StoredResponseServiceServicer):
    """Takes what it is asked and never answers, as a stopped process does."""

    def __init__(self) -> None:
        self.asked = 0

    async def RecallResponses(self, request, context):  # noqa: N802 - gRPC's
        self.asked += 1
        await asyncio.Event().wait()


class AnsweringStore(rpc.StoredResponseServiceServicer):
    """Has one record of each conversation."""

    async def RecallResponses(self, request, context):  # noqa: N802 - gRPC's
        return pb.RecallResponsesResponse(keeps=True, chain=[b"record"])


@contextlib.asynccontextmanager
async def served(store: rpc.StoredResponseServiceServicer) -> AsyncIterator[str]:
    server = GrpcServer([])
    rpc.add_StoredResponseServiceServicer_to_server(store, server.grpc)
    address = await server.start("127.0.0.1:0")
    try:
        yield address
    finally:
        await server.stop(0)


async def test_store_that_hangs_is_given_up_for_another() -> None:
    """Who asks has an answer, and the next one does not ask it first."""
    silent = SilentStore()
    async with served(silent) as hanging, served(AnsweringStore()) as well:
        remote = RemoteStoredResponses([hanging, well])
        try:
            found = [await remote.recall(b"key", "resp_1") for _ in range(3)]
        finally:
            await remote.close()

    assert found == [Recalled(True, (b"record",))] * 3
    assert silent.asked == 1
