"""What is told of requests: in lists, one by one, and to whom."""

import pytest

from fakes.ledger import ADMIN, OTHER, SHOP, WEB, A, B, Call, principal, refused, told
from fakes.ledger_rows import rows
from fakes.plans import deployment
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.api.ledger.v1 import trace_pb2
from holdfast.api.routing.v1 import attempt_pb2, plan_pb2
from holdfast.errors import (
    AdminKeyRequiredError,
    ApiKeyUnknownError,
    ModelNotFoundError,
    RequestMalformedError,
    ResourceNotFoundError,
)
from holdfast.model import (
    Caller,
    Exclusion,
    ExclusionReason,
    GuardrailResult,
    Outcome,
    SessionAffinity,
)


async def listed(ledger, who=WEB, **asked):
    paging = {
        name: asked.pop(name)
        for name in ("page_size", "page_token", "skip")
        if name in asked
    }
    return await ledger.list_traces(
        pb.ListTracesRequest(
            principal=principal(who), filter=pb.TraceFilter(**asked), **paging
        )
    )


async def models(ledger, who=WEB, **asked):
    return [
        each.requested_model for each in (await listed(ledger, who, **asked)).requests
    ]


async def traced(ledger, trace_id, who=WEB):
    request = pb.GetTraceRequest(principal=principal(who), trace_id=trace_id)
    return (await ledger.get_trace(request)).requests


async def test_a_request_that_has_just_ended_is_listed(ledger, journal, clock):
    """What waits to be written is written before somebody reads."""
    told(clock, Call(cost=2_500, saving=700)).tell(journal)

    (found,) = (await listed(ledger)).requests

    assert found.caller.project_id == "web"
    assert found.served_by == trace_pb2.Place(
        deployment_id="a/m-eu",
        model_id="m",
        provider_id="a",
        geography="eu",
        region="eu-1",
    )
    assert found.state == trace_pb2.TRACE_STATE_SUCCEEDED
    assert (found.cost_usd_nanos, found.cache_saving_usd_nanos) == (2_500, 700)
    assert found.usage.input_tokens == 1_000
    assert found.usage.cache_read_input_tokens == 600
    assert not found.fell_back
    assert found.total_duration.ToMilliseconds() == 1_000
    assert found.first_token_duration.ToMilliseconds() == 150


async def test_the_newest_comes_first(ledger, journal, clock):
    """Requests are listed in the order of their plans, the last one first."""
    for name in ("one", "two", "three"):
        told(clock, model=name).tell(journal)
        clock.advance(1)

    assert await models(ledger) == ["three", "two", "one"]


async def test_pages_hold_what_was_there_though_more_arrive(ledger, journal, clock):
    """Nobody who pages sees a request twice, or misses one that was there."""
    for number in range(7):
        told(clock, model=str(number)).tell(journal)
        clock.advance(1)
    seen = []
    token = ""

    while True:
        page = await listed(ledger, page_size=3, page_token=token)
        seen += [each.requested_model for each in page.requests]
        assert page.total_size >= 7
        token = page.next_page_token
        if not token:
            break
        clock.advance(1)
        told(clock, model="new").tell(journal)

    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


async def test_the_last_page_says_so(ledger, journal, clock):
    """A page that is exactly full and the last one has no token."""
    for _ in range(2):
        told(clock).tell(journal)

    page = await listed(ledger, page_size=2)

    assert len(page.requests) == 2
    assert page.next_page_token == ""
    assert page.total_size == 2


async def test_rows_can_be_skipped(ledger, journal, clock):
    """Clients that count rows are served too."""
    for name in ("one", "two", "three"):
        told(clock, model=name).tell(journal)
        clock.advance(1)

    page = await listed(ledger, skip=1, page_size=1)

    assert [each.requested_model for each in page.requests] == ["two"]
    assert page.total_size == 3


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "named"},
        {"requested_model": "named"},
        {"deployment_id": "b/m-eu"},
        {"provider_id": "b"},
        {"outcome": attempt_pb2.ATTEMPT_OUTCOME_RATE_LIMITED},
        {"fell_back": True},
        {"session_id": "s-1"},
        {"tags": {"team": "search", "env": "prod"}},
        {"api_key_id": "web-2"},
    ],
    ids=str,
)
async def test_a_filter_leaves_the_others_out(ledger, journal, clock, asked):
    """Each filter finds the one request that it is about."""
    told(clock, model="plain", session="s-2", tags={"team": "search"}).tell(journal)
    told(
        clock,
        Call(A, Outcome.RATE_LIMITED, cost=0, usage=None),
        Call(B),
        model="named",
        session="s-1",
        tags={"team": "search", "env": "prod"},
        caller=Caller("acme", "web", "web-2"),
    ).tell(journal)

    assert await models(ledger, **asked) == ["named"]


async def test_requests_without_an_answer_are_found(ledger, journal, clock):
    """By their state, and by the reason."""
    told(clock, model="well").tell(journal)
    told(
        clock,
        Call(outcome=Outcome.SERVER_ERROR),
        model="ill",
        error="ALL_ATTEMPTS_FAILED",
    ).tell(journal)

    assert await models(ledger, state=trace_pb2.TRACE_STATE_FAILED) == ["ill"]
    assert await models(ledger, state=trace_pb2.TRACE_STATE_SUCCEEDED) == ["well"]
    assert await models(ledger, error_reason="ALL_ATTEMPTS_FAILED") == ["ill"]


async def test_a_span_of_time_has_its_beginning_and_not_its_end(ledger, journal, clock):
    """Requests are found by when they were taken."""
    asked = pb.TraceFilter()
    for name in ("before", "first", "last", "after"):
        if name == "first":
            asked.start_time.FromMilliseconds(clock.now_ms())
        if name == "after":
            asked.end_time.FromMilliseconds(clock.now_ms())
        told(clock, model=name).tell(journal)
        clock.advance(3_600)

    found = await models(ledger, start_time=asked.start_time, end_time=asked.end_time)

    assert found == ["last", "first"]


async def test_a_refused_request_is_there_with_its_reason(ledger, journal):
    """Who names no model sees why, as he was told."""
    refused(journal, ModelNotFoundError("There is no model 'x'.", model="x"), model="x")

    (found,) = (await listed(ledger)).requests

    assert found.state == trace_pb2.TRACE_STATE_FAILED
    assert found.error_reason == "MODEL_NOT_FOUND"
    assert found.error_message == "There is no model 'x'."
    assert found.attempt_count == 0
    assert found.tags == {"team": "x"}


async def test_a_key_sees_its_project(ledger, journal, clock):
    """Nothing of another project or organization is listed or found."""
    told(clock, model="web").tell(journal)
    told(clock, model="shop", caller=SHOP, trace_id="a" * 32).tell(journal)
    told(clock, model="lab", caller=OTHER, trace_id="b" * 32).tell(journal)

    assert await models(ledger, WEB) == ["web"]
    assert await models(ledger, SHOP) == ["shop"]
    assert await models(ledger, OTHER) == ["lab"]
    with pytest.raises(ResourceNotFoundError):
        await traced(ledger, "a" * 32, WEB)
    with pytest.raises(ResourceNotFoundError):
        await models(ledger, WEB, project_id="shop")
    with pytest.raises(ResourceNotFoundError):
        await models(ledger, WEB, organization_id="umbrella")


async def test_an_administrator_sees_the_organization_and_those_it_made(
    ledger, journal, clock
):
    """All of their projects, or the one that is named; and no other organization."""
    told(clock, model="web").tell(journal)
    clock.advance(1)
    told(clock, model="shop", caller=SHOP).tell(journal)
    clock.advance(1)
    told(clock, model="child", caller=Caller("acme-labs", "lab", "k")).tell(journal)
    told(clock, model="lab", caller=OTHER).tell(journal)

    assert await models(ledger, ADMIN) == ["child", "shop", "web"]
    assert await models(ledger, ADMIN, project_id="shop") == ["shop"]
    assert await models(ledger, ADMIN, organization_id="acme-labs") == ["child"]
    with pytest.raises(ResourceNotFoundError):
        await models(ledger, ADMIN, organization_id="umbrella")


async def test_an_administrator_finds_a_session_of_any_project(ledger, journal, clock):
    """A session's name is its project's; all of them are looked into."""
    told(clock, model="web", session="s").tell(journal)
    told(clock, model="shop", session="s", caller=SHOP).tell(journal)

    assert sorted(await models(ledger, ADMIN, session_id="s")) == ["shop", "web"]


async def test_who_is_nobody_sees_nothing(ledger):
    """A key that is unknown is refused."""
    request = pb.ListTracesRequest(
        principal=caller_pb2.Principal(api_key_digest=b"x" * 32)
    )

    with pytest.raises(ApiKeyUnknownError):
        await ledger.list_traces(request)


async def test_a_trace_has_all_that_is_known(ledger, journal, clock):
    """Attempts with what they used, the plan and what it left out, the session."""
    excluded = Exclusion(
        deployment("d/m-us"), ExclusionReason.POLICY, "project web policy: not in [eu]"
    )
    told(clock, session="s", affinity=SessionAffinity.NEW).tell(journal)
    clock.advance(60)
    second = told(
        clock,
        Call(A, Outcome.RATE_LIMITED, cost=0, usage=None, error="rate_limit_exceeded"),
        Call(B, cost=2_000),
        session="s",
        affinity=SessionAffinity.MOVED,
        exclusions=[excluded],
        guardrail_results=(
            GuardrailResult("cards", "input", "redact", 2, ("credit_card",)),
        ),
    )
    second.tell(journal)

    (found,) = await traced(ledger, second.plan.trace_id)

    first, last = found.attempts
    assert first.attempt.outcome == attempt_pb2.ATTEMPT_OUTCOME_RATE_LIMITED
    assert first.attempt.error_message == "rate_limit_exceeded"
    assert first.attempt.step_reason == plan_pb2.STEP_REASON_HASHED
    assert last.place.deployment_id == "b/m-eu"
    assert last.attempt.cost_usd_nanos == 2_000
    assert found.fell_back
    assert [step.deployment_id for step in found.steps] == [
        "a/m-eu",
        "b/m-eu",
        "c/m-eu",
    ]
    assert found.exclusions[0].rule == "project web policy: not in [eu]"
    assert found.exclusions[0].reason == plan_pb2.EXCLUSION_REASON_POLICY
    assert found.guardrail_results[0].matched == ["credit_card"]
    assert [
        (turn.deployment_id, turn.session_affinity) for turn in found.session_history
    ] == [
        ("a/m-eu", plan_pb2.SESSION_AFFINITY_NEW),
        ("b/m-eu", plan_pb2.SESSION_AFFINITY_MOVED),
    ]


async def test_plans_that_left_out_the_same_share_the_list(
    ledger, journal, clock, store
):
    """The list is there once, and each trace has it."""
    excluded = [
        Exclusion(deployment(f"p{n}/m-us"), ExclusionReason.NO_CREDENTIAL, "none")
        for n in range(30)
    ]
    traces = [told(clock, exclusions=excluded) for _ in range(3)]
    for each in traces:
        each.tell(journal)

    found = [(await traced(ledger, each.plan.trace_id))[0] for each in traces]

    assert [len(each.exclusions) for each in found] == [30, 30, 30]
    assert await rows(store, "ledger_exclusions") == 1


async def test_several_requests_of_one_trace_are_told_together(ledger, journal, clock):
    """A caller's own trace may hold several calls, oldest first."""
    for name in ("first", "second"):
        told(clock, model=name, trace_id="c" * 32).tell(journal)
        clock.advance(1)

    found = await traced(ledger, "c" * 32)

    assert [each.requested_model for each in found] == ["first", "second"]


async def test_a_request_that_runs_is_found_by_its_trace(ledger, journal, clock):
    """It has its plan and the attempts that have ended."""
    running = told(clock, Call(A, Outcome.SERVER_ERROR, cost=10), Call(B))
    journal.planned(running.plan, ())
    journal.attempted(*running.attempts[0])

    (found,) = await traced(ledger, running.plan.trace_id)

    assert found.state == trace_pb2.TRACE_STATE_RUNNING
    assert not found.HasField("total_duration")
    assert len(found.attempts) == 1
    assert found.cost_usd_nanos == 10
    assert await models(ledger) == []


@pytest.mark.parametrize("trace_id", ["", "{begun:08x}" + "5" * 24])
async def test_a_request_that_has_run_for_long_is_found(
    ledger, journal, clock, trace_id
):
    """By a trace id of ours, which says when it began; by another one for a while."""
    begun = clock.now_ms() // 1_000
    running = told(clock, trace_id=trace_id.format(begun=begun))
    journal.planned(running.plan, ())
    clock.advance(3_600 if trace_id else 600)

    (found,) = await traced(ledger, running.plan.trace_id)

    assert found.state == trace_pb2.TRACE_STATE_RUNNING


async def test_what_is_told_twice_is_there_once(ledger, journal, clock, store):
    """A report that is sent again changes nothing."""
    once = told(clock, tags={"team": "search"})
    once.tell(journal)
    await journal.flush()
    once.tell(journal)
    once.tell(journal)

    (found,) = (await listed(ledger)).requests

    assert found.cost_usd_nanos == 1_000
    assert await rows(store, "ledger_attempts") == 1


async def test_the_parts_of_a_request_may_come_from_two_replicas(
    ledger, journal, clock, store
):
    """Who made the plan need not hear how it ended."""
    request = told(clock, Call(A, Outcome.TIMED_OUT), Call(B))
    report, attempt, called = request.attempts[1]
    journal.attempted(report, attempt, called)
    journal.finished(*request.finished)
    await journal.flush()
    report, attempt, called = request.attempts[0]
    journal.attempted(report, attempt, called)
    journal.planned(request.plan, ())

    (found,) = await traced(ledger, request.plan.trace_id)

    assert [each.attempt.ordinal for each in found.attempts] == [1, 2]
    assert len(found.steps) == 3
    assert found.fell_back


async def test_odd_names_survive_as_they_are(ledger, journal, clock):
    """Markup, quotes, other scripts and control characters are data."""
    odd = "<script>alert('x')</script> \"; DROP TABLE ledger_plans; -- \u202e ﷽ \n \x1b"
    told(clock, model=odd, tags={"<b>": odd}).tell(journal)

    (found,) = (await listed(ledger, tags={"<b>": odd}, requested_model=odd)).requests

    assert found.requested_model == odd
    assert found.tags["<b>"] == odd


async def test_what_no_database_takes_is_replaced(ledger, journal, clock):
    """NUL and half characters become a replacement character, and are bounded."""
    told(clock, model="a\0b\ud800" + "x" * 10_000).tell(journal)

    (name,) = await models(ledger)

    assert name.startswith("a\N{REPLACEMENT CHARACTER}b?x")
    assert len(name) == 500


async def test_content_is_told_where_it_is_kept(ledger, journal, clock):
    """And nowhere else."""
    kept = told(clock, content=(b'{"hello": 1}', b"data: {}\n\n"), content_days=3)
    kept.tell(journal)
    unkept = told(clock, content=(b"secret", b"answer"))
    unkept.tell(journal)

    (found,) = await traced(ledger, kept.plan.trace_id)
    (other,) = await traced(ledger, unkept.plan.trace_id)

    assert found.content.request == b'{"hello": 1}'
    assert found.content.response == b"data: {}\n\n"
    assert found.content.expire_time.ToMilliseconds() == clock.now_ms() + 3 * 86_400_000
    assert not other.HasField("content")


async def test_an_administrator_deletes_a_trace(ledger, journal, clock, store):
    """All of it, content and metadata; nobody else may."""
    gone = told(clock, tags={"a": "b"}, content=(b"q", b"a"), content_days=1)
    gone.tell(journal)
    told(clock, model="stays").tell(journal)
    request = pb.DeleteTraceRequest(trace_id=gone.plan.trace_id)

    request.principal.CopyFrom(principal(WEB))
    with pytest.raises(AdminKeyRequiredError):
        await ledger.delete_trace(request)
    request.principal.CopyFrom(principal(Caller("umbrella", "lab", "boss")))
    with pytest.raises(ResourceNotFoundError):
        await ledger.delete_trace(request)
    request.principal.CopyFrom(principal(ADMIN))
    deleted = await ledger.delete_trace(request)

    assert deleted.deleted_count == 1
    with pytest.raises(ResourceNotFoundError):
        await traced(ledger, gone.plan.trace_id)
    assert await models(ledger) == ["stays"]
    for table in ("requests", "attempts", "plans"):
        assert await rows(store, f"ledger_{table}") == 1
    for table in ("tags", "contents"):
        assert await rows(store, f"ledger_{table}") == 0


async def test_a_name_that_no_database_holds_is_no_fault_of_ours(ledger):
    """It finds nothing, or is refused as what it is."""
    try:
        found = await models(ledger, model="a\0b")
    except RequestMalformedError:
        found = []

    assert found == []


@pytest.mark.parametrize("trace_id", ["", "x", "z" * 32, "A" * 32])
async def test_what_is_no_trace_id_is_no_trace(ledger, trace_id):
    """To look at, and to delete."""
    with pytest.raises(ResourceNotFoundError):
        await traced(ledger, trace_id)
    with pytest.raises(ResourceNotFoundError):
        await ledger.delete_trace(
            pb.DeleteTraceRequest(principal=principal(ADMIN), trace_id=trace_id)
        )


async def test_a_page_that_was_never_given_is_refused(ledger):
    """The error names the field."""
    with pytest.raises(RequestMalformedError) as refusal:
        await listed(ledger, page_token="x' OR 1=1")

    assert refusal.value.metadata["field"] == "page_token"
