"""What providers' headers say is left of a rate limit."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.model import Allowance
from holdfast_executor.allowances import allowance


def openai(of_requests, of_tokens, **resets):
    said = {"requests": of_requests, "tokens": of_tokens}
    headers = {"content-type": "application/json"}
    for kind, (left, limit) in said.items():
        headers[f"x-ratelimit-remaining-{kind}"] = left
        headers[f"x-ratelimit-limit-{kind}"] = limit
    return headers | {f"x-ratelimit-reset-{k}": v for k, v in resets.items()}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/event-stream", "retry-after": "5"},
        openai(("500", "1000"), ("90000", "100000")),
        openai(("?", "1000"), ("1", "")),
        openai(("1", "0"), ("-1", "10")),
        openai(("nan", "10"), ("1", "inf")),
        {"x-ratelimit-remaining-requests": "0"},
    ],
)
def test_nothing_is_said_where_nothing_is_known_or_enough_is_left(headers):
    """Neither is worth a word to the resolver."""
    assert allowance(headers) is None


def test_the_limit_that_is_nearest_to_its_end_counts():
    """Tokens run out before requests here; both are OpenAI's own headers."""
    headers = openai(
        ("900", "1000"), ("4000", "100000"), requests="8.64s", tokens="6m0s"
    )

    assert allowance(headers) == Allowance(0.04, timedelta(minutes=6))


def test_a_limit_without_a_moment_is_told_without_one():
    """Little is left all the same."""
    assert allowance(openai(("1", "100"), ("9", "10"))) == Allowance(0.01)


def test_anthropics_headers_name_the_moment():
    """It is told as the time until then."""
    reset = datetime.now(UTC) + timedelta(seconds=30)
    headers = {
        f"anthropic-ratelimit-{kind}-{fact}": said
        for kind, left in (("requests", "49"), ("output-tokens", "800"))
        for fact, said in (
            ("remaining", left),
            ("limit", "50" if kind == "requests" else "8000"),
            ("reset", reset.isoformat()),
        )
    }

    told = allowance(headers)

    assert told.remaining_share == 0.1
    assert timedelta(seconds=25) < told.resets_in <= timedelta(seconds=30)
