"""GET and DELETE /v2/traces/{trace_id}: all that is known of one trace."""

from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from holdfast.api.common.v1 import caller_pb2
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.ports import Ledger
from holdfast_edge.auth import api_key_digest
from holdfast_edge.headers import Head
from holdfast_edge.history.query import Query
from holdfast_edge.history.spans import trace
from holdfast_edge.reply import send_json, send_nothing

METHODS = ("GET", "DELETE")


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace.

    Attributes:
        wrapped: Whether it is within `data`, as the third version of the API has it.
    """

    ledger: Ledger
    wrapped: bool = False
    surface: str = "traces"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Show it, or delete it."""
        principal = caller_pb2.Principal(api_key_digest=api_key_digest(Head.of(scope)))
        Query(scope, ())
        trace_id = scope["path_params"]["trace_id"].lower()
        if scope["method"] == "DELETE":
            await self.ledger.delete_trace(
                pb.DeleteTraceRequest(principal=principal, trace_id=trace_id)
            )
            await send_nothing(send, 204)
            return
        found = await self.ledger.get_trace(
            pb.GetTraceRequest(principal=principal, trace_id=trace_id)
        )
        shown = trace(trace_id, found.requests)
        await send_json(send, {"data": shown} if self.wrapped else shown)
