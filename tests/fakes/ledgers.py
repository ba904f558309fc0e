"""Ledgers in memory, for the edge's tests: what they were asked, what they answer."""

from typing import Any

from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.errors import GatewayError


class LedgerThatAnswers:
    """Answers each question as it is told to, and keeps what it was asked.

    Attributes:
        asked: The questions, in order.
        answers: What is answered to each kind of question, or raised.
    """

    def __init__(self, *answers: Any) -> None:
        self.asked: list[Any] = []
        self.answers = {type(answer): answer for answer in answers}
        self.error: GatewayError | None = None

    def _answer(self, request: Any, kind: Any) -> Any:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        return self.answers.get(kind, kind())

    async def list_traces(
        self, request: pb.ListTracesRequest, *, deadline: float | None = None
    ) -> pb.ListTracesResponse:
        return self._answer(request, pb.ListTracesResponse)

    async def get_trace(
        self, request: pb.GetTraceRequest, *, deadline: float | None = None
    ) -> pb.GetTraceResponse:
        return self._answer(request, pb.GetTraceResponse)

    async def query_usage(
        self, request: pb.QueryUsageRequest, *, deadline: float | None = None
    ) -> pb.QueryUsageResponse:
        return self._answer(request, pb.QueryUsageResponse)

    async def delete_trace(
        self, request: pb.DeleteTraceRequest, *, deadline: float | None = None
    ) -> pb.DeleteTraceResponse:
        return self._answer(request, pb.DeleteTraceResponse)
