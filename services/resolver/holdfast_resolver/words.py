"""What outcomes, reasons and the like are called wherever people read them."""

from typing import TypeVar

from holdfast.model import ExclusionReason, Outcome, SessionAffinity, StepReason

_Word = TypeVar("_Word", Outcome, StepReason, ExclusionReason, SessionAffinity)


def _words(kind: type[_Word]) -> dict[_Word, str]:
    return {each: each.name.lower().replace("_", "-") for each in kind}


OUTCOMES = _words(Outcome)
STEP_REASONS = _words(StepReason)
EXCLUSION_REASONS = _words(ExclusionReason)
AFFINITIES = _words(SessionAffinity)
"""In small letters and hyphens, as the API has them."""
