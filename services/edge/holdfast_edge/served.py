"""Who answered, as the headers that come before the answer."""

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.routing.v1 import plan_pb2 as plan_pb
from holdfast.pricing import usd
from holdfast_edge.headers import Header, header_value

UNKNOWN = "unknown"
"""Where nothing is known of where a deployment keeps data."""

AFFINITIES = {
    plan_pb.SESSION_AFFINITY_NONE: "none",
    plan_pb.SESSION_AFFINITY_NEW: "new",
    plan_pb.SESSION_AFFINITY_KEPT: "kept",
    plan_pb.SESSION_AFFINITY_MOVED: "moved",
    plan_pb.SESSION_AFFINITY_UNKNOWN: "unknown",
}
"""How the session bore on who answers, in a word."""


def served_headers(served: executor_pb.Served) -> list[Header]:
    """Write who answered, and what it cost where that is known already."""
    headers: list[Header] = [
        (b"x-holdfast-deployment", header_value(served.deployment_id)),
        (b"x-holdfast-provider", header_value(served.provider_id)),
        (b"x-holdfast-geography", header_value(served.geography or UNKNOWN)),
        (b"x-holdfast-attempts", str(served.attempt_count).encode()),
        (
            b"x-holdfast-session-affinity",
            AFFINITIES.get(served.session_affinity, "none").encode(),
        ),
        (b"x-holdfast-revision", header_value(served.revision)),
    ]
    if served.warning_budget_id:
        budget = header_value(served.warning_budget_id)
        headers.append((b"x-holdfast-budget-warning", budget))
    if served.HasField("cost_usd_nanos"):
        cost = usd(served.cost_usd_nanos).encode()
        headers += [(b"x-holdfast-cost-usd", cost), (b"x-opper-cost", cost)]
    return headers
