"""When etcd is not asked."""

from fakes.clock import Clock
from holdfast_resolver.etcd.breaker import Breaker


def failing(breaker: Breaker, times: int) -> Breaker:
    for _ in range(times):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_a_failure_or_two_hold_nothing_back():
    """A member was ended, or another one elected."""
    assert failing(Breaker(Clock().now), 2).admits()


def test_an_answer_makes_up_for_failures_before_it():
    """They count in a row."""
    breaker = failing(Breaker(Clock().now), 2)
    breaker.succeeded()

    assert failing(breaker, 2).admits()


def test_after_three_failures_nobody_asks_but_once_a_second():
    """Of all who want something one is let through, to see."""
    clock = Clock()
    breaker = failing(Breaker(clock.now), 3)

    at_once = [breaker.admits() for _ in range(3)]
    clock.advance(1.0)
    later = [breaker.admits() for _ in range(3)]
    breaker.failed()
    still = breaker.admits()
    clock.advance(1.0)

    assert at_once == [False, False, False]
    assert later == [True, False, False]
    assert not still
    assert breaker.admits()


def test_a_trial_that_is_answered_lets_all_through():
    """At once, and the next failure is the first again."""
    clock = Clock()
    breaker = failing(Breaker(clock.now), 3)
    clock.advance(1.0)
    breaker.admits()
    breaker.succeeded()

    assert not breaker.is_open
    assert failing(breaker, 2).admits()
