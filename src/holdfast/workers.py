"""Several processes of one service on one address, where one core is not enough.

A parent reserves the address, forks the workers and starts one that dies anew;
the kernel spreads connections over them. The parent serves nothing itself. It
is written without an event loop and without threads, because what forks has to
be.
"""

import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

import structlog

from holdfast.environment import Worker

_log = structlog.get_logger("holdfast.workers")

_PAUSE_S = 0.5
"""Before a worker that died is started again, in seconds: one that dies at once
would else keep a core busy."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is given by its parent.

    Attributes:
        worker: Which one it is.
        listen: The address it shares.
        parent: A pipe's end that can be read once the parent is gone.
        say: Tells the parent where it is served, once it is.
    """

    worker: Worker
    listen: str
    parent: int
    say: Callable[[str], None]


Work = Callable[[Post], None]
"""Runs a worker until it is told to stop."""


def supervise(service: str, count: int, listen: str, work: Work) -> int:
    """Run workers until SIGTERM or Ctrl-C; return the parent's exit status.

    Prints `ready` and the address once all of them serve.

    Args:
        service: What they are called in logs.
        count: How many.
        listen: Where they are served, `HOST:PORT`; port 0 picks a free one.
        work: Runs one of them, in its own process.

    Raises:
        OSError: The address cannot be had.
    """
    with _reserved(listen) as address:
        # What is loaded by now is shared until somebody writes to it, which the
        # collector would do to every object it looks at.
        gc.collect()
        gc.freeze()
        return _Parent(service, count, address, work).run()


class _EndedError(BaseException):
    """The parent was told to stop."""


@dataclass(slots=True)
class _Parent:
    service: str
    count: int
    address: str
    work: Work
    lifeline: tuple[int, int] = field(default_factory=os.pipe)
    workers: dict[int, Worker] = field(default_factory=dict)

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        try:
            said = [
                self._start(Worker(number, self.count))
                for number in range(1, self.count + 1)
            ]
            addresses = [_read(pipe) for pipe in said]
            if not all(addresses):
                # A worker's own words are on standard error.
                return self._stop() or 1
            # A line of its own on standard output, for whoever started us.
            print(f"ready {addresses[0]}", flush=True)  # noqa: T201
            while True:
                self._await_death()
        except _EndedError:
            return self._stop()

    def _start(self, worker: Worker) -> int:
        """Fork a worker and return the pipe it will speak through."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reading)
            os.close(self.lifeline[1])
            self._become(worker, writing)
        os.close(writing)
        self.workers[pid] = worker
        return reading

    def _become(self, worker: Worker, writing: int) -> NoReturn:
        """Work, in the process just forked, and never return from here."""
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            # Ctrl-C is for the parent, which tells the others.
            os.setpgid(0, 0)

            def say(address: str) -> None:
                os.write(writing, f"{address}\n".encode())
                os.close(writing)

            self.work(Post(worker, self.address, self.lifeline[0], say))
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 - the parent's stack is not ours
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _await_death(self) -> None:
        pid, status = os.wait()
        worker = self.workers.pop(pid, None)
        if worker is None:
            return
        _log.error(
            "worker_died",
            service=self.service,
            worker=worker.number,
            status=os.waitstatus_to_exitcode(status),
        )
        time.sleep(_PAUSE_S)
        os.close(self._start(worker))

    def _stop(self) -> int:
        """End the workers in order, by force at the second signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._kill)
        self._tell(signal.SIGTERM)
        worst = 0
        while self.workers:
            pid, status = os.wait()
            if self.workers.pop(pid, None) is not None:
                worst = max(worst, os.waitstatus_to_exitcode(status))
        return worst

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        self._tell(signal.SIGKILL)
        os._exit(1)

    def _tell(self, number: int) -> None:
        for pid in self.workers:
            os.kill(pid, number)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise _EndedError


def _read(pipe: int) -> str:
    """Return the address that a worker says, or nothing if it ended instead."""
    with os.fdopen(pipe) as reading:
        return reading.readline().strip()


@contextmanager
def _reserved(listen: str) -> Iterator[str]:
    """Keep an address for the workers, and give it with the port chosen.

    A socket that is bound and does not listen gets no connections, and keeps
    out whoever does not say that it shares.
    """
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise OSError(f"cannot listen on {listen}: it is no HOST:PORT")
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host.strip("[]") or None,
            int(port),
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )[0]
        with socket.socket(family, kind) as alone:
            # Sharing with another gateway is no error to the kernel, only to us.
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
            address = alone.getsockname()
        holder = socket.socket(family, kind)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
    except OSError as error:
        raise OSError(f"cannot listen on {listen}: {error.strerror}") from error
    with holder:
        yield f"{host}:{holder.getsockname()[1]}"
