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
    AGAIN = "again"
    """The same deployment once more, then the next: what a model writes differs
    from one time to the next. Where it did not have the form that was asked for, the
    model is told so, as often as the plan says."""
    LARGER_WINDOW = "larger-window"
    """Only a deployment that takes more tokens than this one is worth a try."""
    NEXT_IF_POLICY_SAYS = "next-if-policy-says"


class Rest(Enum):
    """For how long a deployment is left aside."""

    NOT_AT_ALL = "not-at-all"
    BRIEFLY = "briefly"
    """Not for a single failure; for a second at first, where there are several."""
    AS_TOLD = "as-told"
    """At once, as long as it asked for, else for the seconds of a rate limit."""
    FOR_LONG = "for-long"
    """At once, a minute, doubling: waiting mends no credential and no quota."""


class Scope(Enum):
    """Whom an outcome says something of, beyond the request."""

    NOBODY = "nobody"
    DEPLOYMENT = "deployment"
    CREDENTIAL = "credential"
    """The deployment as it is called with that credential: with another one it
    may well answer."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What an outcome leads to, for the request and for the deployment.

    Attributes:
        then: What the request does next.
        rest: How the deployment rests.
        scope: Whose health it is about.
        doubtful: Whether it may as well be the fault of whoever called: of its own
            network.
    """

    then: Then
    rest: Rest = Rest.NOT_AT_ALL
    scope: Scope = Scope.NOBODY
    doubtful: bool = False


CONSEQUENCES: dict[Outcome, Consequence] = {
    Outcome.SUCCEEDED: Consequence(Then.RETURN),
    # A rate limit is an account's: with another credential there is another.
    Outcome.RATE_LIMITED: Consequence(Then.NEXT_STEP, Rest.AS_TOLD, Scope.CREDENTIAL),
    Outcome.SERVER_ERROR: Consequence(Then.NEXT_STEP, Rest.BRIEFLY, Scope.DEPLOYMENT),
    Outcome.CONNECTION_FAILED: Consequence(
        Then.NEXT_STEP, Rest.BRIEFLY, Scope.DEPLOYMENT, doubtful=True
    ),
    Outcome.TIMED_OUT: Consequence(
        Then.NEXT_STEP, Rest.BRIEFLY, Scope.DEPLOYMENT, doubtful=True
    ),
    # The caller has part of the answer; a second one would not fit to it.
    Outcome.INTERRUPTED: Consequence(
        Then.RETURN, Rest.BRIEFLY, Scope.DEPLOYMENT, doubtful=True
    ),
    # What follows is about this request, so it says nothing of the deployment's
    # health: one odd caller must not take a region out for everyone.
    Outcome.PARSE_FAILED: Consequence(Then.AGAIN),
    Outcome.CAPABILITY_MISSING: Consequence(Then.NEXT_STEP),
    Outcome.TOO_LONG: Consequence(Then.LARGER_WINDOW),
    Outcome.FILTERED: Consequence(Then.NEXT_IF_POLICY_SAYS),
    Outcome.REJECTED: Consequence(Then.RETURN),
    Outcome.BLOCKED: Consequence(Then.RETURN),
    Outcome.CANCELLED: Consequence(Then.RETURN),
    Outcome.EXECUTOR_LOST: Consequence(Then.RETURN),
    # The credential, its quota or the model is wrong here and may be right there.
    Outcome.UNUSABLE: Consequence(Then.NEXT_STEP, Rest.FOR_LONG, Scope.CREDENTIAL),
}
