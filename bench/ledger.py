"""`python -m bench.ledger [URL]`: what writing a request down costs in CPU.

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
from datetime import timedelta
from pathlib import Path

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
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        noted, written = asyncio.run(_measured(asked.url, Path(folder), asked.requests))
    print(f"noting:  {noted:5.1f} us of CPU a request, on its path")
    print(f"writing: {written:5.1f} us of CPU a request, off it")
    return 0


async def _measured(
    url: str | None, folder: Path, requests: int
) -> tuple[float, float]:
    """Return microseconds of CPU for noting one request, and for writing it."""
    settings = LedgerSettings(None if url is None else Secret(text=url))
    store = store_of(settings, folder)
    if store is None:
        raise ValueError("name a database")
    journal = Journal(store, _now_ms)
    places = [_place(number) for number in range(8)]
    noting = writing = 0.0
    await journal.flush()
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
    return noting * 1e6 / requests, writing * 1e6 / requests


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
