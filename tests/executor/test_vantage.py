"""What an executor says of its own network: its name, and who answered it there."""

from pathlib import Path

import pytest

from fakes.clock import Clock
from fakes.plans import attempt
from holdfast.model import Outcome
from holdfast.standpoint import SILENCE_MS, Standpoint
from holdfast_executor.vantage import Vantage, network_name


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000)


@pytest.fixture
def vantage(clock: Clock) -> Vantage:
    return Vantage("here", clock.now_ms)


def answered(vantage: Vantage) -> None:
    vantage.learn(attempt(http_status=200))


def test_it_has_reached_nobody_to_begin_with(vantage):
    """And does not claim to have."""
    assert vantage.tell() == Standpoint("here", 1_000_000)
    assert not vantage.tell().was_in_touch(999_000, 1_000_000)


def test_answers_close_to_one_another_are_one_span(vantage, clock):
    """From the first to the last, as long as no silence between them was longer."""
    for _ in range(3):
        answered(vantage)
        clock.advance(SILENCE_MS / 1_000)

    told = vantage.tell()

    assert (told.since_ms, told.answered_ms) == (1_000_000, 1_004_000)
    assert told.was_in_touch(1_000_000, 1_004_000)
    assert not told.was_in_touch(999_999, 1_004_000)
    assert not told.was_in_touch(1_000_000, 1_004_001)


def test_a_longer_silence_begins_another(vantage, clock):
    """Whatever failed in it is nobody else's fault for certain."""
    answered(vantage)
    clock.advance(SILENCE_MS / 1_000 + 0.001)
    answered(vantage)

    assert vantage.tell().since_ms == 1_002_001


@pytest.mark.parametrize(
    ("outcome", "status", "is_reached"),
    [
        (Outcome.RATE_LIMITED, 429, True),
        (Outcome.SERVER_ERROR, 500, True),
        (Outcome.REJECTED, 400, True),
        (Outcome.CONNECTION_FAILED, 0, False),
        (Outcome.TIMED_OUT, 0, False),
        (Outcome.INTERRUPTED, 200, False),
        (Outcome.CANCELLED, 0, False),
    ],
)
def test_any_answer_of_a_provider_counts(vantage, outcome, status, is_reached):
    """A refusal as well; one that broke off does not."""
    vantage.learn(attempt(outcome=outcome, http_status=status))

    assert bool(vantage.tell().answered_ms) is is_reached


def test_what_two_executors_of_one_network_say_is_joined():
    """Where their spans meet they are one; else the later one stands."""
    one = Standpoint("here", 10_000, 1_000, 5_000)
    meets = Standpoint("here", 11_000, 7_000, 9_000)
    later = Standpoint("here", 12_000, 7_001, 9_000)
    never = Standpoint("here", 13_000)

    assert (
        one.joined(meets)
        == meets.joined(one)
        == Standpoint("here", 11_000, 1_000, 9_000)
    )
    assert one.joined(later) == later.joined(one) == later
    assert (
        one.joined(never)
        == never.joined(one)
        == Standpoint("here", 13_000, 1_000, 5_000)
    )


def test_a_network_is_named_alike_by_all_processes_in_it(tmp_path: Path):
    """Another kernel, and another network of the same one, have other names."""
    kernel, link = tmp_path / "boot_id", tmp_path / "net"
    kernel.write_text("5c0f\n")
    link.symlink_to("net:[1]")
    other = tmp_path / "other"
    other.symlink_to("net:[2]")

    name = network_name(kernel, link)

    assert name == network_name(kernel, link)
    assert name != network_name(kernel, other)
    kernel.write_text("77aa\n")
    assert name != network_name(kernel, link)


def test_where_the_kernel_does_not_say_every_process_stands_for_itself(tmp_path: Path):
    """None is taken for another."""
    assert network_name(tmp_path / "none") != network_name(tmp_path / "none")
