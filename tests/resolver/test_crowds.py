"""One conversation is told from many that begin alike."""

from fakes.clock import Clock
from holdfast_resolver.crowds import Crowds


def test_one_conversation_is_no_crowd_however_long_it_goes_on() -> None:
    """A turn a second is a fast one."""
    clock = Clock()
    crowds = Crowds(clock.now_ms)
    joined = []

    for _ in range(1_000):
        joined.append(crowds.joins("s"))
        clock.advance(1.0)

    assert not any(joined)


def test_a_crowd_is_told_once_it_has_more_turns_than_a_burst() -> None:
    """Sixty-four in ten seconds."""
    crowds = Crowds(Clock().now_ms)

    joined = [crowds.joins("s") for _ in range(100)]

    assert joined == [False] * 64 + [True] * 36


def test_a_crowd_that_has_gone_is_forgotten() -> None:
    """After two windows without one."""
    clock = Clock()
    crowds = Crowds(clock.now_ms)
    for _ in range(100):
        crowds.joins("s")

    clock.advance(11.0)
    still = crowds.joins("s")
    clock.advance(21.0)

    assert still
    assert not crowds.joins("s")
