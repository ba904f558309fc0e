"""Who is left aside, for how long, who is told, and who comes back how."""

from datetime import timedelta

import pytest

from fakes.clock import Clock
from fakes.plans import attempt, deployment
from holdfast.health import health_keys
from holdfast.model import Allowance, Outcome
from holdfast.outcome import CONSEQUENCES, Scope
from holdfast_resolver.health.record import LEAST_SHARE, Record
from holdfast_resolver.health.tracking import Health
from holdfast_resolver.stores import MemoryHealthStore

PLACE = deployment("a/m-eu", credential_id="provider:a")
OTHER = deployment("b/m-us")
POOL = [PLACE, OTHER]
CAP = timedelta(seconds=60)
SILENT_S = 30


class NotedHealth(MemoryHealthStore):
    """Notes what is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Record]] = []

    def publish(self, key: str, record: Record) -> None:
        self.told.append((key, record))
        super().publish(key, record)


class Ward:
    """One replica's health, with its clock and its store."""

    def __init__(self, clock=None, store=None, pool=POOL, jitter=0.0) -> None:
        self.clock = clock or Clock()
        self.store = store or NotedHealth()
        self.pool = pool
        self.health = Health(self.store, self.clock.now_ms, lambda: jitter)

    def learn(
        self,
        outcome=Outcome.SUCCEEDED,
        times=1,
        *,
        began_s=0.0,
        cap=CAP,
        place=PLACE,
        **facts,
    ):
        """Report attempts that end now and began so many seconds ago."""
        facts.setdefault("start_time_ms", self.clock.now_ms() - round(began_s * 1_000))
        facts.setdefault("duration", timedelta(seconds=began_s))
        for _ in range(times):
            told = attempt(place.id, outcome, **facts)
            self.health.learn(told, place, self.pool, cap)
        return self.seconds(place)

    def seconds(self, place=PLACE) -> float | None:
        left = self.health.standing(place).left
        return None if left is None else left.total_seconds()

    def share(self, place=PLACE) -> float:
        return self.health.standing(place).share

    def down(self) -> float | None:
        """Fail as often as it takes."""
        return self.learn(Outcome.SERVER_ERROR, 3)

    def fail_probes(self, many: int, outcome=Outcome.SERVER_ERROR) -> list[float]:
        """Let each rest pass and fail once more; return how long each was."""
        spans = [self.seconds()]
        for _ in range(many):
            self.clock.advance(spans[-1])
            spans.append(self.learn(outcome))
        return spans

    def comes_back(self) -> None:
        """Let the rest pass, and succeed."""
        self.clock.advance(self.seconds())
        self.learn()


@pytest.mark.parametrize("failures", [1, 2])
def test_an_accident_leaves_nobody_aside(failures):
    """A fallback hides it, and the sessions there stay warm."""
    ward = Ward()

    assert ward.learn(Outcome.SERVER_ERROR, failures) is None
    assert ward.store.told == []


@pytest.mark.parametrize(
    "outcome",
    [Outcome.SERVER_ERROR, Outcome.CONNECTION_FAILED, Outcome.INTERRUPTED],
)
def test_three_failures_in_a_row_do(outcome):
    """For a second at first: a blip is over by then."""
    assert Ward().learn(outcome, 3) == 1


def test_a_success_between_failures_starts_the_row_anew():
    """Two and two are not three in a row."""
    ward = Ward()
    ward.learn(Outcome.SERVER_ERROR, 2)
    ward.clock.advance(0.1)
    ward.learn()

    assert ward.learn(Outcome.SERVER_ERROR, 2) is None


def test_a_success_sent_before_the_failures_does_not():
    """Its answer was under way when the deployment went down."""
    ward = Ward()
    ward.learn(Outcome.SERVER_ERROR, 2)
    ward.clock.advance(0.1)
    ward.learn(began_s=5)

    assert ward.learn(Outcome.SERVER_ERROR) == 1


def test_one_silence_is_enough_where_nobody_was_answered_meanwhile():
    """Another one would cost another caller half a minute."""
    assert Ward().learn(Outcome.TIMED_OUT, began_s=SILENT_S) == 1


def test_a_silence_for_one_while_others_are_answered_is_an_accident():
    """One odd caller takes no deployment from the others."""
    ward = Ward()
    ward.learn()
    ward.clock.advance(1)

    assert ward.learn(Outcome.TIMED_OUT, began_s=SILENT_S) is None


def test_half_of_the_calls_failing_is_too_often():
    """Of twenty, never three in a row."""
    ward = Ward()
    for _ in range(9):
        ward.learn(Outcome.SERVER_ERROR)
        ward.clock.advance(0.1)
        ward.learn()
    ward.learn()
    assert ward.seconds() is None

    assert ward.learn(Outcome.SERVER_ERROR) == 1


def test_calls_of_half_a_minute_ago_count_no_more():
    """What failed then is not held against who answers now."""
    ward = Ward()
    ward.learn(Outcome.SERVER_ERROR, 2)
    for _ in range(18):
        ward.clock.advance(0.1)
        ward.learn(Outcome.SERVER_ERROR)
        ward.learn()
        ward.clock.advance(3)

    assert ward.seconds() is None


def fail_half(ward: Ward, place, calls=40) -> None:
    for _ in range(calls // 2):
        ward.clock.advance(0.01)
        ward.learn(Outcome.SERVER_ERROR, place=place)
        ward.learn(place=place)


def test_at_most_half_of_a_pool_is_left_aside_for_failing_too_often():
    """Where more of them do, who asks is at fault, or nothing is gained."""
    ward = Ward()
    fail_half(ward, PLACE)
    ward.clock.advance(0.5)

    fail_half(ward, OTHER)

    assert ward.seconds(PLACE) is not None
    assert ward.seconds(OTHER) is None
    assert ward.health.counts.spared > 0


def test_the_only_deployment_of_a_pool_is_not_left_aside_for_it():
    """There is nobody to go to instead."""
    ward = Ward(pool=[PLACE])

    fail_half(ward, PLACE)

    assert ward.seconds() is None


@pytest.mark.parametrize(
    ("outcome", "asked", "seconds"),
    [
        (Outcome.RATE_LIMITED, None, 5),
        (Outcome.RATE_LIMITED, 7.25, 7.25),
        (Outcome.RATE_LIMITED, 86_400, 60),
        (Outcome.RATE_LIMITED, 0, None),
        (Outcome.RATE_LIMITED, -9, None),
        (Outcome.SERVER_ERROR, 20, 20),
        (Outcome.SERVER_ERROR, 86_400, 60),
        (Outcome.UNUSABLE, None, 60),
        (Outcome.UNUSABLE, 1, 60),
    ],
)
def test_who_says_so_is_left_aside_at_once(outcome, asked, seconds):
    """As long as it asked for, within the cap, else by how it failed."""
    assert Ward().learn(outcome, retry_after=asked) == seconds


def test_a_wish_not_to_be_left_alone_is_a_failure_like_others():
    """`Retry-After: 0` again and again is not believed for ever."""
    assert Ward().learn(Outcome.RATE_LIMITED, 3, retry_after=0) == 5


@pytest.mark.parametrize(
    "outcome",
    [o for o in Outcome if CONSEQUENCES[o].scope is Scope.NOBODY],
)
def test_what_is_about_the_request_touches_nothing(outcome):
    """However often: the deployment is not to blame."""
    ward = Ward()

    assert ward.learn(outcome, 30) is None
    assert ward.store.told == []


@pytest.mark.parametrize(
    ("outcome", "spans"),
    [
        (Outcome.SERVER_ERROR, [1, 2, 4, 5, 5, 5]),
        (Outcome.RATE_LIMITED, [5, 10, 20, 40, 60, 60]),
        (Outcome.UNUSABLE, [60, 120, 240, 480, 600, 600]),
    ],
)
def test_rests_in_a_row_grow_up_to_a_bound(outcome, spans):
    """Each failure right after a rest makes the next rest longer."""
    ward = Ward()
    ward.learn(outcome, 3)

    assert ward.fail_probes(5, outcome) == spans


def test_who_is_away_for_long_is_tried_less_often():
    """Every twelfth of the time it has been away, and every minute at least."""
    ward = Ward()
    ward.down()

    spans = ward.fail_probes(60)

    in_a_minute = next(n for n in range(60) if sum(spans[:n]) > 60)
    assert in_a_minute <= 15
    assert spans[-1] == 60
    assert spans == sorted(spans)


def test_a_burst_of_failures_at_once_is_one_rest():
    """Twenty requests under way when a deployment blinks do not make a minute."""
    ward = Ward()

    assert ward.learn(Outcome.SERVER_ERROR, 20) == 1
    assert len(ward.store.told) == 1


def test_what_was_sent_before_a_rest_ended_lengthens_no_rest():
    """It says nothing that was not known."""
    ward = Ward()
    ward.down()
    ward.clock.advance(1.5)

    assert ward.learn(Outcome.SERVER_ERROR, began_s=1) == 0


def test_a_hundred_refusals_with_one_wish_are_told_once():
    """Not each for the milliseconds by which it ends later."""
    ward = Ward()
    for _ in range(100):
        ward.learn(Outcome.RATE_LIMITED, retry_after=30)
        ward.clock.advance(0.01)

    assert len(ward.store.told) == 1


def test_a_shorter_rest_never_cuts_a_longer_one():
    """The provider's own word stands, whatever fails meanwhile."""
    ward = Ward()
    ward.learn(Outcome.RATE_LIMITED, retry_after=30)

    assert ward.learn(Outcome.RATE_LIMITED, retry_after=1) == 30
    assert ward.down() == 30


def test_rests_are_spread_a_little_so_that_not_all_come_back_at_once():
    """By a tenth at most, and never beyond the cap."""
    ward = Ward(jitter=1.0)

    assert ward.learn(Outcome.RATE_LIMITED, retry_after=10) == 11
    assert Ward(jitter=1.0).learn(Outcome.RATE_LIMITED, retry_after=60) == 60
    assert Ward(jitter=1.0).down() == 1.1


def test_who_said_until_when_is_back_by_itself():
    """To the millisecond, with all its cold starts."""
    ward = Ward()
    ward.learn(Outcome.RATE_LIMITED, retry_after=2)

    ward.clock.advance(1.999)
    assert ward.seconds() == 0.001
    ward.clock.advance(0.001)
    assert ward.learn() is None
    assert ward.share() == 1.0


def test_who_failed_waits_to_be_tried_when_its_rest_is_over():
    """Time alone mends nothing."""
    ward = Ward()
    ward.down()

    ward.clock.advance(30)

    assert ward.seconds() == 0


def test_who_is_never_asked_for_is_forgotten_in_the_end():
    """Ten minutes after its rest it is a deployment like any other."""
    ward = Ward()
    ward.down()

    ward.clock.advance(601)

    assert ward.seconds() is None


def test_a_success_after_the_rest_brings_it_back_bit_by_bit():
    """A tenth of its cold starts at first, and all of them after half a minute."""
    ward = Ward()
    ward.down()
    ward.comes_back()

    shares = [ward.share()]
    for _ in range(3):
        ward.clock.advance(10)
        shares.append(ward.share())

    assert ward.seconds() is None
    assert shares == pytest.approx([LEAST_SHARE, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("began_s", [5, 0.2])
def test_a_success_that_began_before_the_failure_brings_nobody_back(began_s):
    """It was sent by one who did not know, and it is no answer to the failure."""
    ward = Ward()
    ward.learn(Outcome.RATE_LIMITED, retry_after=30)
    ward.clock.advance(0.1)

    assert ward.learn(began_s=began_s) == pytest.approx(29.9)


def test_a_last_resort_that_answers_is_back_before_its_rest_is_over():
    """It was tried on purpose, and it is well."""
    ward = Ward()
    ward.learn(Outcome.RATE_LIMITED, retry_after=30)
    ward.clock.advance(5)

    assert ward.learn(began_s=1) is None


def test_who_fails_as_it_comes_back_rests_longer_than_before():
    """One failure is enough then: up and down within a minute is down."""
    ward = Ward()
    ward.down()
    ward.comes_back()
    ward.clock.advance(1)

    assert ward.learn(Outcome.SERVER_ERROR) == 2


def test_a_call_of_before_that_fails_now_does_not_undo_the_return():
    """It was sent to a deployment that was still away."""
    ward = Ward()
    ward.down()
    ward.comes_back()

    assert ward.learn(Outcome.TIMED_OUT, began_s=SILENT_S) is None


def test_who_has_been_well_for_long_begins_anew():
    """A minute after the ramp nothing is held against it."""
    ward = Ward()
    ward.down()
    ward.comes_back()
    ward.clock.advance(91)

    assert ward.learn(Outcome.SERVER_ERROR) is None
    assert ward.learn(Outcome.SERVER_ERROR, 2) == 1


def test_every_replica_hears_of_a_rest_and_of_its_end():
    """Whoever learns it tells the others."""
    one = Ward()
    other = Ward(one.clock, one.store)

    one.down()
    assert other.seconds() == 1

    other.comes_back()
    assert one.seconds() is None
    assert one.share() == LEAST_SHARE


def test_what_two_replicas_decide_at_once_is_joined():
    """The later moments stand, whichever is heard first."""
    early = Record(10_000, 5_000, 4_000, 2)
    late = Record(9_000, 6_000, 5_000, 1, well_ms=5_500, back_ms=5_600)

    joined = early.joined(late)

    assert joined == late.joined(early)
    assert joined == Record(10_000, 6_000, 4_000, 2, well_ms=5_500, back_ms=5_600)
    assert not joined.is_back


def test_a_record_that_has_run_out_adds_nothing_to_a_new_one():
    """An outage of last week makes no rest longer."""
    old = Record(10_000, 5_000, 4_000, 9, told=True)
    new = Record(900_000, 899_000, 899_000, 1)

    assert old.joined(new) == new.joined(old) == new


@pytest.mark.parametrize(
    "record",
    [
        Record(1, 2, 3, 4),
        Record(1_800_000_000_000, 0, 0, 1, told=True, well_ms=7, back_ms=8),
    ],
)
def test_a_record_is_read_as_it_was_written(record):
    """So that replicas can compare what they hold."""
    assert Record.parse(record.serialize()) == record


@pytest.mark.parametrize(
    "value", [b"", b"1|2|3", b"01|2|3|4|due|0|0", b"x|2|3|4|due|0|0"]
)
def test_what_is_no_record_is_not_read(value):
    """Nor what would not be written so."""
    with pytest.raises(ValueError, match="record"):
        Record.parse(value)


def test_deployments_rest_apart():
    """What one does says nothing of another, not even under the same name."""
    ward = Ward()
    ward.down()

    assert ward.seconds(OTHER) is None
    assert ward.seconds(deployment(PLACE.id, base_uri="http://other.invalid")) is None


def test_a_credential_rests_with_that_deployment_alone():
    """The same deployment with another credential is well, as others have it."""
    ward = Ward()
    ward.learn(Outcome.UNUSABLE)

    assert ward.seconds(deployment(PLACE.id, credential_id="custom:acme/m")) is None
    assert ward.seconds() == 60


def test_a_deployment_with_several_credentials_rests_when_all_do():
    """And as long as the one that is back first."""
    ward = Ward()
    ward.health.know_credentials({"provider:a": ("one", "two")})

    assert ward.learn(Outcome.RATE_LIMITED, credential="one", retry_after=9) is None
    assert ward.health.rests().until_ms == {}
    assert ward.learn(Outcome.RATE_LIMITED, credential="two", retry_after=4) == 4
    assert dict(ward.health.rests().until_ms) == {
        health_keys(PLACE).any_credential: ward.clock.now_ms() + 4_000
    }


def low(share=0.05, seconds=20.0):
    resets_in = None if seconds is None else timedelta(seconds=seconds)
    return {"allowance": Allowance(share, resets_in)}


def test_who_has_little_of_its_allowance_left_takes_no_cold_starts():
    """Until it is full again; it is not left aside for it."""
    ward = Ward()
    ward.learn(**low())

    assert ward.seconds() is None
    assert ward.share() == 0
    ward.clock.advance(20)
    assert ward.share() == 1


@pytest.mark.parametrize(
    ("allowance", "lasts"),
    [(low(0.15), 0), (low(seconds=None), 5), (low(seconds=86_400), 60)],
)
def test_how_long_that_lasts_is_bounded(allowance, lasts):
    """By a minute, and some seconds where nothing was said."""
    ward = Ward()
    ward.learn(**allowance)

    ward.clock.advance(max(0, lasts - 0.001))
    assert ward.share() == (0 if lasts else 1)
    ward.clock.advance(0.001)
    assert ward.share() == 1


def test_every_decision_is_counted():
    """By what led to it."""
    ward = Ward()
    ward.down()
    ward.fail_probes(2)
    ward.comes_back()
    ward.learn(Outcome.UNUSABLE)

    counts = ward.health.counts
    assert (counts.in_a_row, counts.longer, counts.recovered) == (1, 2, 1)
    assert counts.unusable == 1
    assert ward.health.unwell() == {"resting": 1, "due": 0, "ramping": 1}
