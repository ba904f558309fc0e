"""Several credentials of one provider have their turns."""

from collections import Counter

from fakes.clock import Clock
from fakes.plans import attempt
from holdfast.model import Outcome
from holdfast_executor.auth.rotation import Rotation

NAMES = ["one", "two", "three"]


def firsts(rotation: Rotation, count: int, session: str = "") -> Counter[str]:
    return Counter(rotation.order("a/m", NAMES, session)[0] for _ in range(count))


def test_each_has_the_same_share():
    """Requests without a session go round."""
    assert firsts(Rotation(Clock().now), 9) == dict.fromkeys(NAMES, 3)


def test_a_session_keeps_to_one_and_sessions_spread():
    """An account's prompt cache stays warm."""
    rotation = Rotation(Clock().now)

    assert len(firsts(rotation, 5, "s-1")) == 1
    assert {rotation.order("a/m", NAMES, f"s-{n}")[0] for n in range(50)} == set(NAMES)


def test_what_was_refused_comes_last_until_its_time_is_over():
    """For the deployment that refused it, and for no other."""
    clock = Clock()
    rotation = Rotation(clock.now)
    refused = attempt("a/m", Outcome.RATE_LIMITED, retry_after=30, credential="two")

    rotation.learn(refused, 60.0)
    resting = [rotation.order("a/m", NAMES, "")[-1] for _ in range(6)]
    elsewhere = {rotation.order("a/n", NAMES, "")[0] for _ in range(3)}
    clock.advance(31)

    assert set(resting) == {"two"}
    assert elsewhere == set(NAMES)
    assert firsts(rotation, 3) == dict.fromkeys(NAMES, 1)


def test_no_wish_to_be_left_alone_is_believed_beyond_the_cap():
    """A provider that says a day rests as long as the limits say."""
    clock = Clock()
    rotation = Rotation(clock.now)
    refused = attempt("a/m", Outcome.RATE_LIMITED, retry_after=86_400, credential="two")

    rotation.learn(refused, 60.0)
    clock.advance(61)

    assert firsts(rotation, 3) == dict.fromkeys(NAMES, 1)


def test_success_ends_a_rest_and_other_failures_begin_none():
    """A broken server says nothing of who called."""
    rotation = Rotation(Clock().now)

    rotation.learn(attempt("a/m", Outcome.UNUSABLE, credential="two"), 60.0)
    rotation.learn(attempt("a/m", Outcome.SUCCEEDED, credential="two"), 60.0)
    rotation.learn(attempt("a/m", Outcome.SERVER_ERROR, credential="one"), 60.0)

    assert firsts(rotation, 3) == dict.fromkeys(NAMES, 1)


def test_when_all_rest_the_first_one_back_comes_first():
    """None of them is never an answer."""
    rotation = Rotation(Clock().now)
    for name, seconds in (("one", 9), ("two", 3), ("three", 6)):
        rotation.learn(
            attempt("a/m", Outcome.RATE_LIMITED, retry_after=seconds, credential=name),
            60.0,
        )

    assert rotation.order("a/m", NAMES, "") == ["two", "three", "one"]
