"""Whether one deployment is asked again: for what, how often, after which wait."""

from datetime import timedelta

import pytest

from holdfast.model import Limits, Outcome, StepReason
from holdfast_executor.dialects import ProviderError
from holdfast_executor.retrying import UNREADABLE, Retrying
from holdfast_executor.structured.violations import unfit

AT_ONCE = timedelta()
BAD = ProviderError(Outcome.PARSE_FAILED, "no", 200, unfit=unfit("json", "no JSON"))
CUT = ProviderError(
    Outcome.PARSE_FAILED, "no", 200, unfit=unfit("length", "cut", final=True)
)
SPOILT = ProviderError(Outcome.PARSE_FAILED, "no", 200)
DOWN = ProviderError(Outcome.SERVER_ERROR, "down", 500)
SILENT = ProviderError(Outcome.TIMED_OUT, "silent")
ANOTHER_KEY = ProviderError(Outcome.UNUSABLE, "key", 401, ask_again=True)


def waits(
    *failures: ProviderError,
    limits: Limits | None = None,
    reason: StepReason = StepReason.ROTATED,
    once: bool = False,
) -> list[timedelta | None]:
    retrying = Retrying(reason, limits or Limits(), once=once)
    return [retrying.wait(each) for each in failures]


def test_a_bad_answer_is_corrected_as_often_as_the_plan_says() -> None:
    """At once: nobody is to be left alone."""
    limits = Limits(parse_retries=2)

    assert waits(BAD, BAD, BAD, limits=limits) == [AT_ONCE, AT_ONCE, None]


def test_what_the_model_would_do_again_is_not_asked_again() -> None:
    """An answer that was cut off would be cut off once more."""
    assert waits(CUT) == [None]


def test_corrections_are_counted_apart() -> None:
    """They take nothing from the retries of other failures, nor these from them."""
    limits = Limits(parse_retries=1, retries_per_deployment=1)

    assert waits(BAD, DOWN, BAD, limits=limits) == [
        AT_ONCE,
        timedelta(milliseconds=250),
        None,
    ]


def test_only_a_correction_says_that_it_is_one() -> None:
    """It is the one that `max_attempts` does not count."""
    retrying = Retrying(
        StepReason.ROTATED, Limits(retries_per_deployment=1), once=False
    )

    told = []
    for failure in (BAD, DOWN, BAD, BAD):
        retrying.wait(failure)
        told.append(retrying.corrects)

    assert told == [True, False, True, False]


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ((SPOILT, SPOILT), [AT_ONCE, None]),
        ((UNREADABLE,), [None]),
        ((ANOTHER_KEY, ANOTHER_KEY), [AT_ONCE, AT_ONCE]),
        ((SILENT,), [None]),
        ((DOWN,), [None]),
    ],
    ids=["spoilt", "unreadable", "key", "silent", "down"],
)
def test_each_other_failure_has_its_own_rule(
    failures: tuple[ProviderError, ...], expected: list[timedelta | None]
) -> None:
    """Once more, never, as often as there are keys, or as the limits say."""
    assert waits(*failures) == expected


@pytest.mark.parametrize(
    ("reason", "once"), [(StepReason.PROBE, False), (StepReason.ROTATED, True)]
)
def test_a_probe_and_a_hedge_are_called_once(reason: StepReason, once: bool) -> None:
    """Whatever comes of it."""
    limits = Limits(retries_per_deployment=3)
    for failure in (BAD, SPOILT, ANOTHER_KEY, DOWN):
        assert waits(failure, limits=limits, reason=reason, once=once) == [None]
