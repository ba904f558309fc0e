"""The faults, what is called while they last, and what must come of it.

To add one, add a row. Each row has a model of its own, so that what is learnt of
its deployments in one row says nothing in another.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.faults.behaviour import FINE, Behaviour, Script, Way, always, first, flapping
from bench.faults.caller import Seen
from bench.faults.provider import Deployment
from bench.faults.wire import INPUT_TOKENS

INPUT_USD_PER_MILLION = 3
OUTPUT_USD_PER_MILLION = 15

FIRST_TOKEN_TIMEOUT_S = 1.5
IDLE_TIMEOUT_S = 1.5
"""Short, so that the bench is; a provider here begins within milliseconds."""

WHOLE_TIMEOUT_S = 4 * FIRST_TOKEN_TIMEOUT_S
"""What the executor allows an answer in one piece."""

SLACK_S = 3.0
"""What a busy machine may add to a time that is judged."""

BOTH = (False, True)
STREAMED = (True,)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What callers saw, and what the deployments did."""

    seen: Sequence[Seen]
    primary: Deployment
    backup: Deployment
    streamed: bool

    @property
    def amplification(self) -> float:
        """Requests sent upstream for one of a caller."""
        return (self.primary.hits + self.backup.hits) / len(self.seen)


Judge = Callable[[Outcome], Iterator[str]]
"""Says what is wrong, in words; nothing if all is well."""


@dataclass(frozen=True, slots=True)
class Case:
    """One fault.

    Attributes:
        primary: What the deployment does that is tried first.
        backup: What the other one does.
        calls: How many calls, one after another.
        rate: Calls a second, where they are not one after another.
        streams: Whether they are streamed; a row for each.
        backup_window: Context window of the backup; the primary's is 8,000 tokens.
    """

    name: str
    primary: Script
    judges: Sequence[Judge]
    backup: Script = always(FINE)
    calls: int = 1
    rate: float = 0.0
    streams: Sequence[bool] = BOTH
    backup_window: int = 8_000


def all_complete(outcome: Outcome) -> Iterator[str]:
    """Every caller holds the complete answer."""
    for seen in outcome.seen:
        if not seen.is_complete:
            yield f"incomplete: {seen.error or seen.finish_reason or 'no end'}"


def one_usage(outcome: Outcome) -> Iterator[str]:
    """The usage is said once."""
    for seen in outcome.seen:
        if seen.usages != 1:
            yield f"usage said {seen.usages} times"


def refused_as(code: str, status: int) -> Judge:
    """Every caller gets this error."""

    def judge(outcome: Outcome) -> Iterator[str]:
        for seen in outcome.seen:
            if (seen.error, seen.status) != (code, status):
                yield f"{seen.status} {seen.error or 'an answer'}, not {status} {code}"

    return judge


def primary_hits(most: int) -> Judge:
    """The primary is called so often at most."""

    def judge(outcome: Outcome) -> Iterator[str]:
        if outcome.primary.hits > most:
            yield f"primary called {outcome.primary.hits} times, not {most}"

    return judge


def backup_hits(most: int) -> Judge:
    """The backup is called so often at most."""

    def judge(outcome: Outcome) -> Iterator[str]:
        if outcome.backup.hits > most:
            yield f"backup called {outcome.backup.hits} times, not {most}"

    return judge


def within(seconds: float, *, whole: float) -> Judge:
    """Every call ends in time.

    Args:
        seconds: Of a stream.
        whole: Of an answer in one piece, whose first token cannot be seen.
    """

    def judge(outcome: Outcome) -> Iterator[str]:
        limit = seconds if outcome.streamed else whole
        worst = max(seen.seconds for seen in outcome.seen)
        if worst > limit + SLACK_S:
            yield f"took {worst:.1f} s, not {limit:g}"

    return judge


def amplified_by_at_most(factor: float) -> Judge:
    """What is sent upstream is so many times what was asked, at most."""

    def judge(outcome: Outcome) -> Iterator[str]:
        if outcome.amplification > factor:
            yield f"{outcome.amplification:.2f} requests upstream a call"

    return judge


def error_within_stream(outcome: Outcome) -> Iterator[str]:
    """The stream ends with an error and does not look like success."""
    for seen in outcome.seen:
        if not seen.error:
            yield f"ended with {seen.finish_reason or 'nothing'} and no error"


def attempts_said(count: int) -> Judge:
    """The response says how many attempts were made."""

    def judge(outcome: Outcome) -> Iterator[str]:
        for seen in outcome.seen:
            if seen.attempts != count:
                yield f"says {seen.attempts} attempts, not {count}"

    return judge


def cost_said(*, least_tokens: int, most_tokens: int) -> Judge:
    """The cost covers the tokens of failed attempts too, and no more.

    Args:
        least_tokens: Of output, in all attempts.
        most_tokens: The same, where what a broken stream took is an estimate.
    """

    def judge(outcome: Outcome) -> Iterator[str]:
        attempts = outcome.primary.hits + outcome.backup.hits
        least = _usd(INPUT_TOKENS, least_tokens)
        most = _usd(INPUT_TOKENS * attempts, most_tokens)
        for seen in outcome.seen:
            if seen.cost_usd is None or not least <= seen.cost_usd <= most:
                yield f"cost {seen.cost_usd}, not {least:.6f} to {most:.6f}"

    return judge


def _usd(input_tokens: int, output_tokens: int) -> float:
    micros = input_tokens * INPUT_USD_PER_MILLION
    micros += output_tokens * OUTPUT_USD_PER_MILLION
    return micros / 1e6


_RATE_LIMITED = Behaviour(
    Way.ERROR, 429, "Too many requests.", "requests", "rate_limit_exceeded"
)
_OVERLOADED = Behaviour(Way.ERROR, 503, "The service is not available.")
_NO_PREFIX = Behaviour(takes_prefix=False)

CASES = (
    Case(
        "429 with Retry-After",
        always(
            Behaviour(
                Way.ERROR,
                429,
                "Too many requests.",
                "requests",
                "rate_limit_exceeded",
                {"retry-after": "30"},
            )
        ),
        (all_complete, primary_hits(1)),
        calls=10,
    ),
    Case(
        "429 without Retry-After",
        always(_RATE_LIMITED),
        (all_complete, primary_hits(2)),
        calls=10,
    ),
    Case(
        "500 once",
        first(1, Behaviour(Way.ERROR, 500, "Something went wrong.")),
        (all_complete,),
        calls=5,
    ),
    Case(
        "503 for ever",
        always(_OVERLOADED),
        (all_complete, amplified_by_at_most(1.2)),
        calls=60,
        rate=20,
    ),
    Case(
        "reset before headers",
        always(Behaviour(Way.RESET)),
        (all_complete,),
        calls=3,
    ),
    Case(
        "no response",
        always(Behaviour(Way.SILENCE)),
        (
            all_complete,
            primary_hits(1),
            within(FIRST_TOKEN_TIMEOUT_S, whole=WHOLE_TIMEOUT_S),
        ),
    ),
    Case(
        "slow first token",
        always(Behaviour(seconds=20)),
        (
            all_complete,
            primary_hits(1),
            within(FIRST_TOKEN_TIMEOUT_S, whole=WHOLE_TIMEOUT_S),
        ),
    ),
    Case(
        "cut after 40 of 60 tokens",
        always(Behaviour(Way.CUT, after=40)),
        (all_complete, one_usage),
    ),
    Case(
        "stall after 20 tokens",
        always(Behaviour(Way.STALL, after=20)),
        (
            all_complete,
            one_usage,
            within(FIRST_TOKEN_TIMEOUT_S + IDLE_TIMEOUT_S, whole=WHOLE_TIMEOUT_S),
        ),
    ),
    Case(
        "malformed event",
        always(Behaviour(Way.MALFORMED, after=20)),
        (all_complete, one_usage),
    ),
    Case(
        "no [DONE]",
        always(Behaviour(Way.UNENDED)),
        (all_complete, one_usage, backup_hits(0)),
        streams=STREAMED,
    ),
    Case(
        "context length, larger window behind",
        always(
            Behaviour(
                Way.ERROR,
                400,
                "This model's maximum context length is 8000 tokens.",
                "invalid_request_error",
                "context_length_exceeded",
            )
        ),
        (all_complete,),
        backup_window=200_000,
    ),
    Case(
        "context length, no larger window",
        always(
            Behaviour(
                Way.ERROR,
                400,
                "This model's maximum context length is 8000 tokens.",
                "invalid_request_error",
                "context_length_exceeded",
            )
        ),
        (refused_as("context_length_exceeded", 400), backup_hits(0)),
    ),
    Case(
        "content filter",
        always(
            Behaviour(
                Way.ERROR,
                400,
                "The response was filtered.",
                "invalid_request_error",
                "content_filter",
            )
        ),
        (refused_as("content_filter", 400), backup_hits(0)),
    ),
    Case(
        "cut, and the fallback refuses prefixes",
        always(Behaviour(Way.CUT, after=40)),
        (all_complete, one_usage),
        backup=always(_NO_PREFIX),
        streams=STREAMED,
    ),
    Case(
        "flapping primary over 60 s",
        flapping(5, _OVERLOADED),
        (all_complete, amplified_by_at_most(1.2)),
        calls=600,
        rate=10,
        streams=(False,),
    ),
    Case(
        "accounting of failed attempts",
        always(Behaviour(Way.CUT, after=40)),
        (
            all_complete,
            # Forty of the first and twenty or sixty of the second, which had to
            # begin anew if it does not continue. The first said no usage.
            cost_said(least_tokens=61, most_tokens=160),
        ),
        streams=STREAMED,
    ),
    Case(
        "accounting of refused attempts",
        always(_RATE_LIMITED),
        (
            all_complete,
            attempts_said(2),
            cost_said(least_tokens=60, most_tokens=60),
        ),
    ),
    Case(
        "error event after 20 tokens",
        always(
            Behaviour(
                Way.ERROR_EVENT, message="Overloaded.", kind="overloaded", after=20
            )
        ),
        (all_complete, one_usage),
    ),
    Case(
        "a success without an answer",
        always(Behaviour(Way.EMPTY)),
        (all_complete,),
    ),
    Case(
        "cut within a tool call",
        always(Behaviour(Way.CUT, after=10, tool=True)),
        (error_within_stream, backup_hits(0)),
        streams=STREAMED,
    ),
    Case(
        "both away",
        always(_OVERLOADED),
        (refused_as("all_deployments_unavailable", 503), amplified_by_at_most(1.2)),
        backup=always(_OVERLOADED),
        # Enough that what the retry budget allows at once is little of it.
        calls=300,
        rate=30,
        streams=(False,),
    ),
)
