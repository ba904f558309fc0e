"""What a caller did can be looked at later: traces, usage and money."""

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from opperai import Opper

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

ADMIN = "hf-boss"
OTHER = "hf-other"
PRICES = {"input": "3.00", "output": "15.00", "cache_read": "0.30"}
SYSTEM = {"role": "system", "content": "You are terse. " * 50}


def place(provider: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{provider}/m-eu",
        "provider": provider,
        "geography": "eu",
        "pricing": PRICES,
        "capabilities": ["prompt_caching"],
        **more,
    }


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway of three projects, of which one keeps what was said."""
    config = configuration(
        shared_sim,
        {
            "m": [place("a"), place("b")],
            "flaky": [
                place("c", id="c/flaky", weight=1000),
                place("d", id="d/flaky", weight=0.001),
            ],
            "broken": [place("e", id="e/broken")],
        },
        organizations=[
            {
                "id": "acme",
                "projects": [
                    {
                        "id": "web",
                        "budget": {"monthly_usd": "1000"},
                        "keys": [
                            {"id": "web-1", "key": KEY},
                            {"id": "boss", "key": ADMIN, "admin": True},
                        ],
                    },
                    {
                        "id": "kept",
                        "retention": {"content_days": 1},
                        "keys": [{"id": "kept-1", "key": "hf-kept"}],
                    },
                ],
            },
            {
                "id": "umbrella",
                "projects": [{"id": "lab", "keys": [{"id": "lab-1", "key": OTHER}]}],
            },
        ],
    )
    with Gateway(
        config, tmp_path_factory.mktemp("gateway"), separate=separate
    ) as running:
        yield running


def chat(gateway: Gateway, model: str = "m", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
    return gateway.http.post("/v1/chat/completions", json=body, headers=headers)


def get(gateway: Gateway, path: str, key: str = KEY, **query: Any) -> Any:
    answer = gateway.http.get(path, params=query, headers={"x-api-key": key})
    assert answer.status_code == 200, answer.text
    return answer.json()


def traced(gateway: Gateway, answer: httpx.Response, key: str = KEY) -> Any:
    return get(gateway, f"/v2/traces/{answer.headers['x-holdfast-trace-id']}", key)


def test_a_request_that_has_just_ended_is_there(gateway: Gateway) -> None:
    """By its trace id and at the top of the list, with who served it and its price."""
    answer = chat(gateway, headers={"x-holdfast-tags": "team:search"})

    trace = traced(gateway, answer)
    first = get(gateway, "/v2/traces")["data"][0]

    request, attempt = trace["spans"]
    assert trace["status"] == "ok"
    assert request["type"] == "request"
    assert request["meta"]["model"] == answer.headers["x-holdfast-deployment"]
    assert attempt["parent_id"] == request["id"]
    assert attempt["meta"]["deployment_id"] == answer.headers["x-holdfast-deployment"]
    assert attempt["meta"]["http_status"] == 200
    assert trace["cost"] == answer.headers["x-holdfast-cost-usd"]
    assert trace["total_tokens"] == answer.json()["usage"]["total_tokens"]
    assert first["id"] == trace["id"]
    assert first["tags"] == {"team": "search"}
    assert trace["input"] is None


def test_a_fallback_is_seen_as_it_happened(
    gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """An attempt a span: who failed and how, who answered, and why in that order."""
    shared_sim.fail("c", "503", times=1)
    answer = chat(gateway, "flaky", stream=True)

    trace = traced(gateway, answer)

    request, *attempts = trace["spans"]
    failed, served = sorted(attempts, key=lambda span: span["meta"]["attempt"])
    assert failed["meta"]["outcome"] == "server-error"
    assert failed["status"] == "error"
    assert served["meta"]["deployment_id"] == "d/flaky"
    assert served["meta"]["ttft_ms"] is not None
    assert request["meta"]["fallback"] is True
    assert [step["deployment"] for step in request["meta"]["plan"]["steps"]] == [
        "c/flaky",
        "d/flaky",
    ]
    assert request["meta"]["plan"]["steps"][0]["reason"] == "rotated"
    assert [
        each["id"] for each in get(gateway, "/v2/traces", fallback="true")["data"]
    ] == [trace["id"]]


def test_a_request_that_nobody_answered_says_so(
    gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """With the error that its caller got, and in the list of those that failed."""
    shared_sim.fail("e", "500", times=1)
    answer = chat(gateway, "broken")

    trace = traced(gateway, answer)
    failed = get(gateway, "/v2/traces", status="error", model="broken")["data"]

    assert answer.status_code >= 500
    assert trace["status"] == "error"
    assert trace["spans"][0]["error"] == "all_attempts_failed"
    assert trace["spans"][0]["meta"]["model"] is None
    assert [each["id"] for each in failed] == [trace["id"]]
    assert [failed[0][name] for name in ("requested_model", "model")] == [
        "broken",
        None,
    ]


def test_a_refused_request_is_there_too(gateway: Gateway) -> None:
    """With what its caller was told."""
    answer = chat(gateway, "no-such-model")

    trace = traced(gateway, answer)

    assert answer.status_code == 404
    assert trace["spans"][0]["meta"]["error"] == "model_not_found"
    assert "no-such-model" in trace["spans"][0]["error"]


def test_a_session_shows_where_it_moved(
    gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """Each turn with who served it."""
    session = {"x-holdfast-session": "moving"}
    turns = [chat(gateway, headers=session)]
    home = turns[0].headers["x-holdfast-provider"]
    shared_sim.fail(home, "503", times=1)
    turns += [chat(gateway, headers=session) for _ in range(2)]

    trace = traced(gateway, turns[1])

    history = trace["spans"][0]["meta"]["session"]["history"]
    assert len(history) >= 2
    assert [turn["moved"] for turn in history[:2]] == [False, True]
    assert history[0]["trace_id"] == turns[0].headers["x-holdfast-trace-id"]
    found = get(gateway, "/v2/traces", session="moving")["data"]
    assert {each["id"] for each in found} == {
        turn.headers["x-holdfast-trace-id"] for turn in turns
    }


def test_a_callers_own_trace_is_joined(gateway: Gateway) -> None:
    """Under its id, below its span."""
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    chat(gateway, headers={"traceparent": f"00-{trace_id}-{span_id}-01"})

    trace = get(gateway, f"/v2/traces/{trace_id}")

    assert trace["spans"][0]["parent_id"] == span_id


def test_what_was_said_is_shown_where_it_is_kept(gateway: Gateway) -> None:
    """To those who may see the project, and until it expires."""
    answer = chat(gateway, headers={"x-api-key": "hf-kept"})

    trace = traced(gateway, answer, "hf-kept")

    assert json.loads(trace["input"])["messages"][0]["content"] == "Hello"
    assert json.loads(trace["output"]) == answer.json()


def test_nobody_sees_what_is_anothers(gateway: Gateway) -> None:
    """Another project's trace is not there; an administrator sees the organization."""
    answer = chat(gateway)
    path = f"/v2/traces/{answer.headers['x-holdfast-trace-id']}"

    foreign = gateway.http.get(path, headers={"x-api-key": OTHER})
    unknown = gateway.http.get(path, headers={"x-api-key": "nobody"})
    own = gateway.http.get(path, headers={"x-api-key": ADMIN})

    assert (foreign.status_code, unknown.status_code, own.status_code) == (
        404,
        401,
        200,
    )
    assert get(gateway, "/v2/traces", OTHER)["data"] == []


def test_an_administrator_deletes_a_trace(gateway: Gateway) -> None:
    """Then it is gone; others may not."""
    answer = chat(gateway)
    path = f"/v2/traces/{answer.headers['x-holdfast-trace-id']}"
    traced(gateway, answer)

    refused = gateway.http.delete(path)
    deleted = gateway.http.delete(path, headers={"x-api-key": ADMIN})
    gone = gateway.http.get(path, headers={"x-api-key": ADMIN})

    assert (refused.status_code, deleted.status_code, gone.status_code) == (
        403,
        204,
        404,
    )


def test_usage_is_what_providers_served(
    gateway: Gateway, shared_sim: SimulatedProviders
) -> None:
    """Tokens and money by provider, against the providers' own books."""
    before = {name: shared_sim.tally(name) for name in "ab"}
    before = {
        name: (t.input_tokens, t.cached_tokens, t.output_tokens)
        for name, t in before.items()
    }
    used = {row["provider"]: row for row in usage(gateway, group_by="provider")}
    for number in range(12):
        chat(
            gateway,
            messages=[SYSTEM, {"role": "user", "content": f"Question {number % 4}"}],
            stream=number % 2 == 0,
            headers={"x-holdfast-session": f"s{number % 3}"},
        )

    after = {row["provider"]: row for row in usage(gateway, group_by="provider")}

    for name in "ab":
        tally = shared_sim.tally(name)
        new = [
            now - then
            for now, then in zip(
                (tally.input_tokens, tally.cached_tokens, tally.output_tokens),
                before[name],
                strict=True,
            )
        ]
        was = used.get(name, {})
        figures = ("input_tokens", "cached_tokens", "output_tokens")
        assert [after[name][f] - was.get(f, 0) for f in figures] == new
        fresh, cached, written = new[0] - new[1], new[1], new[2]
        cost = (fresh * Decimal(3) + cached * Decimal("0.3") + written * 15) / 1_000_000
        saving = cached * Decimal("2.7") / 1_000_000
        assert Decimal(after[name]["cost"]) - Decimal(was.get("cost", "0")) == cost
        assert (
            Decimal(after[name]["saving"]) - Decimal(was.get("saving", "0")) == saving
        )


def test_what_the_ledger_adds_up_is_what_the_budget_has_counted(
    gateway: Gateway,
) -> None:
    """To the nanodollar, once all calls have been settled."""
    chat(gateway)

    def differ() -> tuple[Decimal, Decimal]:
        (row,) = get(
            gateway, "/v2/analytics/usage", ADMIN, granularity="month", project="web"
        )
        listed = get(gateway, "/v2/budgets", ADMIN)["data"]
        (budget,) = [each for each in listed if each["project"] == "web"]
        return Decimal(row["cost"]), Decimal(budget["this_month"]["spent_usd"])

    ends = time.monotonic() + 10
    while len(set(found := differ())) > 1 and time.monotonic() < ends:
        time.sleep(0.1)

    assert found[0] == found[1] > 0


def usage(gateway: Gateway, **query: Any) -> list[dict[str, Any]]:
    query = {
        "granularity": "all",
        "fields": "input_tokens,cached_tokens,output_tokens,saving,attempts",
        **query,
    }
    rows: list[dict[str, Any]] = get(gateway, "/v2/analytics/usage", **query)
    return rows


def test_usage_is_told_apart_by_tags_and_time(gateway: Gateway) -> None:
    """Rows are flat, and what has no such tag is null."""
    chat(gateway, headers={"x-holdfast-tags": "customer:initech,team:x"})

    rows = get(
        gateway,
        "/v2/analytics/usage",
        granularity="hour",
        fields=["total_tokens", "failures"],
        group_by=["customer", "project.name"],
    )

    (tagged,) = [row for row in rows if row["customer"] == "initech"]
    assert tagged["project.name"] == "web"
    assert tagged["count"] == 1
    assert tagged["total_tokens"] > 0
    assert tagged["failures"] == 0
    assert tagged["time_bucket"].endswith(":00:00Z")
    assert isinstance(tagged["cost"], str)
    assert any(row["customer"] is None for row in rows)


def test_the_published_sdk_reads_traces_and_usage(gateway: Gateway) -> None:
    """With nothing changed but its address."""
    answer = chat(gateway)
    client = Opper(http_bearer=KEY, server_url=f"{gateway.base_url}/v2")

    listed = client.traces.list(limit=5)
    trace = client.traces.get(trace_id=answer.headers["x-holdfast-trace-id"])
    rows = client.analytics.get_usage(
        group_by=["model"], fields=["total_tokens"], granularity="day"
    )

    assert listed.data[0].id == trace.id
    assert listed.meta.total_count >= 5
    assert trace.spans[0].data.model == answer.headers["x-holdfast-deployment"]
    assert any(Decimal(row.cost) > 0 for row in rows)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v2/traces?modle=m", "modle"),
        ("/v2/traces?from=yesterday", "from_date"),
        ("/v2/traces?from=2025-01-02&to=2025-01-01", "to_date"),
        ("/v2/traces?outcome=fine", "outcome"),
        ("/v2/traces?cursor=../..", "cursor"),
        ("/v2/traces?tag=a", "tag"),
        ("/v2/traces?limit=many", "limit"),
        ("/v2/traces?fallback=maybe", "fallback"),
        ("/v2/analytics/usage?granularity=decade", "granularity"),
        ("/v2/analytics/usage?fields=colour", "fields"),
        ("/v2/analytics/usage?group_by=cost", "group_by"),
        ("/v2/analytics/usage?group_by=project,project.name", "group_by"),
    ],
)
def test_a_question_that_makes_no_sense_names_the_field(
    gateway: Gateway, path: str, field: str
) -> None:
    """400, and which parameter it is."""
    answer = gateway.http.get(path)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == field


def test_a_ledger_survives_a_restart(sim: SimulatedProviders, tmp_path: Path) -> None:
    """What was written is there when the gateway is back."""
    config = configuration(sim, {"m": [{"id": "a/m", "provider": "a"}]})
    with Gateway(config, tmp_path) as gateway:
        answer = chat(gateway)
    again = Gateway(config, tmp_path)

    with again:
        trace = traced(again, answer)

    assert trace["spans"][1]["meta"]["deployment_id"] == "a/m"


def test_a_ledger_that_is_switched_off_says_so(
    sim: SimulatedProviders, tmp_path: Path
) -> None:
    """Calls are served; questions are not, and nothing is written."""
    config = configuration(sim, {"m": [{"id": "a/m", "provider": "a"}]}, ledger="none")
    with Gateway(config, tmp_path) as gateway:
        answer = chat(gateway)
        asked = gateway.http.get("/v2/traces")

    assert answer.status_code == 200
    assert asked.status_code == 503
    assert not list(tmp_path.glob("**/ledger.db*"))


def test_a_ledger_that_cannot_be_opened_costs_no_call(
    sim: SimulatedProviders, tmp_path: Path
) -> None:
    """Calls are served, the metric says what waits, and questions say why not."""
    (tmp_path / "file").write_text("")
    config = configuration(
        sim,
        {"m": [{"id": "a/m", "provider": "a"}]},
        ledger=f"sqlite:///{tmp_path}/file/ledger.db",
    )
    with Gateway(config, tmp_path) as gateway:
        answer = chat(gateway)
        asked = gateway.http.get("/v2/traces")
        waiting = metric(gateway, "holdfast_ledger_waiting_notes")

    assert answer.status_code == 200
    assert asked.status_code == 503
    assert waiting == 3


def metric(gateway: Gateway, name: str) -> float:
    ends = time.monotonic() + 10
    while True:
        text = gateway.http.get("/metrics").text
        found = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        value = float(found[0].split()[1])
        if value or time.monotonic() > ends:
            return value
        time.sleep(0.05)
