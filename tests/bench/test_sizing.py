"""A size follows from what was measured, and says where the design ends."""

from dataclasses import replace
from typing import Any

import pytest
from bench.measured import Measured
from bench.sizing.limits import limits
from bench.sizing.model import Demand, Size, request_us, size
from bench.sizing.report import document

_SERVICES = ("edge", "resolver", "executor")
_MB = 2**20

ROUND = Measured(
    {
        "machine": {"date": "-", "processor": "-", "cores": 1, "python": "-"},
        "cpu_us": {
            scenario: {**dict.fromkeys(_SERVICES, us), "etcd": 0.0}
            for scenario, us in {
                "small": 100.0,
                "burst": 130.0,
                "sessions": 100.0,
                "paced": 2_100.0,
                "body": 300.0,
                "fallback": 150.0,
            }.items()
        },
        "idle_cores": dict.fromkeys(_SERVICES, 0.0),
        "memory": {
            "deployments": 1_000,
            "shipped_mb": dict.fromkeys(_SERVICES, 60.0),
            "stream_kb": {"edge": 32.0, "resolver": 0.0, "executor": 32.0},
            "deployment_kb": {"edge": 0.0, "resolver": 1.0, "executor": 0.0},
        },
        "bindings": [
            {
                "bindings": many,
                "written_a_second": 10_000.0,
                "etcd_mb": 30.0 + many * 1_000 / _MB,
                "etcd_file_mb": many * 150 / _MB,
                "resolver_mb": 60.0 + many * 100 / _MB,
                "resolver_peak_mb": 60.0 + many * 150 / _MB,
                "serves_s": 1.0,
                "mirror_before_mb": 40.0,
                "mirror_read_s": many * 10e-6,
                "mirror_read_stall_s": 0.0,
                "mirror_read_mb": 40.0 + many * 100 / _MB,
                "mirror_again_peak_mb": 40.0 + many * 200 / _MB,
                "mirror_event_us": 5.0,
                "mirror_event_bytes": 100.0,
            }
            for many in (0.0, 1_000_000.0)
        ],
        "writes": [
            {
                "what": "the first turn of a session",
                "calls": 2_000,
                "seconds": 2.0,
                "puts": 2_000.0,
                "etcd_cpu_s": 0.1,
            },
            {
                "what": "a request under a budget and a rate, without a session",
                "calls": 2_000,
                "seconds": 2.0,
                "puts": 20.0,
            },
        ],
        "history": {"etcd_b": 500.0, "etcd_file_b": 100.0},
        "ledger": {
            "postgres": {"bytes": 1_000.0, "log_bytes": 2_000.0, "writing_us": 30.0}
        },
    }
)
"""Round numbers, so that what follows can be reckoned by hand."""

PLAIN = Demand(
    requests_s=1_000,
    streamed=0.0,
    body_kb=0.0,
    failing=0.0,
    in_sessions=0.0,
    sessions=3_000_000,
    quotas=0.0,
    edits_s=0.0,
    deployments=1_000,
    attempts=1.0,
    busy=0.5,
    spare=0.0,
)


def _size(**changes: Any) -> Size:
    return size(replace(PLAIN, **changes), ROUND)


def test_cores_are_requests_times_their_cost() -> None:
    """Ten thousand requests of 100 us are a core, and 0.5 of each is used."""
    executor = _size(requests_s=10_000).services["executor"]

    assert executor.cores == pytest.approx(1.0)
    assert executor.replicas == 3
    assert _size(requests_s=40_000).services["executor"].replicas == 8


def test_stream_costs_by_its_events() -> None:
    """An event is what a stream of a hundred costs more than none, by a hundred."""
    demand = replace(PLAIN, streamed=1.0, stream_s=10.0, events_s=20.0)

    assert ROUND.event_us("edge") == 20.0
    assert request_us(demand, ROUND, "edge") == 100 + 200 * 20.0


def test_body_and_failures_cost_beside() -> None:
    """A KiB of body and a first attempt that fails are added."""
    demand = replace(PLAIN, body_kb=10.0, failing=0.5)

    assert request_us(demand, ROUND, "edge") == pytest.approx(100 + 10 + 25)


def test_memory_is_of_streams_and_bindings() -> None:
    """Edge and executor hold streams; every resolver holds every binding."""
    found = _size(requests_s=100, streamed=1.0, stream_s=96.0, events_s=0.0)

    assert found.services["edge"].streams == 3_200
    assert found.services["edge"].memory_mb == 60 + 100
    assert found.services["resolver"].memory_mb == pytest.approx(60 + 3e8 / _MB)


def test_more_deployments_are_the_resolvers() -> None:
    """Only the resolver keeps the catalog."""
    few, many = _size(sessions=1), _size(sessions=1, deployments=2_024)

    grown = {
        name: many.services[name].memory_mb - few.services[name].memory_mb
        for name in _SERVICES
    }
    assert grown == pytest.approx({"edge": 0.0, "resolver": 1.0, "executor": 0.0})


def test_session_writes_at_its_beginning_and_each_half_life() -> None:
    """Twenty minutes of use and half an hour's life: 1.3 times again, at most."""
    store = _size(session_s=1_200.0, ttl_s=1_800.0).store

    assert store.first_turns_s == 1_000
    assert store.renewals_s == pytest.approx(1_333.33, rel=1e-4)
    assert store.expiries_s == store.first_turns_s
    assert store.events_s == pytest.approx(2_333.33 + 1_000, rel=1e-4)


def test_session_that_ends_soon_is_written_once() -> None:
    """One that is over before half of its binding's life renews nothing."""
    assert _size(session_s=600.0, ttl_s=1_800.0).store.renewals_s == 0.0


def test_writes_go_out_together() -> None:
    """The more come, the more go into one transaction, sixty at the most."""
    calm, busy = _size(sessions=3_000), _size(sessions=30_000_000)

    assert calm.store.entries_s > 0.9 * calm.store.puts_s
    assert busy.store.entries_s == pytest.approx(busy.store.puts_s / 60)


def test_quota_is_written_by_every_resolver() -> None:
    """Five times a second by each, however many requests there are."""
    found = _size(quotas=10.0)

    assert found.services["resolver"].replicas == 3
    assert found.store.quotas_s == 10 * 3 * 5.0


def test_quota_that_is_seldom_used_is_seldom_written() -> None:
    """Of a request it is written twice at most, and without one not at all."""
    found = _size(quotas=1_000.0, requests_s=300)

    assert found.store.quotas_s == pytest.approx(600)


def test_all_that_is_written_is_told_to_every_resolver() -> None:
    """So more resolvers are sent more, though none of them follows more."""
    few, many = _size(), _size(least=30.0)

    assert many.store.events_s == few.store.events_s
    assert many.store.sent_mb_s == pytest.approx(10 * few.store.sent_mb_s)


def test_limits_are_where_the_numbers_say() -> None:
    """A resolver's GiB, less what it is without sessions, over what each takes."""
    found = {each.what: each for each in limits(PLAIN, _size(), ROUND)}

    memory = found["memory of a resolver, 1 GiB"]
    assert memory.at == pytest.approx((1_024 - 60) * _MB / 200)
    assert memory.has == 3_000_000
    assert found["a resolver's start, 30 s of reading"].at == pytest.approx(3_000_000)


def test_document_is_what_was_measured_last() -> None:
    """docs/sizing.md is the model's answer for the numbers kept with the source."""
    from bench.sizing import report  # noqa: PLC0415 - beside what it is compared with

    written = report.DOCUMENT.read_text(encoding="utf-8")
    assert written == document(Demand(), Measured.read())
