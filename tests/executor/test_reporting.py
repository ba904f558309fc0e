"""How the resolver learns of attempts: in order, in batches, off the request's path."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from datetime import timedelta

from fakes.clock import Clock
from fakes.patience import until
from fakes.plans import CALLER, attempt, deployment, order, step
from holdfast.errors import ServiceUnavailableError
from holdfast.health import Rests, health_keys
from holdfast.ports import Answering, AttemptReport
from holdfast.standpoint import Standpoint
from holdfast_executor.attempts import Progress
from holdfast_executor.lessons import Resting
from holdfast_executor.reporting import Reporter
from holdfast_executor.vantage import Vantage

AWAY = ServiceUnavailableError("nobody there", service="resolver")


class ListeningResolver:
    """Takes reports; raises what it is told to first, once each."""

    def __init__(self, *raises: Exception) -> None:
        self.batches: list[Sequence[AttemptReport]] = []
        self._raises = list(raises)
        self.asked = 0
        self.rests: Rests | None = None
        self.versions: list[bytes] = []
        self.standpoints: list[Standpoint] = []

    @property
    def ordinals(self) -> list[int]:
        return [each.attempts[0].ordinal for batch in self.batches for each in batch]

    async def report_attempts(self, request, *, deadline=None):
        self.versions.append(request.known_rests)
        self.standpoints.append(request.standpoint)
        if not request.reports:
            return self.rests
        self.asked += 1
        if self._raises:
            raise self._raises.pop(0)
        self.batches.append(request.reports)
        return self.rests


class ResolverThatLeaves(ListeningResolver):
    """Goes away while it is told for the first time, as something else happens."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def report_attempts(self, request, *, deadline=None):
        if self.asked == 0:
            self.asked += 1
            self._meanwhile()
            raise AWAY
        return await super().report_attempts(request, deadline=deadline)


class HungResolver(ListeningResolver):
    """Is told and never says that it heard."""

    async def report_attempts(self, request, *, deadline=None):
        self.asked += 1
        await asyncio.Event().wait()


def tell(reporter: Reporter, ordinals) -> None:
    plan = order(session_key="s" * 24, bound_deployment_id="b/m-us")
    for ordinal in ordinals:
        reporter.tell(plan, attempt(ordinal=ordinal))


async def test_a_report_says_all_that_the_resolver_learns_from():
    """Whose attempt of which plan it was, and what the session was bound to."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver, Resting())
    reporter.start()

    tell(reporter, [1])
    await until(lambda: resolver.batches)
    await reporter.close()

    (told,) = resolver.batches[0]
    assert told == AttemptReport(
        CALLER,
        plan_id="p1",
        session_key="s" * 24,
        bound_deployment_id="b/m-us",
        attempts=(attempt(),),
        retry_after_cap=timedelta(seconds=60),
        requested_model="m",
        trace_id="0" * 31 + "1",
    )


async def test_reports_go_in_batches_and_in_order():
    """A thousand reports are a handful of calls."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver, Resting())
    reporter.start()

    tell(reporter, range(1_000))
    await until(lambda: len(resolver.ordinals) == 1_000)
    await reporter.close()

    assert resolver.ordinals == list(range(1_000))
    assert len(resolver.batches) == 5


async def test_reports_wait_while_the_resolver_is_away():
    """What could not be told is told later, before what came after it."""
    resolver = ResolverThatLeaves(lambda: tell(reporter, [3]))
    reporter = Reporter(resolver, Resting())
    reporter.start()

    tell(reporter, [1, 2])
    await until(lambda: len(resolver.ordinals) == 3)
    await reporter.close()

    assert resolver.ordinals == [1, 2, 3]


async def test_a_batch_that_the_resolver_cannot_take_is_not_sent_for_ever():
    """What follows it is told all the same."""
    resolver = ListeningResolver(ValueError("no such outcome"))
    reporter = Reporter(resolver, Resting())
    reporter.start()

    tell(reporter, [1])
    await until(lambda: resolver.asked == 1)
    tell(reporter, [2])
    await until(lambda: resolver.batches)
    await reporter.close()

    assert resolver.ordinals == [2]


async def test_only_so_many_reports_wait():
    """The oldest are given up, and memory stays bounded."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver, Resting())

    tell(reporter, range(10_500))
    await reporter.close()

    assert resolver.ordinals == list(range(500, 10_500))


async def test_closing_tells_what_still_waits():
    """A process that ends loses no report while a resolver is there."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver, Resting())
    reporter.start()

    tell(reporter, range(450))
    await reporter.close()

    assert resolver.ordinals == list(range(450))


async def test_closing_does_not_wait_for_a_resolver_that_is_away():
    """It asks once, and ends."""
    resolver = ListeningResolver(*itertools.repeat(AWAY, 5))
    reporter = Reporter(resolver, Resting())

    tell(reporter, range(450))
    await reporter.close()

    assert resolver.asked == 1


async def test_a_report_under_way_when_closing_is_told_again():
    """Whether it arrived is not known; to be told twice does no harm."""
    hung = HungResolver()
    reporter = Reporter(hung, Resting())
    reporter.start()
    tell(reporter, [1])
    await until(lambda: hung.asked == 1)

    closing = asyncio.create_task(reporter.close())
    await until(lambda: hung.asked == 2)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)

    assert hung.asked == 2


async def test_what_changes_nothing_waits_for_company_and_the_rest_does_not():
    """A success where it was expected goes with others; a failure goes at once."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver, Resting())
    reporter.start()
    for _ in range(3):
        reporter.tell(order(), attempt(ordinal=1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    told_before = len(resolver.batches)
    reporter.tell(order(), attempt(ordinal=2))
    await until(lambda: resolver.ordinals)
    await reporter.close()

    assert told_before == 0
    assert [len(batch) for batch in resolver.batches] == [4]


PLACE = deployment()


def resting_until(moment_ms: int, version: bytes = b"1") -> Rests:
    return Rests(version, {health_keys(PLACE).deployment: moment_ms})


async def test_the_answer_to_a_report_says_who_rests():
    """What the resolver knows by then is known here too, with what it is called."""
    clock, resolver = Clock(), ListeningResolver()
    resolver.rests = resting_until(clock.now_ms() + 3_000)
    resting = Resting(clock.now_ms)
    reporter = Reporter(resolver, resting)
    reporter.start()

    tell(reporter, [1])
    await until(lambda: resting.left(PLACE))
    tell(reporter, [2])
    await until(lambda: len(resolver.versions) > 1)
    await reporter.close()

    assert resting.left(PLACE) == timedelta(seconds=3)
    assert resolver.versions[:2] == [b"", b"1"]


async def test_who_rests_is_asked_for_where_there_is_nothing_to_report():
    """A request that waits for a silent provider reports nothing meanwhile."""
    clock, resolver = Clock(), ListeningResolver()
    resting = Resting(clock.now_ms)
    reporter = Reporter(resolver, resting, news_s=0.01)
    reporter.start()
    tell(reporter, [1])
    await until(lambda: len(resolver.versions) > 1)
    resolver.rests = resting_until(clock.now_ms() + 3_000)

    await until(lambda: resting.left(PLACE))
    resolver.rests = Rests()
    await until(lambda: resting.left(PLACE) is None)
    await reporter.close()


async def test_what_was_heard_last_stands_while_the_resolver_is_away():
    """Nobody becomes well because nobody says how they are."""
    clock, resolver = Clock(), ListeningResolver(*itertools.repeat(AWAY, 3))
    resting = Resting(clock.now_ms)
    resting.hear(resting_until(clock.now_ms() + 3_000))
    reporter = Reporter(resolver, resting)
    reporter.start()
    tell(reporter, [1])
    await until(lambda: resolver.asked)
    await reporter.close()

    assert resting.left(PLACE) == timedelta(seconds=3)
    clock.advance(3)
    assert resting.left(PLACE) is None


async def test_each_report_says_from_where_and_who_answers_there():
    """As of when it is sent; where there is nothing to report as well."""
    clock, resolver = Clock(), ListeningResolver()
    vantage = Vantage("here", clock.now_ms)
    reporter = Reporter(resolver, Resting(), news_s=0.01, vantage=vantage)
    reporter.start()
    began_ms = clock.now_ms()
    reporter.tell(order(), attempt(http_status=200))
    clock.advance(1)
    await until(lambda: len(resolver.standpoints) > 1)
    await reporter.close()

    assert set(resolver.standpoints) == {
        Standpoint("here", began_ms + 1_000, began_ms, began_ms)
    }


async def test_a_probe_that_begins_to_answer_is_told_at_once():
    """However long its answer takes."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver, Resting())
    reporter.start()
    plan = order(step(PLACE))
    record = Progress(plan, lambda *_: None, Clock().now_ms).begin(step(PLACE))

    reporter.answering(plan, record)
    await until(lambda: resolver.batches)
    await reporter.close()

    ((told,),) = resolver.batches
    assert told.answering == Answering(PLACE.id, Clock().now_ms())
    assert told.attempts == ()
