"""Runs a load: sends requests, times answers, and reads the CPU clocks around them."""

import contextlib
import select
import time
from collections import deque
from urllib.parse import urlsplit

from bench.load.connection import Connection, Progress
from bench.load.figures import Figures, Tally, percentiles
from bench.load.requests import requests
from bench.load.spec import LoadSpec
from bench.processes import Usage, cpu_s, machine_busy_s, usage

_LONGEST_WAIT_S = 0.05


class _Clocks:
    """The CPU clocks of everybody, read at one moment."""

    def __init__(self, spec: LoadSpec) -> None:
        pid = spec.gateway_pid
        self.gateway = usage(pid) if pid else Usage()
        self.upstream = cpu_s(spec.upstream_pid) if spec.upstream_pid else 0.0
        self.own = time.process_time()
        self.machine = machine_busy_s()
        self.at = time.perf_counter()


class Load:
    """One run of load, from start to figures."""

    def __init__(self, spec: LoadSpec) -> None:
        """Prepare.

        Args:
            spec: What to do.
        """
        self._spec = spec
        self._requests = requests(spec)
        self._epoll = select.epoll()
        at = urlsplit(spec.url)
        address = (at.hostname or "127.0.0.1", at.port or 80)
        self._connections = [
            Connection(address, is_stream=spec.stream) for _ in range(spec.connections)
        ]
        self._by_fd: dict[int, Connection] = {}
        self._idle: deque[Connection] = deque()
        self._unbegun: deque[Connection] = deque()
        self._overdue: deque[float] = deque()
        self._tally = Tally()
        self._sent = 0
        self._answered = 0
        self._is_counted = not spec.warm_up_s

    def run(self) -> Figures:
        """Do it."""
        spec = self._spec
        for connection in self._connections:
            self._connect(connection)
        if spec.rate:
            self._idle.extend(self._connections)
        else:
            self._unbegun.extend(self._connections)
        begun = due = now = time.perf_counter()
        before: _Clocks | None = None if spec.warm_up_s else _Clocks(spec)
        ends = begun + spec.warm_up_s + spec.duration_s
        while now < ends and not (before and self._is_done()):
            wait = _LONGEST_WAIT_S
            if spec.rate:
                due = self._send_due(due, now)
                wait = min(wait, max(0.0, due - now))
            elif self._unbegun:
                self._begin(now - begun)
                wait = spec.spread_s / spec.connections
            for fd, event in self._epoll.poll(wait):
                self._handle(self._by_fd[fd], event)
            now = time.perf_counter()
            if before is None and now >= begun + spec.warm_up_s:
                self._tally = Tally()
                self._sent = self._answered = 0
                self._is_counted = True
                before = _Clocks(spec)
                now = before.at
                ends = now + spec.duration_s
        after = _Clocks(spec)
        for connection in self._connections:
            connection.close()
        self._epoll.close()
        return self._figures(before or after, after)

    def _begin(self, elapsed_s: float) -> None:
        """Send the first request of the connections whose turn to begin has come."""
        spec = self._spec
        share = elapsed_s / spec.spread_s if spec.spread_s else 1.0
        later = spec.connections - int(share * spec.connections) - 1
        while self._unbegun and len(self._unbegun) > later:
            self._next(self._unbegun.popleft())

    def _is_done(self) -> bool:
        return 0 < self._spec.requests <= self._answered

    def _may_send(self) -> bool:
        """Say whether another request may be sent; while warming up, always."""
        return not (self._is_counted and 0 < self._spec.requests <= self._sent)

    def _send_due(self, due: float, now: float) -> float:
        """Send what is due by now, and return when the next one is."""
        while due <= now:
            if self._idle:
                self._send(self._idle.popleft(), due)
            else:
                self._overdue.append(due)
            due += 1 / self._spec.rate
        return due

    def _connect(self, connection: Connection) -> None:
        connection.open()
        fd = connection.sock.fileno()
        self._by_fd[fd] = connection
        self._epoll.register(fd, select.EPOLLIN)

    def _send(self, connection: Connection, started: float) -> None:
        self._sent += 1
        try:
            connection.send(next(self._requests), started)
        except OSError:
            self._broken(connection, "send")
            return
        if connection.unsent:
            self._epoll.modify(
                connection.sock.fileno(), select.EPOLLIN | select.EPOLLOUT
            )

    def _handle(self, connection: Connection, event: int) -> None:
        if event & select.EPOLLOUT and connection.unsent:
            try:
                connection.flush()
            except OSError:
                self._broken(connection, "send")
                return
            if not connection.unsent:
                self._epoll.modify(connection.sock.fileno(), select.EPOLLIN)
        if not event & ~select.EPOLLOUT:
            return
        had = connection.events
        progress = connection.read()
        if self._spec.stream and connection.events > had:
            self._tally.events += connection.events - had
            if connection.gap:
                self._tally.gaps.append(connection.gap)
        if progress is Progress.ANSWERED:
            self._finished(connection)
        elif progress is Progress.BROKEN:
            self._broken(connection, "" if connection.is_idle else "connection")

    def _finished(self, connection: Connection) -> None:
        now = time.perf_counter()
        tally = self._tally
        self._answered += 1
        if connection.status != 200:
            tally.failures[f"status {connection.status}"] += 1
        elif self._spec.stream and not connection.ended:
            tally.failures["no [DONE]"] += 1
        else:
            tally.latencies.append(now - connection.started)
            if connection.first_event:
                tally.first_events.append(connection.first_event - connection.started)
        if connection.affinity:
            tally.affinities[connection.affinity] += 1
        if connection.closes:
            self._reconnect(connection)
        self._next(connection)

    def _broken(self, connection: Connection, why: str) -> None:
        """Note a connection that broke, and open it anew."""
        was_idle = connection.is_idle
        if why:
            self._tally.failures[why] += 1
            self._answered += 1
        self._reconnect(connection)
        if not was_idle:
            self._next(connection)

    def _reconnect(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        with contextlib.suppress(OSError):
            self._epoll.unregister(fd)
        self._by_fd.pop(fd, None)
        self._connect(connection)

    def _next(self, connection: Connection) -> None:
        connection.is_idle = True
        if self._overdue:
            self._send(connection, self._overdue.popleft())
        elif self._spec.rate or not self._may_send():
            self._idle.append(connection)
        else:
            self._send(connection, time.perf_counter())

    def _figures(self, before: _Clocks, after: _Clocks) -> Figures:
        tally = self._tally
        seconds = max(1e-9, after.at - before.at)
        answered = len(tally.latencies)
        gateway = after.gateway.cpu_s - before.gateway.cpu_s
        store = after.gateway.store_cpu_s - before.gateway.store_cpu_s
        upstream = after.upstream - before.upstream
        own = after.own - before.own
        machine = after.machine - before.machine
        known = bool(self._spec.gateway_pid and answered)
        return Figures(
            seconds=round(seconds, 3),
            answered=answered,
            rate=round(answered / seconds, 2),
            failed=dict(tally.failures),
            latency_ms=percentiles(tally.latencies),
            first_event_ms=percentiles(tally.first_events),
            gap_ms=percentiles(tally.gaps),
            events=tally.events,
            affinities=dict(tally.affinities),
            cpu_us=round(gateway / answered * 1e6, 1) if known else None,
            store_cpu_us=round(store / answered * 1e6, 1) if known else None,
            gateway_cpu=round(gateway / seconds, 3),
            load_cpu=round(own / seconds, 3),
            upstream_cpu=round(upstream / seconds, 3),
            other_cpu=round((machine - gateway - store - upstream - own) / seconds, 3),
        )
