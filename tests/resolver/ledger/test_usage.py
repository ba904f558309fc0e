"""Requests, tokens and money added up, over any time and by anything."""

import datetime as dt
import random

import pytest

from fakes.clock import Clock
from fakes.ledger import (
    ADMIN,
    OTHER,
    SHOP,
    WEB,
    A,
    B,
    C,
    Call,
    principal,
    refused,
    told,
)
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.errors import (
    ModelNotFoundError,
    RequestMalformedError,
    ResourceNotFoundError,
)
from holdfast.model import Caller, Outcome, Usage

MAY = 1_747_300_000_000


async def used(
    ledger, *by, who=WEB, granularity=0, start=0, end=4_000_000_000_000, **more
):
    request = pb.QueryUsageRequest(
        principal=principal(who), group_by=by, granularity=granularity, **more
    )
    request.start_time.FromMilliseconds(start)
    request.end_time.FromMilliseconds(end)
    return (await ledger.query_usage(request)).rows


async def costs(ledger, *by, **asked):
    found = await used(ledger, *by, **asked)
    return {tuple(row.group): row.cost_usd_nanos for row in found}


async def test_everything_is_added_up(ledger, journal, clock):
    """Tokens of each kind apart, failed attempts' too, and what caches saved."""
    told(
        clock,
        Call(A, Outcome.INTERRUPTED, cost=300, usage=Usage(10, 5, 2, 1, 1)),
        Call(B, cost=1_000, saving=40, usage=Usage(100, 50, 20, 10, 5)),
    ).tell(journal)
    told(clock, Call(A, Outcome.SERVER_ERROR, cost=0, usage=None), error="E").tell(
        journal
    )

    (row,) = await used(ledger)

    assert row.request_count == 2
    assert row.failure_count == 1
    assert row.fallback_count == 1
    assert row.attempt_count == 3
    assert row.failed_attempt_count == 2
    assert row.usage.input_tokens == 110
    assert row.usage.output_tokens == 55
    assert row.usage.cache_read_input_tokens == 22
    assert row.usage.cache_creation_input_tokens == 11
    assert row.usage.reasoning_output_tokens == 6
    assert row.cost_usd_nanos == 1_300
    assert row.cache_saving_usd_nanos == 40


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("model", {("m",): 6}),
        ("deployment", {("a/m-eu",): 1, ("b/m-eu",): 5}),
        ("provider", {("a",): 1, ("b",): 5}),
        ("geography", {("eu",): 6}),
        ("key", {("web-1",): 2, ("web-2",): 4}),
        ("project", {("web",): 6}),
        ("organization", {("acme",): 6}),
        ("surface", {("chat_completions",): 2, ("embeddings",): 4}),
        ("requested_model", {("alias",): 4, ("m",): 2}),
        ("tag:team", {("",): 2, ("search",): 4}),
    ],
)
async def test_money_is_told_apart_by_where_it_was_spent(
    ledger, journal, clock, by, expected
):
    """A failed attempt's cost is its deployment's, whoever answered."""
    told(clock, Call(A, Outcome.INTERRUPTED, cost=1), Call(B, cost=1)).tell(journal)
    told(
        clock,
        Call(B, cost=4),
        model="alias",
        surface="embeddings",
        caller=Caller("acme", "web", "web-2"),
        tags={"team": "search"},
    ).tell(journal)

    assert await costs(ledger, by) == expected


async def test_a_request_counts_where_it_was_served(ledger, journal, clock):
    """One that nobody served counts for the name that was asked for, if that is one."""
    told(clock, Call(A, Outcome.SERVER_ERROR), Call(B)).tell(journal)
    told(clock, Call(A, Outcome.SERVER_ERROR), model="lost", error="E").tell(journal)
    refused(journal, ModelNotFoundError("none", model="typo"), model="typo")

    by_deployment = {
        row.group[0]: row.request_count for row in await used(ledger, "deployment")
    }
    by_model = {row.group[0]: row.request_count for row in await used(ledger, "model")}

    assert by_deployment == {"": 2, "a/m-eu": 0, "b/m-eu": 1}
    assert by_model == {"lost": 1, "m": 1, "": 1}


async def test_two_dimensions_and_a_tag_go_together(ledger, journal, clock):
    """Groups come in the order that was asked for."""
    told(clock, Call(A, cost=1), tags={"team": "x"}).tell(journal)
    told(clock, Call(B, cost=2), tags={"team": "x"}).tell(journal)
    told(clock, Call(B, cost=4), tags={"team": "y", "env": "z"}).tell(journal)

    found = await costs(ledger, "tag:team", "provider")

    assert found == {("x", "a"): 1, ("x", "b"): 2, ("y", "b"): 4}


@pytest.mark.parametrize(
    ("granularity", "expected"),
    [
        (pb.GRANULARITY_MINUTE, ["2025-05-31T23:59", "2025-06-01T00:00"]),
        (pb.GRANULARITY_HOUR, ["2025-05-31T23:00", "2025-06-01T00:00"]),
        (pb.GRANULARITY_DAY, ["2025-05-31T00:00", "2025-06-01T00:00"]),
        (pb.GRANULARITY_MONTH, ["2025-05-01T00:00", "2025-06-01T00:00"]),
        (pb.GRANULARITY_YEAR, ["2025-01-01T00:00"]),
    ],
)
async def test_spans_of_time_are_those_of_the_calendar(
    ledger, journal, granularity, expected
):
    """In UTC; a month is as long as it is."""
    for moment in (
        dt.datetime(2025, 5, 31, 23, 59, 30, tzinfo=dt.UTC),
        dt.datetime(2025, 6, 1, 0, 0, 10, tzinfo=dt.UTC),
    ):
        at_ms = round(moment.timestamp() * 1_000)
        told(Clock(at_ms)).tell(journal)

    found = await used(ledger, granularity=granularity)

    assert [row.start_time.ToDatetime().isoformat()[:16] for row in found] == expected
    assert sum(row.cost_usd_nanos for row in found) == 2_000


async def test_an_attempt_belongs_to_the_month_it_began_in(ledger, journal):
    """Though its request began in the one before: as it does for budgets."""
    june = round(dt.datetime(2025, 6, 1, tzinfo=dt.UTC).timestamp() * 1_000)
    told(Clock(june - 1), Call(A, Outcome.TIMED_OUT, cost=7)).tell(journal)

    (row,) = await used(ledger, start=june, end=june + 86_400_000)

    assert row.cost_usd_nanos == 7
    assert row.request_count == 0


async def test_the_end_is_not_part_of_it(ledger, journal, clock):
    """What happens at the very end is the next span's."""
    told(clock).tell(journal)
    begun = clock.now_ms() + 1

    (before,) = await used(ledger, start=begun - 10, end=begun)
    (after,) = await used(ledger, start=begun, end=begun + 1)

    assert before.attempt_count == 0
    assert after.attempt_count == 1


async def test_a_session_is_added_up(ledger, journal, clock):
    """By the name that the caller gave it."""
    told(clock, Call(cost=1), session="s").tell(journal)
    told(clock, Call(cost=2), session="t").tell(journal)

    (row,) = await used(ledger, session_id="s")

    assert (row.request_count, row.cost_usd_nanos) == (1, 1)


async def test_nobody_sees_what_others_spend(ledger, journal, clock):
    """A key its project's, an administrator the organization's and its children's."""
    told(clock, Call(cost=1)).tell(journal)
    told(clock, Call(cost=2), caller=SHOP).tell(journal)
    told(clock, Call(cost=4), caller=Caller("acme-labs", "lab", "k")).tell(journal)
    told(clock, Call(cost=8), caller=OTHER).tell(journal)

    assert await costs(ledger) == {(): 1}
    assert await costs(ledger, who=ADMIN) == {(): 7}
    assert await costs(ledger, who=ADMIN, project_id="shop") == {(): 2}
    assert await costs(ledger, who=ADMIN, organization_id="acme-labs") == {(): 4}
    with pytest.raises(ResourceNotFoundError):
        await costs(ledger, organization_id="umbrella")


@pytest.mark.parametrize("name", ["colour", "tag:", "model_id", ""])
async def test_what_cannot_be_told_apart_is_refused(ledger, name):
    """The error names the field and says what can be."""
    with pytest.raises(RequestMalformedError, match="deployment") as refusal:
        await used(ledger, name)

    assert refusal.value.metadata["field"] == "group_by"


async def test_nothing_is_a_row_of_zeros(ledger):
    """For the whole time; no row where time is cut up."""
    (row,) = await used(ledger)

    assert row.request_count == 0
    assert await used(ledger, granularity=pb.GRANULARITY_DAY) == []


@pytest.mark.parametrize("seed", range(3))
async def test_sums_are_exact_however_they_are_told_apart(ledger, journal, seed):
    """Random requests: every grouping adds up to the same nanodollar."""
    chance = random.Random(seed)
    total = requests = 0
    for _ in range(300):
        clock = Clock(MAY + chance.randrange(40 * 86_400_000))
        calls = [
            Call(
                chance.choice((A, B, C)),
                chance.choice((Outcome.SUCCEEDED, Outcome.SERVER_ERROR)),
                cost=chance.choice((0, 1, chance.randrange(10**12))),
                saving=chance.randrange(-(10**6), 10**6),
            )
            for _ in range(chance.randrange(1, 4))
        ]
        total += sum(call.cost for call in calls)
        requests += 1
        tags = {"team": chance.choice("xyz")} if chance.random() < 0.5 else {}
        once = told(clock, *calls, tags=tags)
        once.tell(journal)
        if chance.random() < 0.3:
            once.tell(journal)

    for by in ((), ("deployment",), ("tag:team", "provider"), ("key", "surface")):
        for granularity in (0, pb.GRANULARITY_MINUTE, pb.GRANULARITY_MONTH):
            found = await used(ledger, *by, granularity=granularity)
            assert sum(row.cost_usd_nanos for row in found) == total
            assert sum(row.request_count for row in found) == requests


@pytest.mark.parametrize("seed", range(3))
async def test_sums_of_hours_are_those_of_their_rows(ledger, journal, seed):
    """Over any span of time: a tag that nobody has makes every row be looked at."""
    chance = random.Random(seed)
    for _ in range(300):
        clock = Clock(MAY + chance.randrange(3 * 86_400_000))
        calls = [
            Call(
                chance.choice((A, B)),
                chance.choice((Outcome.SUCCEEDED, Outcome.RATE_LIMITED)),
                cost=chance.randrange(10**9),
            )
            for _ in range(chance.randrange(1, 4))
        ]
        error = chance.choice(("", "", "ALL_ATTEMPTS_FAILED"))
        told(clock, *calls, error=error).tell(journal)
    if seed:
        refused(journal, ModelNotFoundError("none", model="typo"), model="typo")

    for _ in range(10):
        start = MAY + chance.randrange(-86_400_000, 3 * 86_400_000)
        end = start + chance.randrange(1, chance.choice((10**5, 10**7, 10**9)))
        for granularity in (0, pb.GRANULARITY_HOUR, pb.GRANULARITY_DAY):
            asked = {"start": start, "end": end, "granularity": granularity}
            by_hours = await used(ledger, "model", "deployment", **asked)
            by_rows = await used(ledger, "model", "deployment", "tag:none", **asked)

            assert [strip(row) for row in by_hours] == [strip(row) for row in by_rows]


def strip(row):
    return (
        row.start_time.seconds,
        tuple(row.group[:2]),
        row.request_count,
        row.failure_count,
        row.fallback_count,
        row.attempt_count,
        row.failed_attempt_count,
        row.cost_usd_nanos,
    )


async def test_what_was_spent_stays_though_its_trace_is_deleted(ledger, journal, clock):
    """As it does in budgets."""
    gone = told(clock, Call(cost=5), tags={"team": "x"})
    gone.tell(journal)
    await ledger.delete_trace(
        pb.DeleteTraceRequest(principal=principal(ADMIN), trace_id=gone.plan.trace_id)
    )
    hour = clock.now_ms() // 3_600_000 * 3_600_000

    found = await costs(ledger, "deployment", start=hour, end=hour + 3_600_000)

    assert found == {("a/m-eu",): 5}
