"""Who is left aside, for how long, and who is told."""

from datetime import timedelta

import pytest

from fakes.clock import Clock
from fakes.plans import attempt
from holdfast.model import Outcome
from holdfast.outcome import CONSEQUENCES, Rest
from holdfast_resolver.health import Health
from holdfast_resolver.stores import MemoryCooldownStore

PLACE = "a/m-eu"
CAP = timedelta(seconds=60)
RATE_LIMITED = attempt(PLACE, Outcome.RATE_LIMITED)
SERVER_ERROR = attempt(PLACE, Outcome.SERVER_ERROR)
UNUSABLE = attempt(PLACE, Outcome.UNUSABLE)


class NotedCooldowns(MemoryCooldownStore):
    """Notes what is told: a moment, or None for a withdrawal."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, int | None]] = []

    def publish(self, key: str, until_ms: int) -> None:
        self.told.append((key, until_ms))
        super().publish(key, until_ms)

    def withdraw(self, key: str) -> None:
        self.told.append((key, None))
        super().withdraw(key)


class Ward:
    """One replica's health, with its clock and its store."""

    def __init__(self, clock: Clock | None = None, store=None) -> None:
        self.clock = clock or Clock()
        self.store = store or NotedCooldowns()
        self.health = Health(self.store, self.clock.now_ms)

    def seconds(self) -> float | None:
        left = self.health.cooldown(PLACE)
        return None if left is None else left.total_seconds()

    def after(self, *attempts, cap: timedelta = CAP) -> float | None:
        for each in attempts:
            self.health.record(each, cap)
        return self.seconds()


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        (RATE_LIMITED, 5),
        (SERVER_ERROR, 1),
        (attempt(PLACE, Outcome.CONNECTION_FAILED), 1),
        (attempt(PLACE, Outcome.TIMED_OUT), 1),
        (attempt(PLACE, Outcome.INTERRUPTED), 1),
        (UNUSABLE, 60),
        (attempt(PLACE, Outcome.RATE_LIMITED, retry_after=7.25), 7.25),
        (attempt(PLACE, Outcome.SERVER_ERROR, retry_after=20), 20),
        (attempt(PLACE, Outcome.RATE_LIMITED, retry_after=3600), 60),
        (attempt(PLACE, Outcome.RATE_LIMITED, retry_after=0), None),
        (attempt(PLACE, Outcome.RATE_LIMITED, retry_after=-9), None),
        (attempt(PLACE, Outcome.UNUSABLE, retry_after=1), 60),
    ],
)
def test_a_first_failure_rests_for(failure, seconds):
    """As long as it asked for, within the cap, else by how it failed."""
    assert Ward().after(failure) == seconds


@pytest.mark.parametrize(
    "outcome",
    [o for o in Outcome if CONSEQUENCES[o].rest is Rest.NOT_AT_ALL],
)
def test_what_is_about_the_request_touches_nothing(outcome):
    """One odd caller takes no deployment from the others."""
    ward = Ward()

    assert ward.after(attempt(PLACE, outcome)) is None
    assert ward.store.told == []


@pytest.mark.parametrize(
    ("failure", "spans"),
    [
        (SERVER_ERROR, [1, 2, 4, 8, 16, 32, 60, 60]),
        (RATE_LIMITED, [5, 10, 20, 40, 60, 60]),
        (UNUSABLE, [60, 120, 240, 480, 600, 600]),
    ],
)
def test_rests_in_a_row_double_up_to_a_bound(failure, spans):
    """Each failure right after a rest makes the next rest twice as long."""
    ward = Ward()
    seen = []

    for _ in spans:
        seen.append(ward.after(failure))
        ward.clock.advance(seen[-1])

    assert seen == spans


def test_a_burst_of_failures_at_once_is_one_failure():
    """Twenty requests under way when a deployment blinks do not make a minute."""
    assert Ward().after(*[SERVER_ERROR] * 20) == 1


def test_a_failure_as_a_last_resort_rests_anew():
    """Tried while it is left aside and failing again, it rests from then on."""
    ward = Ward()
    ward.after(SERVER_ERROR)
    ward.clock.advance(0.6)

    assert ward.after(SERVER_ERROR) == 1


def test_a_shorter_rest_never_cuts_a_longer_one():
    """The provider's own word stands, whatever fails meanwhile."""
    long = attempt(PLACE, Outcome.RATE_LIMITED, retry_after=30)

    assert Ward().after(long, SERVER_ERROR) == 30


def test_a_rest_ends_by_itself():
    """To the millisecond."""
    ward = Ward()
    ward.after(SERVER_ERROR)

    ward.clock.advance(0.999)
    assert ward.seconds() == 0.001
    ward.clock.advance(0.001)
    assert ward.seconds() is None


def test_a_success_ends_a_rest_and_forgets_the_failures():
    """The replicas are told, and the next failure is a first one."""
    ward = Ward()
    ward.after(SERVER_ERROR)
    ward.clock.advance(1)

    assert ward.after(SERVER_ERROR, attempt(PLACE)) is None
    assert ward.store.told[-1] == (PLACE, None)
    assert ward.after(SERVER_ERROR) == 1


def test_a_success_of_a_healthy_deployment_is_not_news():
    """Nothing is told that is known already."""
    ward = Ward()
    ward.after(attempt(PLACE))
    ward.after(SERVER_ERROR)
    ward.clock.advance(1)
    ward.after(attempt(PLACE))

    assert [until for _, until in ward.store.told] == [ward.clock.now_ms()]


def test_what_is_told_is_a_moment_that_every_replica_hears():
    """Another replica leaves it aside as well, and takes it back as well."""
    one = Ward()
    other = Ward(one.clock, one.store)

    one.after(RATE_LIMITED)
    assert one.store.told == [(PLACE, one.clock.now_ms() + 5_000)]
    assert other.seconds() == 5

    other.after(attempt(PLACE))
    assert one.seconds() is None


def test_hearing_of_an_earlier_moment_changes_nothing():
    """The later of two moments counts, in whichever order they are heard."""
    ward = Ward()
    ward.after(RATE_LIMITED)

    ward.store.publish(PLACE, ward.clock.now_ms() + 1_000)

    assert ward.seconds() == 5


def test_only_a_later_moment_is_told():
    """A failure within a longer rest is not passed round."""
    ward = Ward()
    ward.after(RATE_LIMITED, SERVER_ERROR)

    assert len(ward.store.told) == 1


def test_deployments_rest_apart():
    """What one does says nothing of another."""
    ward = Ward()
    ward.after(RATE_LIMITED)

    assert ward.health.cooldown("b/m-us") is None
