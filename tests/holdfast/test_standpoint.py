"""What an executor says of its network, from one process to another."""

import pytest

from holdfast.ports import ReportAttemptsRequest
from holdfast.rpc.methods import REPORT_ATTEMPTS
from holdfast.standpoint import NOWHERE, Standpoint


@pytest.mark.parametrize(
    "standpoint",
    [
        NOWHERE,
        Standpoint("here", 1_700_000_000_123),
        Standpoint("here", 1_700_000_000_123, 1_600_000_000_001, 1_650_000_000_999),
    ],
)
def test_it_arrives_as_it_was_sent(standpoint: Standpoint) -> None:
    """To the millisecond; and nothing where nothing is said."""
    request = ReportAttemptsRequest((), b"", standpoint)

    assert REPORT_ATTEMPTS.take(
        REPORT_ATTEMPTS.write(request)
    ) == ReportAttemptsRequest([], b"", standpoint)


def test_who_says_nothing_costs_nothing() -> None:
    """Not a byte."""
    assert REPORT_ATTEMPTS.write(ReportAttemptsRequest()) == b""
