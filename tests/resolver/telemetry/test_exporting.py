"""Spans that are sent: what becomes of them while the collector is there or away."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from fakes.clock import Clock
from fakes.ledger import told
from fakes.patience import until
from holdfast_resolver.telemetry.exporting import MOST_WAITING, Exporting, is_wanted


class SenderInMemory:
    """Keeps what it is handed, unless it is away.

    Attributes:
        batches: What was taken, in order.
        threads: Where it was called.
    """

    def __init__(self) -> None:
        self.batches: list[Sequence[Any]] = []
        self.threads: set[int] = set()
        self.tries = 0
        self.is_away = False
        self.is_closed = False

    def send(self, notes: Sequence[Any]) -> bool:
        self.tries += 1
        self.threads.add(threading.get_ident())
        if not self.is_away:
            self.batches.append(notes)
        return not self.is_away

    def close(self) -> None:
        self.is_closed = True

    @property
    def taken(self) -> int:
        return sum(map(len, self.batches))


@pytest.fixture
def sender() -> SenderInMemory:
    return SenderInMemory()


@pytest.fixture
def exporting(sender: SenderInMemory) -> Exporting:
    return Exporting(lambda: sender, period_s=0.01)


async def test_spans_are_sent_in_batches_off_the_event_loop(exporting, sender):
    """A span for the request and one for each attempt."""
    async with exporting.running():
        for _ in range(600):
            told(Clock()).tell(exporting)
        await until(lambda: exporting.waiting == 0)

    assert sender.taken == 1_200
    assert len(sender.batches) == 3
    assert threading.get_ident() not in sender.threads
    assert sender.is_closed
    assert exporting.counts.sent == 1_200


async def test_nothing_is_lost_while_the_collector_is_away(exporting, sender):
    """It waits, and goes once each when the collector is back."""
    sender.is_away = True
    async with exporting.running():
        told(Clock()).tell(exporting)
        await until(lambda: sender.tries > 2)
        sender.is_away = False
        await until(lambda: exporting.waiting == 0)

    assert sender.taken == 2
    assert exporting.counts.lost == 0


async def test_beyond_the_bound_new_spans_are_lost_and_counted(exporting, sender):
    """Memory stays as it is."""
    for _ in range(MOST_WAITING // 2 + 5):
        told(Clock()).tell(exporting)

    assert exporting.waiting == MOST_WAITING
    assert exporting.counts.lost == 10


async def test_what_waits_at_the_end_is_sent(sender):
    """Who stops loses nothing while the collector is there."""
    exporting = Exporting(lambda: sender, period_s=1_000)
    async with exporting.running():
        told(Clock()).tell(exporting)
        await asyncio.sleep(0)

    assert sender.taken == 2


async def test_nobody_connects_while_there_is_nothing_to_send():
    """What sending needs is loaded with the first span."""
    connected = []
    exporting = Exporting(lambda: connected.append(1), period_s=0.001)
    async with exporting.running():
        await asyncio.sleep(0.05)

    assert connected == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "x", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_environment_says_whether_spans_are_sent(environ, expected):
    """By OpenTelemetry's own variables."""
    assert is_wanted(environ) is expected
