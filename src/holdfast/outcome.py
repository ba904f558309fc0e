"""What each way an attempt can end leads to, in one table.

The executor follows the first half of a row, the resolver the second.
"""

from dataclasses import dataclass
from enum import Enum

from holdfast.model import Outcome


class Then(Enum):
    """What comes next for the request."""

    RETURN = "return"
    NEXT_STEP = "next-step"
    LARGER_WINDOW = "larger-window"
    """Only a deployment that takes more tokens than this one is worth a try."""
    NEXT_IF_POLICY_SAYS = "next-if-policy-says"


class Rest(Enum):
    """For how long a deployment is left aside."""

    NOT_AT_ALL = "not-at-all"
    BRIEFLY = "briefly"
    """As long as it asked for, else a second, doubling with each in a row."""
    FOR_LONG = "for-long"
    """A minute, doubling: waiting does not mend a credential or a quota."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an outcome leads to, for the request and for the deployment."""

    then: Then
    rest: Rest


CONSEQUENCES: dict[Outcome, Consequence] = {
    Outcome.SUCCEEDED: Consequence(Then.RETURN, Rest.NOT_AT_ALL),
    Outcome.RATE_LIMITED: Consequence(Then.NEXT_STEP, Rest.BRIEFLY),
    Outcome.SERVER_ERROR: Consequence(Then.NEXT_STEP, Rest.BRIEFLY),
    Outcome.CONNECTION_FAILED: Consequence(Then.NEXT_STEP, Rest.BRIEFLY),
    Outcome.TIMED_OUT: Consequence(Then.NEXT_STEP, Rest.BRIEFLY),
    # The caller has part of the answer; a second one would not fit to it.
    Outcome.INTERRUPTED: Consequence(Then.RETURN, Rest.BRIEFLY),
    # What follows is about this request, so it says nothing of the deployment's
    # health: one odd caller must not take a region out for everyone.
    Outcome.PARSE_FAILED: Consequence(Then.NEXT_STEP, Rest.NOT_AT_ALL),
    Outcome.CAPABILITY_MISSING: Consequence(Then.NEXT_STEP, Rest.NOT_AT_ALL),
    Outcome.TOO_LONG: Consequence(Then.LARGER_WINDOW, Rest.NOT_AT_ALL),
    Outcome.FILTERED: Consequence(Then.NEXT_IF_POLICY_SAYS, Rest.NOT_AT_ALL),
    Outcome.REJECTED: Consequence(Then.RETURN, Rest.NOT_AT_ALL),
    Outcome.BLOCKED: Consequence(Then.RETURN, Rest.NOT_AT_ALL),
    Outcome.CANCELLED: Consequence(Then.RETURN, Rest.NOT_AT_ALL),
    # The credential, its quota or the model is wrong here and may be right there.
    Outcome.UNUSABLE: Consequence(Then.NEXT_STEP, Rest.FOR_LONG),
}
