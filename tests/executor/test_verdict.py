"""What the caller is told, by how the attempts failed: one table."""

from datetime import timedelta

import pytest

from fakes.plans import attempt
from holdfast.errors import (
    AllAttemptsFailedError,
    AllAttemptsRateLimitedError,
    AllDeploymentsUnavailableError,
    ContentFilteredError,
    ContextLengthExceededError,
    ProviderRejectedRequestError,
)
from holdfast.model import Outcome
from holdfast_executor.dialects import ProviderError
from holdfast_executor.verdict import verdict

LIMITED = ProviderError(Outcome.RATE_LIMITED, "slow down", 429)
OVERLOADED = ProviderError(Outcome.SERVER_ERROR, "busy", 529)
UNAVAILABLE = ProviderError(Outcome.SERVER_ERROR, "down", 503)
BROKEN = ProviderError(Outcome.SERVER_ERROR, "oops", 500)
LOST = ProviderError(Outcome.CONNECTION_FAILED, "reset")
SILENT = ProviderError(Outcome.TIMED_OUT, "silent")
NO_KEY = ProviderError(Outcome.UNUSABLE, "wrong key", 401)
GIBBERISH = ProviderError(Outcome.PARSE_FAILED, "no JSON", 200)
REFUSED = ProviderError(Outcome.REJECTED, "bad field", 400, "bad_field", "tools[0]")
UNABLE = ProviderError(Outcome.CAPABILITY_MISSING, "no images", 400)
LONG = ProviderError(Outcome.TOO_LONG, "too long", 400)
FILTERED = ProviderError(Outcome.FILTERED, "not nice", 400)


def judge(*failures: ProviderError):
    attempts = tuple(
        attempt(f"p{n}/m", each.outcome, ordinal=n, http_status=each.http_status)
        for n, each in enumerate(failures, 1)
    )
    return verdict("p1", failures, attempts)


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ([], AllDeploymentsUnavailableError),
        ([LIMITED], AllAttemptsRateLimitedError),
        ([LIMITED, LIMITED], AllAttemptsRateLimitedError),
        ([LIMITED, LOST], AllDeploymentsUnavailableError),
        ([LOST, SILENT, OVERLOADED, UNAVAILABLE], AllDeploymentsUnavailableError),
        ([LOST, BROKEN], AllAttemptsFailedError),
        ([BROKEN], AllAttemptsFailedError),
        ([NO_KEY], AllAttemptsFailedError),
        ([GIBBERISH], AllAttemptsFailedError),
        ([REFUSED], ProviderRejectedRequestError),
        ([BROKEN, REFUSED], ProviderRejectedRequestError),
        ([UNABLE], ProviderRejectedRequestError),
        ([UNABLE, BROKEN], AllAttemptsFailedError),
        ([BROKEN, UNABLE], AllAttemptsFailedError),
        ([FILTERED], ContentFilteredError),
        ([BROKEN, FILTERED], ContentFilteredError),
        ([FILTERED, BROKEN], AllAttemptsFailedError),
        ([LONG], ContextLengthExceededError),
        ([LONG, BROKEN], ContextLengthExceededError),
        ([UNABLE, LONG, UNABLE], ContextLengthExceededError),
    ],
)
def test_the_error_says_what_the_failures_have_in_common(failures, kind):
    """Waiting, shortening, mending the request: the kind says what would help."""
    assert type(judge(*failures)) is kind


def test_being_rate_limited_says_when_to_come_back():
    """The soonest of what was asked for, in whole seconds, at least one."""
    slow = ProviderError(
        Outcome.RATE_LIMITED, "", 429, retry_after=timedelta(seconds=9)
    )
    soon = ProviderError(
        Outcome.RATE_LIMITED, "", 429, retry_after=timedelta(seconds=2.1)
    )
    now = ProviderError(Outcome.RATE_LIMITED, "", 429, retry_after=timedelta())

    assert judge(slow, soon).metadata["retry_after_seconds"] == "3"
    assert judge(slow, now).metadata["retry_after_seconds"] == "1"
    assert judge(NO_KEY, slow).metadata["retry_after_seconds"] == "9"
    assert judge(LIMITED).metadata["retry_after_seconds"] == "5"


@pytest.mark.parametrize("failures", [[BROKEN], [NO_KEY, LOST], [GIBBERISH, SILENT]])
def test_what_may_pass_says_when_to_come_back(failures):
    """Whatever else went wrong: the same request may well be answered then."""
    assert judge(*failures).metadata["retry_after_seconds"] == "5"


@pytest.mark.parametrize(
    "failures", [[NO_KEY], [GIBBERISH], [LONG], [FILTERED, UNABLE]]
)
def test_what_does_not_pass_says_no_such_thing(failures):
    """Waiting would not help."""
    assert "retry_after_seconds" not in judge(*failures).metadata


def test_a_wish_beyond_the_cap_is_not_passed_on():
    """The gateway does not believe it either, and tries again sooner."""
    failure = ProviderError(
        Outcome.RATE_LIMITED, "", 429, retry_after=timedelta(days=1)
    )

    error = verdict("p1", [failure], (attempt(),), longest_wait=timedelta(seconds=60))

    assert error.metadata["retry_after_seconds"] == "60"


def test_the_message_lists_who_was_tried_and_how_it_ended():
    """For a reader without access to the attempts."""
    assert judge(LOST, BROKEN).message == (
        "Every attempt failed. Tried p1/m: connection failed; p2/m: server error (500)."
    )


def test_a_refusal_keeps_the_providers_words_and_its_details():
    """The caller can act on them."""
    error = judge(BROKEN, REFUSED)

    assert error.message == "bad field"
    assert error.metadata == {
        "plan_id": "p1",
        "attempt_count": "2",
        "deployment_id": "p2/m",
        "http_status": "400",
        "field": "tools[0]",
        "provider_code": "bad_field",
    }


def test_the_details_are_those_of_the_attempt_whose_words_are_told():
    """Not of the last attempt, where another one's failure is told."""
    error = judge(UNABLE, LONG, BROKEN)

    assert error.message == "too long"
    assert error.metadata["deployment_id"] == "p2/m"


def test_a_refusal_without_a_word_is_told_as_such():
    """An empty message would be no help."""
    silent = ProviderError(Outcome.REJECTED, "", 400)

    assert "without saying why" in judge(silent).message


def test_the_error_carries_the_attempts():
    """All of them, for the error's body."""
    assert [a.deployment_id for a in judge(LOST, BROKEN).attempts] == ["p1/m", "p2/m"]
