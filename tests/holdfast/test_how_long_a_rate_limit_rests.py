"""From a provider's wish to be left alone to how long its deployment is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import Clock
from fakes.plans import attempt, deployment
from holdfast_executor.failures import classify
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.stores import MemoryHealthStore

CAP = timedelta(seconds=60)
DEFAULT_S = 5.0
PLACE = deployment("a/m-eu")


def rests(headers: dict[str, str], body: bytes = b"", jitter: float = 0.0) -> float:
    """Answer a call with 429 and these headers; return for how long it rests."""
    clock = Clock()
    health = Health(MemoryHealthStore(), clock.now_ms, lambda: jitter)
    now = datetime.fromtimestamp(clock.now_ms() / 1_000, UTC)
    failure = classify(429, headers, body, now=now)
    wish = failure.retry_after
    told = attempt(
        PLACE.id,
        failure.outcome,
        retry_after=None if wish is None else wish.total_seconds(),
        start_time_ms=clock.now_ms(),
    )
    health.learn(told, PLACE, [PLACE, deployment("b/m-us")], CAP)
    left = health.standing(PLACE).left
    return 0.0 if left is None else left.total_seconds()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        ("86400", 60),
        ("Thu, 31 Dec 2099 23:59:59 GMT", 60),
        ("2099-12-31T23:59:59Z", 60),
        ("9" * 9, 60),
        ("9" * 30, DEFAULT_S),
        ("-5", DEFAULT_S),
        ("Thu, 01 Jan 1970 00:00:00 GMT", DEFAULT_S),
        ("garbage", DEFAULT_S),
        ("", DEFAULT_S),
    ],
)
def test_every_wish_is_clamped(value: str, seconds: float) -> None:
    """A day, the end of the century and nonsense rest nobody beyond the cap."""
    assert rests({"retry-after": value}) == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_jitter_never_shortens_a_wish(jitter: float) -> None:
    """Nor does it lengthen it by more than a tenth."""
    assert 10 <= rests({"retry-after": "10"}, jitter=jitter) <= 11
    assert rests({"retry-after": "59"}, jitter=jitter) <= 60


HEADERS = st.sampled_from(
    [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
        "anthropic-ratelimit-requests-reset",
    ]
)
VALUES = st.text() | st.integers().map(str) | st.floats().map(str)
VALUES |= st.datetimes().map(lambda moment: moment.isoformat() + "Z")


@given(st.dictionaries(HEADERS, VALUES), st.floats(0, 1))
def test_nothing_that_is_said_rests_a_deployment_for_long(
    headers: dict[str, str], jitter: float
) -> None:
    """Whatever stands there."""
    assert 0 <= rests(headers, jitter=jitter) <= CAP.total_seconds()
