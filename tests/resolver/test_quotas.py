"""Budgets and rates as callers of a resolver meet them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from configuration_files import parse
from fakes.caller import in_time
from fakes.clock import Clock
from fakes.directory import resolver
from fakes.metered import running
from fakes.patience import until
from fakes.plans import KEYS, deployment, step
from fakes.tallies import MemoryTallies, MemoryTallyStore
from holdfast.errors import (
    ApiKeyUnknownError,
    BudgetExhaustedError,
    ModelNotFoundError,
    RateLimitedError,
)
from holdfast.model import (
    Attempt,
    BudgetStatus,
    Caller,
    Capability,
    Finished,
    Outcome,
    Plan,
    Pricing,
    Requirements,
    Usage,
)
from holdfast.ports import AttemptReport, ReportAttemptsRequest, ResolveModelRequest
from holdfast_resolver.directory import key_digest
from holdfast_resolver.quotas.admission import Admission
from holdfast_resolver.quotas.estimate import (
    USUAL_OUTPUT_TOKENS,
    dearest_usd_nanos,
    most_tokens,
)
from holdfast_resolver.quotas.periods import Period, minute, month
from holdfast_resolver.service import ResolverService

FILE = """
catalog: none
providers:
  a: {dialect: openai-chat, base_uri: "https://a.example"}
  b: {dialect: openai-chat, base_uri: "https://b.example"}
models:
  - name: m
    deployments:
      - {id: a/m, provider: a, pricing: {input: "0", output: "1"}}
      - {id: b/m, provider: b, pricing: {input: "0", output: "2"}}
organizations:
  - id: acme
    budget: {monthly_usd: 10, warn_at: 0.5}
    projects:
      - id: web
        budget: {monthly_usd: "5"}
        keys:
          - {id: rich, key: k-rich}
          - id: poor
            key: k-poor
            budget: {monthly_usd: "0.02", when_unreachable: deny}
          - {id: slow, key: k-slow, requests_per_minute: 2}
          - {id: brief, key: k-brief, tokens_per_minute: 1000}
          - {id: boss, key: k-boss, admin: true}
  - id: free
    projects: [{id: app, keys: [{id: app-1, key: k-free}]}]
"""

CENT = 10_000_000
"""In nanodollars: ten thousand output tokens of `a/m`, five of `b/m`."""


@pytest.fixture
def clock() -> Clock:
    """Stand still in the midst of a minute and a month."""
    return Clock(at_ms=1_700_000_017_000)


@pytest.fixture
async def admission(clock: Clock) -> AsyncIterator[Admission]:
    """Let requests in, alone."""
    async with running(MemoryTallyStore(), clock.now) as replica:
        yield replica.admission


@pytest.fixture
def service(admission: Admission, clock: Clock) -> ResolverService:
    """Give a resolver of the file above."""
    return resolver(parse(FILE).settings, admission=admission, clock=clock)


async def resolve(
    service: ResolverService, who: str, *, cents: float = 1, **more: object
) -> Plan:
    """Ask for a plan of which the dearest step may cost so much."""
    usual = {"model": "m", "requirements": tokens(round(cents * 5_000))}
    request = ResolveModelRequest(key_digest(who), **{**usual, **more})
    return KEYS.verify(await service.resolve_model(request))


FINISHED = Finished(
    "0" * 32, "m", "chat_completions", False, 0, timedelta(), attempt_count=1
)


async def report(
    service: ResolverService, plan: Plan, *attempts: Attempt, ends: bool = True
) -> None:
    """Tell how a plan was carried out."""
    told = AttemptReport(
        plan.caller,
        plan.plan_id,
        plan.session_key,
        plan.bound_deployment_id,
        attempts,
        timedelta(seconds=60),
        finished=FINISHED if ends else None,
        reservation=plan.reservation,
    )
    await service.report_attempts(ReportAttemptsRequest([told]))


def costing(cents: float, ordinal: int = 1, **facts: object) -> Attempt:
    """Make an attempt that cost so much."""
    told = {"outcome": Outcome.SUCCEEDED, "start_time_ms": 1_700_000_017_000}
    return Attempt(
        ordinal, "a/m", cost_usd_nanos=round(cents * CENT), **{**told, **facts}
    )


async def standing(
    service: ResolverService, who: str = "k-rich"
) -> dict[str, BudgetStatus]:
    """Say how budgets stand, by their ids."""
    statuses = await service.list_budget_status(key_digest(who))
    return {status.budget.id: status for status in statuses}


async def test_plan_says_what_is_set_aside_for_it(service: ResolverService) -> None:
    """As much as its dearest step may cost, of each budget that it counts for."""
    plan = await resolve(service, "k-poor")

    assert plan.reservation is not None
    assert plan.reservation.budgets == ("acme", "acme/web", "acme/web/poor")
    assert plan.reservation.usd_nanos == CENT
    assert plan.reservation.tokens is None


async def test_nothing_is_set_aside_where_there_is_no_limit(
    service: ResolverService,
) -> None:
    """A project without quotas has plans without them."""
    assert (await resolve(service, "k-free")).reservation is None


async def test_used_up_budget_is_named_with_its_end(service: ResolverService) -> None:
    """The call that reaches the limit completes, and the next is refused."""
    for cents in (1.5, 3):
        await report(service, await resolve(service, "k-poor"), costing(cents))
    with pytest.raises(BudgetExhaustedError) as refused:
        await resolve(service, "k-poor")

    assert refused.value.metadata == {
        "budget_id": "acme/web/poor",
        "limit_usd": "0.02",
        "reset_time": "2023-12-01T00:00:00Z",
    }
    assert await resolve(service, "k-rich")


async def test_failed_attempts_and_broken_off_ones_are_paid_for(
    service: ResolverService,
) -> None:
    """Whatever became of it, what an attempt cost is spent."""
    plan = await resolve(service, "k-rich")
    await report(service, plan, costing(1, outcome=Outcome.PARSE_FAILED), ends=False)
    await report(service, plan, costing(2, 2, outcome=Outcome.INTERRUPTED), ends=False)
    await report(service, plan, costing(3, 3, outcome=Outcome.CANCELLED))

    stands = await standing(service)
    assert {s.spent_usd_nanos for s in stands.values()} == {6 * CENT}


async def test_attempts_without_usage_cost_nothing(service: ResolverService) -> None:
    """Zero stays zero."""
    await report(service, await resolve(service, "k-rich"), costing(0))

    stands = await standing(service)
    assert {s.spent_usd_nanos for s in stands.values()} == {0}


async def test_reports_told_twice_count_once(service: ResolverService) -> None:
    """So do those of a request's end: nothing is given back twice."""
    plan = await resolve(service, "k-poor", cents=1.9)
    other = await resolve(service, "k-poor", cents=1.9)
    for _ in range(3):
        await report(service, plan, costing(0.05))
    await resolve(service, "k-poor", cents=1)
    with pytest.raises(BudgetExhaustedError):
        await resolve(service, "k-poor", cents=1)
    await report(service, other, costing(0))

    stands = await standing(service, "k-poor")
    assert stands["acme/web/poor"].spent_usd_nanos == CENT // 20


async def test_explaining_costs_nothing(service: ResolverService) -> None:
    """Neither of a rate nor of a budget, and a used up one does not prevent it."""
    for _ in range(5):
        plan = await resolve(service, "k-slow", validate_only=True)
        assert plan.reservation is None
    await resolve(service, "k-slow")


async def test_refused_requests_take_nothing(service: ResolverService) -> None:
    """A request that nobody serves leaves the rate as it was."""
    for _ in range(5):
        with pytest.raises(ModelNotFoundError):
            await resolve(service, "k-slow", model="n")
    for _ in range(2):
        await resolve(service, "k-slow")


async def test_rate_is_of_requests_let_in(service: ResolverService) -> None:
    """Two a minute, and the third learns when the minute ends."""
    for _ in range(2):
        await resolve(service, "k-slow")
    with pytest.raises(RateLimitedError) as refused:
        await resolve(service, "k-slow")

    assert refused.value.metadata == {
        "limit": "2 requests a minute",
        "retry_after_seconds": "23.000",
    }


async def test_rate_of_tokens_is_of_what_calls_use(
    service: ResolverService, clock: Clock
) -> None:
    """What is set aside and not used comes back; what is used does not."""
    plan = await resolve(service, "k-brief", requirements=tokens(900))
    used = Attempt(1, "a/m", Outcome.SUCCEEDED, usage=Usage(100, 50))
    await report(service, plan, used)
    assert plan.reservation is not None
    assert plan.reservation.tokens == 900
    plan = await resolve(service, "k-brief", requirements=tokens(840))
    last = await resolve(service, "k-brief", requirements=tokens(500))
    with pytest.raises(RateLimitedError):
        await resolve(service, "k-brief", requirements=tokens(1))
    clock.advance(23)
    await report(service, plan, used)
    await report(service, last, used)
    await resolve(service, "k-brief", requirements=tokens(999))


def tokens(many: int) -> Requirements:
    return Requirements(output_tokens=many)


async def test_refusal_by_a_budget_takes_nothing_of_a_rate(
    admission: Admission, clock: Clock
) -> None:
    """All quotas let a request in, or none."""
    file = FILE.replace(
        "id: slow, key: k-slow,", 'id: slow, key: k-slow, budget: {monthly_usd: "0"},'
    )
    service = resolver(parse(file).settings, admission=admission, clock=clock)
    for _ in range(5):
        with pytest.raises(BudgetExhaustedError):
            await resolve(service, "k-slow")

    service = resolver(parse(FILE).settings, admission=admission, clock=clock)
    await resolve(service, "k-slow")


async def test_who_waits_and_goes_away_leaves_nothing_set_aside(
    service: ResolverService,
) -> None:
    """Whether it is let in before it has gone, or not."""
    first = await resolve(service, "k-poor", cents=2)
    waiting = [
        asyncio.create_task(resolve(service, "k-poor", cents=1.9)) for _ in range(2)
    ]
    await asyncio.sleep(0)
    await report(service, first, costing(0))
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    async def nothing_is_set_aside() -> bool:
        stands = await standing(service, "k-poor")
        return stands["acme/web/poor"].reserved_usd_nanos == 0

    await in_time(nothing_is_set_aside)
    await resolve(service, "k-poor", cents=2)


async def test_plan_that_nobody_carries_out_is_let_go(
    service: ResolverService, admission: Admission, clock: Clock
) -> None:
    """Once it has expired, and what it was to be let go of by then too."""
    await resolve(service, "k-poor", cents=2)
    clock.advance(120 + 600 + 15)
    admission.accounts.tidy(clock.now())

    assert await resolve(service, "k-poor", cents=2)


async def test_budgets_are_told_to_whom_they_concern(service: ResolverService) -> None:
    """A key learns of those that hold for it, an admin of all of its organization."""
    await report(service, await resolve(service, "k-rich"), costing(499))

    async def nothing_is_set_aside() -> bool:
        return (await standing(service))["acme"].reserved_usd_nanos == 0

    await in_time(nothing_is_set_aside)
    own, all_of_them = await standing(service), await standing(service, "k-boss")

    assert own.keys() == {"acme", "acme/web"}
    assert all_of_them.keys() == {"acme", "acme/web", "acme/web/poor"}
    assert await standing(service, "k-free") == {}
    assert own["acme/web"].warns
    assert not own["acme"].warns
    assert own["acme"].left_usd_nanos == 501 * CENT
    assert own["acme"].reset_s == 1_701_388_800
    assert all_of_them["acme/web/poor"].budget.denies_when_unreachable
    with pytest.raises(ApiKeyUnknownError):
        await standing(service, "nobody's")


async def test_internal_callers_spend_of_their_projects_budget(
    service: ResolverService,
) -> None:
    """They show no key: the project's budget and its organization's hold."""
    request = ResolveModelRequest(
        Caller("acme", "web"), "m", requirements=Requirements(output_tokens=1)
    )
    plan = KEYS.verify(await service.resolve_model(request))

    assert plan.reservation is not None
    assert plan.reservation.budgets == ("acme", "acme/web")


async def test_deleted_budget_holds_nobody_and_what_is_under_way_ends(
    admission: Admission, clock: Clock
) -> None:
    """What it was charged before is still charged to it."""
    service = resolver(parse(FILE).settings, admission=admission, clock=clock)
    plan = await resolve(service, "k-poor", cents=2)
    without = FILE.replace('budget: {monthly_usd: "0.02", when_unreachable: deny}', "")
    service = resolver(parse(without).settings, admission=admission, clock=clock)
    await resolve(service, "k-poor", cents=9)
    await report(service, plan, costing(3))
    service = resolver(parse(FILE).settings, admission=admission, clock=clock)

    with pytest.raises(BudgetExhaustedError):
        await resolve(service, "k-poor")


async def test_what_is_over_is_forgotten(clock: Clock) -> None:
    """Minutes after some more, months after one more."""
    shared = MemoryTallies()
    async with running(MemoryTallyStore(shared), clock.now) as replica:
        service = resolver(
            parse(FILE).settings, admission=replica.admission, clock=clock
        )
        await report(service, await resolve(service, "k-slow"), costing(1))
        await until(lambda: len(shared.tallies) == 3)
        clock.advance(75 * 86_400)
        await until(lambda: not [n for n in shared.tallies if "usd" in n], within_s=20)

        def nothing_is_remembered() -> bool:
            replica.admission.accounts.tidy(clock.now())
            return not len(replica.admission.accounts)

        await until(nothing_is_remembered)


@pytest.mark.parametrize(
    ("at_s", "name", "ends_s"),
    [
        (1_704_067_199.9, "2023-12", 1_704_067_200),
        (1_704_067_200.0, "2024-01", 1_706_745_600),
        (1_709_164_800.0, "2024-02", 1_709_251_200),
    ],
)
def test_months_are_the_calendars_in_utc(at_s: float, name: str, ends_s: int) -> None:
    """They end where the next one begins."""
    assert month(at_s) == Period(name, ends_s)


def test_minutes_begin_with_those_of_the_clock() -> None:
    """All of the fleet's at once."""
    assert minute(1_704_067_199.9) == Period("2023-12-31T23:59", 1_704_067_200)


CHEAP = step(deployment("a/m", pricing=Pricing(1_000_000, 1_000_000, 0, 1_000_000)))
DEAR = step(
    deployment("b/m", pricing=Pricing(3_000_000, 15_000_000, 300_000, 3_750_000))
)
SHORT = step(
    deployment(
        "c/m",
        pricing=Pricing(3_000_000, 15_000_000, 0, 3_000_000),
        max_output_tokens=100,
    )
)
UNPRICED = step(deployment("d/m"))


@pytest.mark.parametrize(
    ("steps", "wanted", "nanos"),
    [
        ([CHEAP], Requirements(input_tokens=1_000, output_tokens=500), 1_500_000),
        (
            [CHEAP, DEAR],
            Requirements(input_tokens=1_000, output_tokens=500),
            11_250_000,
        ),
        ([SHORT], Requirements(output_tokens=500), 1_500_000),
        ([SHORT], Requirements(), 1_500_000),
        ([DEAR], Requirements(), USUAL_OUTPUT_TOKENS * 15_000),
        ([CHEAP], Requirements(output_tokens=500, choice_count=3), 1_500_000),
        ([UNPRICED], Requirements(1_000, 500), 0),
        (
            [CHEAP],
            Requirements(frozenset({Capability.EMBEDDINGS}), input_tokens=10),
            10_000,
        ),
    ],
)
def test_what_is_set_aside_is_what_the_dearest_step_may_cost(
    steps, wanted: Requirements, nanos: int
) -> None:
    """Its input as if all were written to the cache, and its output as asked for."""
    assert dearest_usd_nanos(steps, wanted) == nanos


def test_tokens_that_a_call_may_take_are_those_of_its_longest_answer() -> None:
    """And of the input, as it is estimated."""
    wanted = Requirements(input_tokens=7, output_tokens=500)

    assert most_tokens([SHORT], wanted) == 107
    assert most_tokens([SHORT, CHEAP], wanted) == 507
