"""Where the past is served."""

from collections.abc import Iterator

from starlette.routing import Route

from holdfast.ports import Ledger
from holdfast_edge.history.listing import Traces
from holdfast_edge.history.trace import METHODS, Trace
from holdfast_edge.history.usage import Usage


def routes(ledger: Ledger) -> Iterator[Route]:
    """Yield every route."""
    for version in ("v2", "v3"):
        yield Route(f"/{version}/traces", Traces(ledger), methods=["GET"])
        yield Route(
            f"/{version}/traces/{{trace_id}}",
            Trace(ledger, wrapped=version == "v3"),
            methods=[*METHODS],
        )
    yield Route("/v2/analytics/usage", Usage(ledger), methods=["GET"])
