"""How the resolver learns of attempts: in order, in batches, off the request's path."""

import asyncio
import itertools
from collections.abc import Callable

from fakes.patience import until
from fakes.plans import CALLER, attempt, order
from holdfast import convert
from holdfast.api.resolver.v1 import resolver_service_pb2 as pb
from holdfast.errors import ServiceUnavailableError
from holdfast_executor.reporting import Reporter

AWAY = ServiceUnavailableError("nobody there", service="resolver")


class ListeningResolver:
    """Takes reports; raises what it is told to first, once each."""

    def __init__(self, *raises: Exception) -> None:
        self.batches: list[pb.ReportAttemptsRequest] = []
        self._raises = list(raises)
        self.asked = 0

    @property
    def ordinals(self) -> list[int]:
        return [
            each.attempts[0].ordinal for batch in self.batches for each in batch.reports
        ]

    async def report_attempts(self, request, *, deadline=None):
        self.asked += 1
        if self._raises:
            raise self._raises.pop(0)
        self.batches.append(request)
        return pb.ReportAttemptsResponse()


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
    reporter = Reporter(resolver)
    reporter.start()

    tell(reporter, [1])
    await until(lambda: resolver.batches)
    await reporter.close()

    (told,) = resolver.batches[0].reports
    assert told == pb.AttemptReport(
        caller=convert.caller_to_wire(CALLER),
        plan_id="p1",
        session_key="s" * 24,
        bound_deployment_id="b/m-us",
        attempts=[convert.attempt_to_wire(attempt())],
        retry_after_cap_seconds=60,
    )


async def test_reports_go_in_batches_and_in_order():
    """A thousand reports are a handful of calls."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver)
    reporter.start()

    tell(reporter, range(1_000))
    await until(lambda: len(resolver.ordinals) == 1_000)
    await reporter.close()

    assert resolver.ordinals == list(range(1_000))
    assert len(resolver.batches) == 5


async def test_reports_wait_while_the_resolver_is_away():
    """What could not be told is told later, before what came after it."""
    resolver = ResolverThatLeaves(lambda: tell(reporter, [3]))
    reporter = Reporter(resolver)
    reporter.start()

    tell(reporter, [1, 2])
    await until(lambda: len(resolver.ordinals) == 3)
    await reporter.close()

    assert resolver.ordinals == [1, 2, 3]


async def test_a_batch_that_the_resolver_cannot_take_is_not_sent_for_ever():
    """What follows it is told all the same."""
    resolver = ListeningResolver(ValueError("no such outcome"))
    reporter = Reporter(resolver)
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
    reporter = Reporter(resolver)

    tell(reporter, range(10_500))
    await reporter.close()

    assert resolver.ordinals == list(range(500, 10_500))


async def test_closing_tells_what_still_waits():
    """A process that ends loses no report while a resolver is there."""
    resolver = ListeningResolver()
    reporter = Reporter(resolver)
    reporter.start()

    tell(reporter, range(450))
    await reporter.close()

    assert resolver.ordinals == list(range(450))


async def test_closing_does_not_wait_for_a_resolver_that_is_away():
    """It asks once, and ends."""
    resolver = ListeningResolver(*itertools.repeat(AWAY, 5))
    reporter = Reporter(resolver)

    tell(reporter, range(450))
    await reporter.close()

    assert resolver.asked == 1


async def test_a_report_under_way_when_closing_is_told_again():
    """Whether it arrived is not known; to be told twice does no harm."""
    hung = HungResolver()
    reporter = Reporter(hung)
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
    reporter = Reporter(resolver)
    reporter.start()
    for _ in range(3):
        reporter.tell(order([]), attempt(ordinal=1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    told_before = len(resolver.batches)
    reporter.tell(order([]), attempt(ordinal=2))
    await until(lambda: resolver.ordinals)
    await reporter.close()

    assert told_before == 0
    assert [len(batch.reports) for batch in resolver.batches] == [4]
