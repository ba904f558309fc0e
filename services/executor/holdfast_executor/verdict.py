"""What to tell the caller when a plan gave no answer.

The one table from how the attempts failed to the error that is raised.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from datetime import timedelta

from holdfast.errors import (
    AllAttemptsFailedError,
    AllAttemptsRateLimitedError,
    AllDeploymentsUnavailableError,
    ContentFilteredError,
    ContextLengthExceededError,
    GatewayError,
    ProviderRejectedRequestError,
    StructuredOutputInvalidError,
)
from holdfast.model import Attempt, Outcome
from holdfast_executor.dialects import ProviderError
from holdfast_executor.structured.violations import Unfit

_ABOUT_THE_REQUEST: dict[Outcome, Callable[..., GatewayError]] = {
    Outcome.REJECTED: ProviderRejectedRequestError,
    Outcome.CAPABILITY_MISSING: ProviderRejectedRequestError,
    Outcome.TOO_LONG: ContextLengthExceededError,
    Outcome.FILTERED: ContentFilteredError,
}
"""Outcomes whose message is the caller's to act on, and the error each becomes."""

_TRANSIENT = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.CONNECTION_FAILED,
        Outcome.TIMED_OUT,
    }
)
"""What may have passed when the same request comes again."""

_UNREACHABLE = frozenset({Outcome.CONNECTION_FAILED, Outcome.TIMED_OUT})
_UNAVAILABLE_STATUSES = frozenset({503, 529})

_MOST_TEXT = 2_000
"""Bytes of an answer that did not fit: as much as an error has room for between the
services."""

_WAIT = timedelta(seconds=5)
"""What a caller is told to wait where no provider said: what a rate-limited
deployment is left aside for."""


def verdict(  # noqa: PLR0911, PLR0913 - a case each, and one fact each
    plan_id: str,
    failures: Sequence[ProviderError],
    attempts: tuple[Attempt, ...],
    untried: Sequence[timedelta] = (),
    *,
    longest_wait: timedelta = timedelta.max,
    incomparable: Sequence[str] = (),
    keeps: bool = False,
) -> GatewayError:
    """Choose the error for a request none of whose attempts answered.

    A failure that is about the request itself is told in the provider's own
    words, if it ended the request or nothing else was wrong. Else the error
    says whether waiting helps.

    Args:
        plan_id: Of the plan that was carried out.
        failures: What the attempts came to.
        attempts: All of them; those that failed in the order of the failures.
        untried: How much longer those rest that were not tried.
        longest_wait: What a provider's wish to be left alone is believed up to.
        incomparable: The models that were not tried since their vectors do not
            compare.
        keeps: Whether the project keeps content, so that an error may hold some.
    """
    facts = {"plan_id": plan_id, "attempt_count": str(len(attempts))}
    if not failures:
        return AllDeploymentsUnavailableError(
            "No deployment was left to try.", attempts=attempts, **facts
        )
    last = failures[-1]
    about_request = [f for f in failures if f.outcome in _ABOUT_THE_REQUEST]
    if last.outcome is Outcome.REJECTED or last.outcome is Outcome.FILTERED:
        return _told(last, attempts, facts)
    if any(f.unfit is not None for f in failures):
        return _unfit(failures, attempts, facts, untried, longest_wait, keeps=keeps)
    if len(about_request) == len(failures) or any(
        f.outcome is Outcome.TOO_LONG for f in failures
    ):
        told = next(
            (f for f in failures if f.outcome is Outcome.TOO_LONG), about_request[-1]
        )
        place = failures.index(told)
        told = dataclasses.replace(told, message=told.message + _apart(incomparable))
        return _told(told, attempts, facts, place)
    words = _words(attempts) + _apart(incomparable)
    facts |= _retry_after(failures, untried, longest_wait)
    if all(f.outcome is Outcome.RATE_LIMITED for f in failures):
        return AllAttemptsRateLimitedError(
            f"Every deployment is rate limited. {words}",
            attempts=attempts,
            **facts,
        )
    if all(_is_unavailable(f) for f in failures):
        return AllDeploymentsUnavailableError(
            f"No deployment could be reached, or none answered in time. {words}",
            attempts=attempts,
            **facts,
        )
    return AllAttemptsFailedError(
        f"Every attempt failed. {words}", attempts=attempts, **facts
    )


def structured_output_invalid(
    bad: Unfit,
    deployment_id: str,
    attempts: Sequence[Attempt],
    *,
    keeps: bool,
    **facts: str,
) -> StructuredOutputInvalidError:
    """Say that no answer had the form that was asked for.

    Args:
        bad: The last one.
        deployment_id: Whose it is.
        attempts: All that were made.
        keeps: Whether the project keeps content, so that an error may hold some.
        facts: Further metadata.
    """
    if keeps:
        facts["text"] = bad.text.encode(errors="replace")[:_MOST_TEXT].decode(
            errors="ignore"
        )
    return StructuredOutputInvalidError(
        f"No answer fits `response_format`. In the last one, of {deployment_id}, what "
        f"is wrong is {bad.words}. {_words(attempts)}",
        attempts=attempts,
        deployment_id=deployment_id,
        violations=bad.lines,
        **facts,
    )


def _unfit(  # noqa: PLR0913 - as above
    failures: Sequence[ProviderError],
    attempts: tuple[Attempt, ...],
    facts: dict[str, str],
    untried: Sequence[timedelta],
    longest_wait: timedelta,
    *,
    keeps: bool,
) -> GatewayError:
    place, bad = next(
        (place, failure.unfit)
        for place, failure in reversed(list(enumerate(failures)))
        if failure.unfit is not None
    )
    failed = [each for each in attempts if each.outcome is not Outcome.CANCELLED]
    return structured_output_invalid(
        bad,
        failed[place].deployment_id,
        attempts,
        keeps=keeps,
        **facts,
        **_retry_after(failures, untried, longest_wait),
    )


def _retry_after(
    failures: Sequence[ProviderError],
    untried: Sequence[timedelta],
    longest_wait: timedelta,
) -> dict[str, str]:
    """Say when to try again, if any of the failures may pass."""
    transient = [f for f in failures if f.outcome in _TRANSIENT]
    if not transient:
        return {}
    soonest = min(_soonest(transient, untried), longest_wait)
    return {"retry_after_seconds": str(max(1, math.ceil(soonest.total_seconds())))}


def _told(
    failure: ProviderError,
    attempts: tuple[Attempt, ...],
    facts: dict[str, str],
    place: int = -1,
) -> GatewayError:
    details = dict(facts)
    if failure.param:
        details["field"] = failure.param
    if failure.code:
        details["provider_code"] = failure.code
    failed = [each for each in attempts if each.outcome is not Outcome.CANCELLED]
    deployment_id = failed[place].deployment_id
    return _ABOUT_THE_REQUEST[failure.outcome](
        failure.message or "The provider refused the request without saying why.",
        attempts=attempts,
        deployment_id=deployment_id,
        http_status=str(failure.http_status),
        **details,
    )


def _is_unavailable(failure: ProviderError) -> bool:
    return (
        failure.outcome in _UNREACHABLE
        or failure.outcome is Outcome.RATE_LIMITED
        or failure.http_status in _UNAVAILABLE_STATUSES
    )


def _soonest(
    failures: Sequence[ProviderError], untried: Sequence[timedelta]
) -> timedelta:
    hints = [f.retry_after for f in failures if f.retry_after is not None]
    hints += untried
    return min(hints) if hints else _WAIT


def _apart(models: Sequence[str]) -> str:
    if not models:
        return ""
    return (
        f" Not tried: {', '.join(models)}, since vectors of different models do not "
        "compare; name one of them to use it."
    )


def _words(attempts: Sequence[Attempt]) -> str:
    made = "; ".join(
        f"{attempt.deployment_id}: {attempt.outcome.name.lower().replace('_', ' ')}"
        + (f" ({attempt.http_status})" if attempt.http_status else "")
        for attempt in attempts
    )
    return f"Tried {made}."
