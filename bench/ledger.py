"""`python -m bench.ledger [URL]`: what writing a request down costs.

Of a request with one attempt; its plan has four deployments and left out four more.
Without a URL: in a SQLite file of its own.
"""

import argparse
import asyncio
import gc
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from holdfast.model import (
    Attempt,
    Caller,
    Deployment,
    Exclusion,
    ExclusionReason,
    Finished,
    Outcome,
    Plan,
    PlanStep,
    SessionAffinity,
    StepReason,
    Usage,
)
from holdfast.ports import AttemptReport
from holdfast.settings import LedgerSettings, Secret
from holdfast_edge.boundary import random_trace_id
from holdfast_resolver.ledger.journal import Journal
from holdfast_resolver.ledger.opening import store_of
from holdfast_resolver.plan_ids import new_plan_id

_CALLER = Caller("acme", "web", "web-1")

_BATCH = 500
"""Requests between two writes: half a second of a busy gateway."""

Told = tuple[Plan, AttemptReport, Attempt]


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger")
    parser.add_argument("url", nargs="?", help="postgresql+asyncpg://USER@HOST/NAME")
    parser.add_argument("--requests", type=int, default=50_000)
    asked = parser.parse_args()
    costs = measured(asked.url, asked.requests)
    print(f"noting:  {costs.noting_us:5.1f} us of CPU a request, on its path")
    print(f"writing: {costs.writing_us:5.1f} us of CPU a request, off it")
    print(f"it takes {costs.bytes:5.0f} bytes on disk, its indexes among them")
    return 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What a request costs to be written down.

    Attributes:
        noting_us: Microseconds of the resolver's CPU, on the request's path.
        writing_us: The same off it.
        bytes: On disk, indexes among them.
        log_bytes: Of PostgreSQL's write-ahead log; zero of SQLite.
    """

    noting_us: float
    writing_us: float
    bytes: float
    log_bytes: float


def measured(url: str | None, requests: int) -> Costs:
    """Write so many requests down.

    Args:
        url: Of a PostgreSQL; None for SQLite in a file of its own.
        requests: How many.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return asyncio.run(_measured(url, Path(folder), requests))


async def _measured(url: str | None, folder: Path, requests: int) -> Costs:
    settings = LedgerSettings(None if url is None else Secret(text=url))
    store = store_of(settings, folder)
    if store is None:
        raise ValueError("name a database")
    journal = Journal(store, _now_ms)
    places = [_place(number) for number in range(8)]
    noting = writing = 0.0
    await journal.flush()
    before = await _sizes(url, folder)
    for _ in range(requests // _BATCH):
        told = list(_told(places))
        exclusions = [
            Exclusion(each, ExclusionReason.POLICY, f"project web: not {each.id}")
            for each in places[4:]
        ]
        gc.collect()
        begun = time.process_time()
        for plan, report, attempt in told:
            journal.planned(plan, exclusions)
            journal.attempted(report, attempt, places[0])
            journal.finished(report, places[0], 0)
        noted = time.process_time()
        await journal.flush()
        noting += noted - begun
        writing += time.process_time() - noted
    await journal.close()
    size, log = (
        (now - then) / requests
        for then, now in zip(before, await _sizes(url, folder), strict=True)
    )
    return Costs(noting * 1e6 / requests, writing * 1e6 / requests, size, log)


async def _sizes(url: str | None, folder: Path) -> tuple[int, int]:
    """Return the bytes of the database and of all that its log has had."""
    if url is None:
        files = folder.rglob("*.db")  # noqa: ASYNC240 - nobody else waits
        return sum(file.stat().st_size for file in files), 0
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        row = await connection.fetchrow(
            "SELECT pg_database_size(current_database()),"
            " pg_current_wal_lsn() - '0/0'::pg_lsn"
        )
        return int(row[0]), int(row[1])
    finally:
        await connection.close()


def _told(places: list[Deployment]) -> Iterator[Told]:
    """Make requests, each of a session of its own: the dearest to be written."""
    for _ in range(_BATCH):
        plan_id, trace_id = new_plan_id(_now_ms()), random_trace_id()
        session = secrets.token_hex(12)
        steps = tuple(PlanStep(each, StepReason.HASHED, "m") for each in places[:4])
        attempt = Attempt(
            1,
            places[0].id,
            Outcome.SUCCEEDED,
            200,
            start_time_ms=_now_ms(),
            duration=timedelta(seconds=0.4),
            first_token=timedelta(seconds=0.1),
            usage=Usage(1_000, 200, 600),
            cost_usd_nanos=4_380_000,
            credential="default",
            step_reason=StepReason.HASHED,
        )
        finished = Finished(
            trace_id,
            "m",
            "chat_completions",
            streamed=True,
            start_time_ms=_now_ms(),
            duration=timedelta(seconds=0.4),
            deployment_id=places[0].id,
            response_model="m",
            session_affinity=SessionAffinity.NEW,
            attempt_count=1,
        )
        yield (
            Plan(plan_id, "m", _CALLER, trace_id, steps, session_key=session),
            AttemptReport(
                _CALLER, plan_id, session, "", (), timedelta(60), finished=finished
            ),
            attempt,
        )


def _place(number: int) -> Deployment:
    return Deployment(
        id=f"provider-{number}/m-eu",
        model_id="m",
        provider_id=f"provider-{number}",
        provider_model="m",
        dialect="openai-chat",
        base_uri="http://provider.invalid/v1",
        geography="eu",
        region="eu-north-1",
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
