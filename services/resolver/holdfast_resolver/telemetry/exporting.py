"""Sends spans to an OpenTelemetry collector, where the environment names one.

A collector that is slow or away costs no request: spans wait, up to a bound, and
beyond it new ones are lost and counted.
"""

import asyncio
import contextlib
import importlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from itertools import islice
from typing import Protocol, TypeAlias

import structlog
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.errors import GatewayError
from holdfast.model import Attempt, Caller, Deployment, Exclusion, Plan
from holdfast.ports import AttemptReport, ResolveModelRequest

_log = structlog.get_logger("holdfast.telemetry")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Where a collector is, by OpenTelemetry's own names; one of them switches it on."""

MOST_WAITING = 20_000
"""Spans that wait at most: ten seconds of a thousand requests a second, 20 MB."""

_BATCH = 512
"""Spans of one call: as many as OpenTelemetry's own processor sends."""

_PERIOD_S = 1.0
"""How long a span waits for others to be sent with."""

_LAST_SEND_S = 3.0
"""What sending may take at the end."""


class Sender(Protocol):
    """Sends what was noted, as spans. Everything blocks."""

    def send(self, notes: "Sequence[Note]") -> bool:
        """Send, and say whether it was taken."""

    def close(self) -> None:
        """Give up what is being sent."""


@dataclass(frozen=True, slots=True)
class AttemptNote:
    """An attempt, of whose request nothing else need be known."""

    report: AttemptReport
    attempt: Attempt
    deployment: Deployment | None


@dataclass(frozen=True, slots=True)
class RequestNote:
    """A request that has ended; `report.finished` says how."""

    report: AttemptReport
    deployment: Deployment | None


@dataclass(frozen=True, slots=True)
class RefusalNote:
    """A request that got no plan."""

    plan_id: str
    request: ResolveModelRequest
    caller: Caller
    error: GatewayError


Note: TypeAlias = AttemptNote | RequestNote | RefusalNote


@dataclass(slots=True)
class Counts:
    """What has become of spans."""

    sent: int = 0
    lost: int = 0


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment names a collector, and does not switch it off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() != "otlp":
        return False
    return any(environ.get(name, "").strip() for name in ENDPOINTS)


def otlp() -> Sender:
    """Return what sends over OTLP, as the environment says. Takes a while."""
    # It says over and over, in words of its own, what is said here once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    module = importlib.import_module("holdfast_resolver.telemetry.spans")
    sender: Sender = module.OtlpSender()
    return sender


class Exporting:
    """A `Recorder` that has what it is told sent away."""

    def __init__(
        self,
        connect: Callable[[], Sender] = otlp,
        *,
        period_s: float = _PERIOD_S,
    ) -> None:
        """Prepare; `running` begins to send.

        Args:
            connect: Returns what sends. Called in a thread.
            period_s: How long a span waits for others to be sent with.
        """
        self._connect = connect
        self._period_s = period_s
        self._sender: Sender | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="telemetry")
        self._waiting: deque[Note] = deque()
        self._is_away = False
        self.counts = Counts()

    @property
    def waiting(self) -> int:
        """How many spans are not sent."""
        return len(self._waiting)

    def planned(self, plan: Plan, exclusions: Sequence[Exclusion]) -> None:
        """Wait for how it ends."""

    def refused(
        self,
        plan_id: str,
        request: ResolveModelRequest,
        caller: Caller,
        revision: str,
        error: GatewayError,
    ) -> None:
        """Note a request that got no plan."""
        self._note(RefusalNote(plan_id, request, caller, error))

    def attempted(
        self, report: AttemptReport, attempt: Attempt, deployment: Deployment | None
    ) -> None:
        """Note how an attempt ended."""
        self._note(AttemptNote(report, attempt, deployment))

    def finished(
        self, report: AttemptReport, deployment: Deployment | None, content_days: int
    ) -> None:
        """Note how a request ended."""
        self._note(RequestNote(report, deployment))

    @asynccontextmanager
    async def running(
        self, registry: CollectorRegistry = REGISTRY
    ) -> AsyncIterator[None]:
        """Send while the context lasts, and at its end what waits."""
        figures = _Figures(self)
        registry.register(figures)
        sending = asyncio.create_task(self._send_forever())
        try:
            yield
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SEND_S):
                    await self.flush()
            if self._sender is not None:
                self._sender.close()
            self._thread.shutdown(wait=False)
            registry.unregister(figures)

    async def flush(self) -> None:
        """Send all that waits, as long as somebody takes it."""
        loop = asyncio.get_running_loop()
        if self._waiting and self._sender is None:
            self._sender = await loop.run_in_executor(self._thread, self._connect)
        while self._waiting and self._sender is not None:
            batch = list(islice(self._waiting, _BATCH))
            is_taken = await loop.run_in_executor(
                self._thread, self._sender.send, batch
            )
            if is_taken == self._is_away:
                self._is_away = not is_taken
                event = "otel_collector_back" if is_taken else "otel_collector_away"
                _log.warning(event, waiting=len(self._waiting))
            if not is_taken:
                return
            for _ in batch:
                self._waiting.popleft()
            self.counts.sent += len(batch)

    def _note(self, note: Note) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.counts.lost += 1
        else:
            self._waiting.append(note)

    async def _send_forever(self) -> None:
        while True:
            await asyncio.sleep(self._period_s)
            try:
                await self.flush()
            except Exception:  # noqa: BLE001 - what is noted later is to be sent
                _log.exception("otel_export_failed")


class _Figures(Collector):
    def __init__(self, exporting: Exporting) -> None:
        self._exporting = exporting

    def collect(self) -> Iterable[Metric]:
        """Write down what has become of spans."""
        spans = CounterMetricFamily(
            "holdfast_otel_spans",
            "Spans, by what became of them.",
            labels=["result"],
        )
        counts = self._exporting.counts
        for each in fields(counts):
            spans.add_metric([each.name], getattr(counts, each.name))
        yield spans
        yield GaugeMetricFamily(
            "holdfast_otel_waiting_spans",
            "Spans that are not sent.",
            value=self._exporting.waiting,
        )
