"""How it is said who answered."""

import pytest

from holdfast.api.executor.v1 import executor_service_pb2 as executor_pb
from holdfast.api.routing.v1 import plan_pb2 as plan_pb
from holdfast_edge.served import served_headers


def test_says_that_nothing_is_known_of_a_geography() -> None:
    """A place nothing is known of is called unknown, not left blank."""
    headers = dict(served_headers(executor_pb.Served(deployment_id="lab/m")))

    assert headers[b"x-holdfast-geography"] == b"unknown"


@pytest.mark.parametrize(
    ("affinity", "word"),
    [
        (plan_pb.SESSION_AFFINITY_UNSPECIFIED, b"none"),
        (plan_pb.SESSION_AFFINITY_NONE, b"none"),
        (plan_pb.SESSION_AFFINITY_NEW, b"new"),
        (plan_pb.SESSION_AFFINITY_KEPT, b"kept"),
        (plan_pb.SESSION_AFFINITY_MOVED, b"moved"),
        (plan_pb.SESSION_AFFINITY_UNKNOWN, b"unknown"),
    ],
)
def test_says_how_the_session_bore_on_it(
    affinity: plan_pb.SessionAffinity.ValueType, word: bytes
) -> None:
    """Each affinity has its word."""
    headers = dict(served_headers(executor_pb.Served(session_affinity=affinity)))

    assert headers[b"x-holdfast-session-affinity"] == word


def test_says_that_an_answer_was_free() -> None:
    """A cost of zero that is known is said."""
    headers = dict(served_headers(executor_pb.Served(cost_usd_nanos=0)))

    assert headers[b"x-holdfast-cost-usd"] == b"0"


def test_says_of_which_budget_a_warning_is_due() -> None:
    """And nothing where none is."""
    served = executor_pb.Served(warning_budget_id="acme/web")

    assert dict(served_headers(served))[b"x-holdfast-budget-warning"] == b"acme/web"
    assert b"x-holdfast-budget-warning" not in dict(
        served_headers(executor_pb.Served())
    )
