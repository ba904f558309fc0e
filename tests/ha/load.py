"""Callers on a host, who call every edge all the while and note how it went.

    python -m ha.load JOURNAL '{"edges": ["10.77.0.1:8080", ...], ...}'

Steady calls, whole and streamed, of sessions that take turns; and streams, as many
open at any time as are asked for. Each call begins at the next edge in turn. A caller
whose connection an edge refuses or drops asks another edge, as behind a load balancer
that retries, and its note says so. SIGTERM ends it: nothing further is begun, what was
begun is waited for.

A line `{"begun": N}` for each call, and one with all there is to say when it has ended.
"""

import asyncio
import contextlib
import itertools
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Any

import httpx
import msgspec

_LONGEST_S = 600.0
"""It ends by itself, whatever becomes of who started it."""

_ANSWER_S = 60.0
"""Without a sign of an answer for so long, in seconds, a caller gives up: an edge says
something every ten, and a host that is gone is noticed by the sockets' own options."""

_CONNECT_S = 2.0
_REST_S = 1.0
"""How long an edge that refused or dropped a connection is asked last."""

_SOCKET_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 5_000),
]
"""A host that is gone is noticed within five seconds, as a load balancer does."""


class Task(msgspec.Struct, frozen=True):
    """What is to be called, and how much.

    Attributes:
        edges: `HOST:PORT` of each.
        rate: Steady calls begun a second.
        sessions: How many of them take turns.
        streams: How many are open all the while besides.
    """

    edges: tuple[str, ...]
    key: str
    model: str
    rate: float
    sessions: int
    streams: int = 0
    scheme: str = "http"
    ca_file: str = ""


class Loss(msgspec.Struct, frozen=True):
    """A connection to an edge that broke under a call.

    Attributes:
        what: `refused` if nothing had been sent yet, else how it broke.
        told: Whether the caller had read content of a stream by then.
    """

    edge: str
    what: str
    told: bool = False


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """How one call went.

    Attributes:
        at_s: When it began, in seconds from the first one.
        took_s: How long it took with all that was tried.
        is_streamed: Whether it was to be streamed.
        session: Empty for none.
        deployment: Who answered. Empty: nobody did.
        edge: Who passed the answer on.
        losses: What broke before.
        error: Why there was no whole answer. Empty: there was one.
        is_cut: Whether a stream had begun to come that then ended with an error.
    """

    call: int
    at_s: float
    took_s: float
    is_streamed: bool
    session: str = ""
    deployment: str = ""
    edge: str = ""
    losses: tuple[Loss, ...] = ()
    error: str = ""
    is_cut: bool = False


class _LostError(Exception):
    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.what)
        self.loss = loss


class _FailedError(Exception):
    def __init__(self, error: str, *, is_cut: bool = False) -> None:
        super().__init__(error)
        self.is_cut = is_cut


class Callers:
    """Those who call."""

    def __init__(self, task: Task, journal: IO[str]) -> None:
        self._task = task
        self._journal = journal
        self._clients = {edge: _client(task, edge) for edge in task.edges}
        self._rests_until = dict.fromkeys(task.edges, 0.0)
        self._numbers = itertools.count(1)
        self._began = asyncio.get_running_loop().time()
        self.over = asyncio.Event()

    async def call_all_the_while(self) -> None:
        """Call until it is over, and until all that was begun has ended."""
        async with asyncio.timeout(_LONGEST_S), asyncio.TaskGroup() as group:
            for _ in range(self._task.streams):
                group.create_task(self._keep_streaming())
            await self._call_steadily(group)
        for client in self._clients.values():
            await client.aclose()

    async def _call_steadily(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not self.over.is_set():
            number = next(self._numbers)
            session = f"session-{number % self._task.sessions}"
            group.create_task(
                self._call(number, session=session, stream=number % 4 < 2)
            )
            due += 1 / self._task.rate
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(max(due, loop.time() + 0.001)):
                    await self.over.wait()

    async def _keep_streaming(self) -> None:
        while not self.over.is_set():
            await self._call(next(self._numbers), session="", stream=True)

    async def _call(self, number: int, *, session: str, stream: bool) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._say({"begun": number})
        losses: list[Loss] = []
        found: dict[str, Any] = {}
        for edge in self._in_turn(number):
            found["edge"] = edge
            try:
                found["deployment"] = await self._ask(edge, number, session, stream)
            except _LostError as lost:
                losses.append(lost.loss)
                self._rests_until[edge] = loop.time() + _REST_S
            except _FailedError as failed:
                found |= {"error": str(failed), "is_cut": failed.is_cut}
                break
            else:
                break
        else:
            found["error"] = f"every edge was lost: {[each.what for each in losses]}"
        note = Note(
            call=number,
            at_s=began - self._began,
            took_s=loop.time() - began,
            is_streamed=stream,
            session=session,
            losses=tuple(losses),
            **found,
        )
        self._say(msgspec.to_builtins(note))

    def _in_turn(self, number: int) -> Sequence[str]:
        """Return the edges to ask: each once, those at rest last, and those again."""
        first = number % len(self._task.edges)
        edges = self._task.edges[first:] + self._task.edges[:first]
        now = asyncio.get_running_loop().time()
        return sorted(edges, key=lambda edge: self._rests_until[edge] > now) * 2

    async def _ask(self, edge: str, number: int, session: str, stream: bool) -> str:
        """Ask one edge, and return the deployment that answered."""
        said = {"role": "user", "content": f"call {number}"}
        body = {"model": self._task.model, "messages": [said], "stream": stream}
        headers = {"x-holdfast-session": session} if session else {}
        told = False
        try:
            async with self._clients[edge].stream(
                "POST", "/v1/chat/completions", json=body, headers=headers
            ) as response:
                if response.status_code != 200:
                    raise _FailedError(_short(await response.aread()))
                if stream:
                    async for event in _events(response):
                        told = True
                        if error := event.get("error"):
                            raise _FailedError(f"{error.get('code')}", is_cut=True)
                else:
                    _check(json.loads(await response.aread()))
                return response.headers.get("x-holdfast-deployment", "")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _LostError(Loss(edge, "refused")) from error
        except httpx.TransportError as error:
            raise _LostError(Loss(edge, type(error).__name__, told)) from error

    def _say(self, line: Any) -> None:
        self._journal.write(json.dumps(line) + "\n")


def _client(task: Task, edge: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{task.scheme}://{edge}",
        headers={"x-opper-api-key": task.key},
        timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S),
        transport=httpx.AsyncHTTPTransport(
            socket_options=_SOCKET_OPTIONS,
            limits=httpx.Limits(max_connections=None),
        ),
    )


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Read a stream's events up to its end, which has to come."""
    async for line in response.aiter_lines():
        if line == "data: [DONE]":
            return
        if line.startswith("data:"):
            yield json.loads(line[5:])
    raise _FailedError("the stream was cut short", is_cut=True)


def _check(answer: dict[str, Any]) -> None:
    if answer["choices"][0]["finish_reason"] != "stop":
        raise _FailedError("the answer is not whole")


def _short(body: bytes) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        error = json.loads(body)["error"]
        return f"{error['code']}: {error['message']}"[:200]
    return body[:200].decode(errors="replace")


async def main(journal: Path, task: Task) -> None:
    """Call until SIGTERM."""
    with journal.open("a", buffering=1) as file:
        callers = Callers(task, file)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, callers.over.set)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await callers.call_all_the_while()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Task)))
