"""How long providers ask to be left alone, in all the ways they say it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast_executor.wait_hints import retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def hint(
    headers: dict[str, str] | None = None, body: Any = None, status: int = 429
) -> float | None:
    wait = retry_after(status, headers or {}, body, NOW)
    return None if wait is None else wait.total_seconds()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("1.5", 1.5),
        ("86400", 86400),
        ("17.399s", 17.399),
        ("12ms", 0.012),
        ("6m0s", 360),
        ("1h2m3s", 3723),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("2026-03-01T12:01:00Z", 60),
        ("1772366410", 10),
        ("1772366410000", 10),
        ("-5", None),
        ("Sun, 01 Mar 2026 11:00:00 GMT", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1" * 400, None),
        ("٣", None),
        ("5 apples", None),
        ("1s2", None),
    ],
)
def test_reads_retry_after(value: str, seconds: float | None) -> None:
    """Every form of the header is read, and what is no wait is none."""
    assert hint({"retry-after": value}) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "1", "retry-after-ms": "0"}, 1),
        ({"retry-after": "1", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon", "retry-after-ms": "1500"}, 1.5),
        ({"x-ratelimit-reset-requests": "12ms"}, 0.012),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-tokens": "6ms",
            },
            360,
        ),
        (
            {
                "x-ratelimit-remaining-requests": "14369",
                "x-ratelimit-reset-requests": "2m59.5s",
                "x-ratelimit-remaining-tokens": "12",
                "x-ratelimit-reset-tokens": "17.399999999s",
            },
            17.4,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2026-03-01T12:00:01Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-03-01T12:00:40Z",
            },
            40,
        ),
        ({"retry-after": "2", "x-ratelimit-reset-requests": "6m0s"}, 2),
    ],
)
def test_reads_the_headers_of_each_provider(
    headers: dict[str, str], seconds: float
) -> None:
    """The larger wish holds, and of the allowances the one that is used up."""
    assert hint(headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (
            {
                "error": {
                    "details": [
                        {"@type": "type.googleapis.com/google.rpc.Help"},
                        {
                            "@type": "type.googleapis.com/google.rpc.RetryInfo",
                            "retryDelay": "34.4s",
                        },
                    ]
                }
            },
            34.4,
        ),
        ([{"error": {"details": [{"retryDelay": "2s"}]}}], 2),
        ({"error": {"message": "Rate limit reached. Please try again in 1.2s."}}, 1.2),
        ({"error": {"message": "Please try again in 7m12s. Visit"}}, 432),
        ({"error": {"message": "Please retry after 22 seconds."}}, 22),
        ({"message": "Please try again in 6ms."}, 0.006),
        ({"error": {"message": "Please wait 23 seconds before retrying."}}, 23),
        ({"error": {"message": "Please wait for 1.5s."}}, 1.5),
        ({"error": {"message": "Please wait."}}, None),
        ({"error": {"details": [{"retryDelay": "-3s"}]}}, None),
        ({"error": {"details": "none", "message": 3}}, None),
        ({"error": "slow down"}, None),
        ([], None),
        ("slow down", None),
        (None, None),
    ],
)
def test_reads_the_body_where_the_headers_are_silent(
    body: Any, seconds: float | None
) -> None:
    """Google's details and the words of a message are hints too."""
    assert hint(body=body) == seconds


@pytest.mark.parametrize("status", [200, 400, 401, 500, 502, 504])
def test_believes_no_hint_but_of_a_refusal_that_waiting_cures(status: int) -> None:
    """Some providers send Retry-After with every answer; that means nothing."""
    assert hint({"retry-after": "25"}, status=status) is None


@pytest.mark.parametrize("status", [429, 503, 529])
def test_believes_those_that_waiting_cures(status: int) -> None:
    """The three statuses of a provider that has enough for now."""
    assert hint({"retry-after": "25"}, status=status) == 25


@given(value=st.text())
def test_survives_any_header(value: str) -> None:
    """Whatever stands there is a wait that is not negative, or none."""
    wait = retry_after(429, {"retry-after": value, "retry-after-ms": value}, None, NOW)

    assert wait is None or wait >= timedelta()
