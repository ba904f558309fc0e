"""The past over HTTP: what is asked of the ledger, and how its answers are written."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from fakes.services import AnsweringExecutor
from holdfast.api.common.v1 import caller_pb2
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.api.ledger.v1 import trace_pb2
from holdfast.api.resolver.v1 import resolver_service_pb2 as resolver_pb
from holdfast.api.routing.v1 import attempt_pb2, plan_pb2
from holdfast.errors import (
    AdminKeyRequiredError,
    DeadlineExceededError,
    ResourceNotFoundError,
    ServiceUnavailableError,
)
from holdfast.spans import attempt_span_id, request_span_id

from .conftest import Edge, Serve

TRACE_ID = "ab" * 16
PLAN_ID = "cd" * 16
AT = Timestamp(seconds=1_747_300_000, nanos=250_000_000)
SERVED = trace_pb2.Place(
    deployment_id="b/m-eu", model_id="m", provider_id="b", geography="eu", region="r"
)


def ms(count: int) -> Duration:
    return Duration(seconds=count // 1_000, nanos=count % 1_000 * 1_000_000)


def request(**more: Any) -> trace_pb2.TracedRequest:
    told: dict[str, Any] = {
        "plan_id": PLAN_ID,
        "trace_id": TRACE_ID,
        "caller": caller_pb2.Caller(
            organization_id="acme", project_id="web", api_key_id="web-1"
        ),
        "requested_model": "m",
        "surface": "chat_completions",
        "state": trace_pb2.TRACE_STATE_SUCCEEDED,
        "start_time": AT,
        "total_duration": ms(1_500),
        "served_by": SERVED,
        "attempt_count": 1,
        "usage": attempt_pb2.Usage(input_tokens=100, output_tokens=20),
        "cost_usd_nanos": 2_100_000,
        "cache_saving_usd_nanos": -5,
        "tags": {"team": "search"},
    }
    return trace_pb2.TracedRequest(**{**told, **more})


def attempt(ordinal: int, outcome: Any, **more: Any) -> trace_pb2.TracedAttempt:
    return trace_pb2.TracedAttempt(
        attempt=attempt_pb2.Attempt(
            ordinal=ordinal,
            deployment_id="b/m-eu",
            outcome=outcome,
            start_time=AT,
            total_duration=ms(300),
            step_reason=plan_pb2.STEP_REASON_HASHED,
            **more,
        ),
        place=SERVED,
    )


@pytest.fixture
async def edge(serve: Serve) -> Edge:
    return await serve(AnsweringExecutor())


def answers(edge: Edge, answer: Any) -> None:
    edge.ledger.answers[type(answer)] = answer


async def test_a_list_is_a_page_with_a_cursor(edge: Edge) -> None:
    """Rows below `data`, and what asks for the next page."""
    answers(
        edge,
        pb.ListTracesResponse(
            requests=[request()], next_page_token=PLAN_ID, total_size=7
        ),
    )

    listed = (await edge.http.get("/v2/traces")).json()

    assert listed["meta"] == {"total_count": 7, "next_cursor": PLAN_ID}
    (row,) = listed["data"]
    assert row["id"] == TRACE_ID
    assert row["status"] == "ok"
    assert row["start_time"] == "2025-05-15T09:06:40.250Z"
    assert row["end_time"] == "2025-05-15T09:06:41.750Z"
    assert row["duration_ms"] == 1_500
    assert row["deployment"] == "b/m-eu"
    assert row["cost"] == "0.0021"
    assert row["saving"] == "-0.000000005"
    assert row["total_tokens"] == 120
    assert row["tags"] == {"team": "search"}


async def test_every_filter_is_asked_for(edge: Edge) -> None:
    """Under its name, and with who asks."""
    await edge.http.get(
        "/v2/traces",
        params={
            "model": "m",
            "name": "n",
            "deployment": "d",
            "provider": "p",
            "outcome": "rate-limited",
            "status": "error",
            "error": "all_attempts_failed",
            "session": "s",
            "tag": ["team:search", "env: a:b "],
            "key": "k",
            "project": "web",
            "organization": "acme",
            "from": "2025-05-01",
            "to": "2025-05-02T10:00:00+02:00",
            "fallback": "true",
            "cursor": PLAN_ID,
            "limit": "7",
            "offset": "3",
        },
    )

    (asked,) = edge.ledger.asked
    wanted = asked.filter
    assert (asked.page_size, asked.page_token, asked.skip) == (7, PLAN_ID, 3)
    assert len(asked.principal.api_key_digest) == 32
    assert (wanted.model, wanted.requested_model) == ("m", "n")
    assert (wanted.deployment_id, wanted.provider_id) == ("d", "p")
    assert wanted.outcome == attempt_pb2.ATTEMPT_OUTCOME_RATE_LIMITED
    assert wanted.state == trace_pb2.TRACE_STATE_FAILED
    assert wanted.error_reason == "ALL_ATTEMPTS_FAILED"
    assert (wanted.session_id, wanted.api_key_id) == ("s", "k")
    assert wanted.tags == {"team": "search", "env": "a:b"}
    assert (wanted.organization_id, wanted.project_id) == ("acme", "web")
    assert wanted.start_time.ToJsonString() == "2025-05-01T00:00:00Z"
    assert wanted.end_time.ToJsonString() == "2025-05-02T08:00:00Z"
    assert wanted.fell_back


async def test_a_trace_is_spans(edge: Edge) -> None:
    """The request's below the caller's own, and one below it for each attempt."""
    failed = attempt(
        1,
        attempt_pb2.ATTEMPT_OUTCOME_SERVER_ERROR,
        http_status=503,
        error_message="overloaded_error",
    )
    served = attempt(
        2,
        attempt_pb2.ATTEMPT_OUTCOME_SUCCEEDED,
        http_status=200,
        first_token_duration=ms(90),
        usage=attempt_pb2.Usage(input_tokens=100, output_tokens=20),
        cost_usd_nanos=2_100_000,
    )
    answers(
        edge,
        pb.GetTraceResponse(
            requests=[
                request(
                    parent_span_id="12" * 8,
                    attempts=[failed, served],
                    session_key="5" * 24,
                    session_affinity=plan_pb2.SESSION_AFFINITY_MOVED,
                    bound_deployment_id="a/m-eu",
                    session_history=[
                        trace_pb2.Turn(
                            trace_id="0" * 32, plan_id="1", deployment_id="a/m-eu"
                        ),
                        trace_pb2.Turn(plan_id=PLAN_ID, deployment_id="b/m-eu"),
                    ],
                    steps=[
                        trace_pb2.TracedStep(
                            deployment_id="b/m-eu", reason=plan_pb2.STEP_REASON_HASHED
                        ),
                        trace_pb2.TracedStep(
                            deployment_id="c/m-eu",
                            reason=plan_pb2.STEP_REASON_LAST_RESORT,
                            cooldown=ms(2_500),
                        ),
                    ],
                    exclusions=[
                        trace_pb2.TracedExclusion(
                            deployment_id="d/m-us",
                            reason=plan_pb2.EXCLUSION_REASON_POLICY,
                            rule="project web policy",
                        )
                    ],
                    guardrail_results=[
                        resolver_pb.GuardrailResult(
                            guardrail="cards",
                            stage="input",
                            action="redact",
                            match_count=2,
                            matched=["credit_card"],
                        )
                    ],
                    content=trace_pb2.Content(
                        request=b"\xff<b>", response=b"hello", expire_time=AT
                    ),
                )
            ]
        ),
    )

    trace = (await edge.http.get(f"/v2/traces/{TRACE_ID.upper()}")).json()

    root, first, second = trace["spans"]
    assert edge.ledger.asked[0].trace_id == TRACE_ID
    assert trace["span_count"] == 3
    assert (trace["input"], trace["output"]) == (
        "\N{REPLACEMENT CHARACTER}<b>",
        "hello",
    )
    assert root["id"] == request_span_id(PLAN_ID)
    assert root["parent_id"] == "12" * 8
    assert root["meta"]["model"] == "b/m-eu"
    assert root["meta"]["plan"]["steps"] == [
        {
            "place": 1,
            "deployment": "b/m-eu",
            "reason": "hashed",
            "cooldown_seconds": None,
            "attempted": True,
        },
        {
            "place": 2,
            "deployment": "c/m-eu",
            "reason": "last-resort",
            "cooldown_seconds": 2.5,
            "attempted": False,
        },
    ]
    assert root["meta"]["plan"]["exclusions"][0]["rule"] == "project web policy"
    history = root["meta"]["session"]["history"]
    assert [(turn["moved"], turn["this"]) for turn in history] == [
        (False, False),
        (True, True),
    ]
    assert trace["events"][0]["kind"] == "guardrail"
    assert first["id"] == attempt_span_id(PLAN_ID, 1)
    assert first["parent_id"] == second["parent_id"] == root["id"]
    assert (first["status"], first["error"]) == ("error", "overloaded_error")
    assert first["meta"]["error_class"] == "server-error"
    assert first["meta"]["sticky"] == "moved"
    assert second["meta"]["ttft_ms"] == 90
    assert second["meta"]["cost"] == "0.0021"
    assert second["meta"]["error_class"] is None


async def test_the_third_version_wraps_a_trace(edge: Edge) -> None:
    """What is a trace there is below `data`."""
    answers(edge, pb.GetTraceResponse(requests=[request()]))

    trace = (await edge.http.get(f"/v3/traces/{TRACE_ID}")).json()

    assert trace["data"]["id"] == TRACE_ID


async def test_a_request_that_runs_has_no_end(edge: Edge) -> None:
    """Nor has its trace."""
    running = request(state=trace_pb2.TRACE_STATE_RUNNING)
    running.ClearField("total_duration")
    answers(edge, pb.GetTraceResponse(requests=[request(), running]))

    trace = (await edge.http.get(f"/v2/traces/{TRACE_ID}")).json()

    assert trace["status"] == "running"
    assert trace["end_time"] is None
    assert trace["duration_ms"] is None


async def test_a_deleted_trace_leaves_nothing_to_say(edge: Edge) -> None:
    """204."""
    answer = await edge.http.delete(f"/v2/traces/{TRACE_ID}")

    assert answer.status_code == 204
    assert answer.content == b""


async def test_usage_is_flat_rows(edge: Edge) -> None:
    """Groups under the names that were asked for, money as text."""
    row = pb.UsageRow(
        start_time=Timestamp(seconds=1_747_267_200),
        group=["web", "", "x"],
        request_count=3,
        cost_usd_nanos=16_000,
        usage=attempt_pb2.Usage(input_tokens=90, output_tokens=2),
    )
    answers(edge, pb.QueryUsageResponse(rows=[row]))

    rows = await edge.http.get(
        "/v2/analytics/usage?group_by=project.name,customer&group_by=tag.model"
        "&fields=total_tokens&fields=failures,saving&granularity=month"
    )

    (asked,) = edge.ledger.asked
    assert list(asked.group_by) == ["project", "tag:customer", "tag:model"]
    assert asked.granularity == pb.GRANULARITY_MONTH
    assert rows.json() == [
        {
            "time_bucket": "2025-05-15T00:00:00Z",
            "project.name": "web",
            "customer": None,
            "tag.model": "x",
            "cost": "0.000016",
            "count": 3,
            "total_tokens": 92,
            "failures": 0,
            "saving": "0",
        }
    ]


async def test_usage_is_that_of_the_present_month_by_day(edge: Edge) -> None:
    """Unless something else is asked for."""
    await edge.http.get("/v2/analytics/usage")

    (asked,) = edge.ledger.asked
    start, end = asked.start_time.ToDatetime(), asked.end_time.ToDatetime()
    assert asked.granularity == pb.GRANULARITY_DAY
    assert (start.day, start.hour, start.minute) == (1, 0, 0)
    assert (end.day, end.hour) == (1, 0)
    assert 28 <= (end - start).days <= 31


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServiceUnavailableError("away", service="ledger"), 503),
        (DeadlineExceededError("long"), 504),
        (ResourceNotFoundError("none", kind="trace", name="x"), 404),
        (AdminKeyRequiredError("no"), 403),
    ],
)
@pytest.mark.parametrize(
    "path", ["/v2/traces", f"/v2/traces/{TRACE_ID}", "/v2/analytics/usage"]
)
async def test_what_the_ledger_refuses_is_told(edge, path, error, status) -> None:
    """With the status that goes with it."""
    edge.ledger.error = error

    answer = await edge.http.get(path)

    assert answer.status_code == status
    assert answer.json()["error"]["message"] == error.message


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("offset=10001", "offset"),
        ("from=2025-13-01", "from_date"),
        ("from_date=2025-05-01&from=2025-05-02", "from_date"),
        ("from=0001-01-01T00:00:00%2B14:00", "from_date"),
        ("status=running", "status"),
        ("tag=:x", "tag"),
        ("cursor=%00", "cursor"),
        (f"model={'x' * 2000}", "model"),
        ("model=a&model=b", "model"),
        ("x=1", "x"),
        ("model=a%00b", "model"),
        ("&".join(["tag=a:b"] * 1_001), "query"),
    ],
)
async def test_a_bad_parameter_is_named(edge: Edge, query: str, field: str) -> None:
    """And the ledger is not asked."""
    answer = await edge.http.get(f"/v2/traces?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field
    assert edge.ledger.asked == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("granularity=week", "granularity"),
        ("fields=cost,colour", "fields"),
        ("group_by=time_bucket", "group_by"),
        ("group_by=count", "group_by"),
        ("group_by=" + ",".join("abcdefghi"), "group_by"),
        ("group_by=model,model.name", "group_by"),
        (f"group_by={'x' * 65}", "group_by"),
        ("to_date=2001-01-01", "from_date"),
        ("from_date=2990-01-01", "from_date"),
    ],
)
async def test_a_bad_parameter_of_usage_is_named(
    edge: Edge, query: str, field: str
) -> None:
    """And the ledger is not asked."""
    answer = await edge.http.get(f"/v2/analytics/usage?{query}")

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == field
    assert edge.ledger.asked == []


@pytest.mark.parametrize(
    "moment", ["2025-05-15T00:00:00+02:00", "2025-05-15T00:00:00 02:00"]
)
async def test_a_plus_sign_that_was_not_escaped_is_understood(
    edge: Edge, moment: str
) -> None:
    """In a query it has become a space."""
    await edge.http.get("/v2/traces", params={"from": moment})

    assert (
        edge.ledger.asked[0].filter.start_time.ToJsonString() == "2025-05-14T22:00:00Z"
    )


async def test_nobody_is_told_without_a_key(edge: Edge) -> None:
    """401."""
    answer = await edge.http.get("/v2/traces", headers={"authorization": ""})

    assert answer.status_code == 401
