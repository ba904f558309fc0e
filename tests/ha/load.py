"""Callers on a host, who call every edge all the while and note how it went.

    python -m ha.load JOURNAL '{"edges": ["10.77.0.1:8080", ...], ...}'

Steady calls, whole and streamed, of sessions that take turns; and streams, as many
open at any time as are asked for. To which API, and with which key, is drawn by the
call's number. Each call begins at the next edge in turn. A caller whose connection an
edge refuses or drops asks another edge, as behind a load balancer that retries, and its
note says so. SIGTERM ends it: nothing further is begun, what was begun is waited for.

A line `{"begun": N}` for each call, and one with all there is to say when it has ended.
"""

import asyncio
import contextlib
import itertools
import json
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Any

import httpx
import msgspec

from ha.surfaces import SURFACES, NotWholeError, Surface

_LONGEST_S = 3600.0
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

_SLOW_S = 0.2
"""Between two events that a slow caller reads, in seconds: no model here is slower."""

_PATIENCE_S = 0.3
_EVENTS = 5
"""After how long a caller leaves who leaves: in seconds, or in events of a stream."""


class Way(msgspec.Struct, frozen=True):
    """One way to call.

    Attributes:
        surface: A name in `SURFACES`.
        is_streamed: Whether a stream is asked for.
        key: Whose call it is. Empty: the task's own.
        share: How often, beside the others.
        manner: `slow` to read, `leaves` before the end, or neither.
        refusals: Codes of errors that are an answer to this caller, not a failure.
    """

    surface: str
    is_streamed: bool
    key: str = ""
    share: int = 1
    manner: str = ""
    refusals: tuple[str, ...] = ()


EVERY_SURFACE = tuple(
    Way(surface, is_streamed, share=6 if surface == "chat" else 2)
    for surface in SURFACES
    for is_streamed in (False, True)
)


class Task(msgspec.Struct, frozen=True):
    """What is to be called, and how much.

    Attributes:
        edges: `HOST:PORT` of each.
        rate: Steady calls begun a second.
        sessions: How many of them take turns.
        streams: How many are open all the while besides.
        ways: How.
    """

    edges: tuple[str, ...]
    key: str
    model: str
    rate: float
    sessions: int
    streams: int = 0
    ways: tuple[Way, ...] = EVERY_SURFACE
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
        at_s: When it began, in Unix seconds.
        took_s: How long it took with all that was tried.
        way: How it was asked.
        trace: By which what services noted of it is found.
        session: Empty for none.
        deployment: Who answered. Empty: nobody did.
        edge: Who passed the answer on.
        losses: What broke before.
        error: Why there was no whole answer. Empty: there was one.
        is_cut: Whether a stream had begun to come that then ended with an error.
        refusal: The code of an error that is an answer to this caller.
        has_left: Whether the caller did not wait for the end.
    """

    call: int
    at_s: float
    took_s: float
    way: Way
    trace: str
    session: str = ""
    deployment: str = ""
    edge: str = ""
    losses: tuple[Loss, ...] = ()
    error: str = ""
    is_cut: bool = False
    refusal: str = ""
    has_left: bool = False

    @property
    def ended_s(self) -> float:
        """When it ended, in Unix seconds."""
        return self.at_s + self.took_s

    @property
    def is_streamed(self) -> bool:
        """Whether it was to be streamed."""
        return self.way.is_streamed


class _LostError(Exception):
    def __init__(self, loss: Loss) -> None:
        super().__init__(loss.what)
        self.loss = loss


class _FailedError(Exception):
    def __init__(self, error: str, *, is_cut: bool = False) -> None:
        super().__init__(error)
        self.is_cut = is_cut


class _RefusedError(Exception):
    pass


class _LeftError(Exception):
    pass


class Callers:
    """Those who call."""

    def __init__(self, task: Task, journal: IO[str]) -> None:
        self._task = task
        self._journal = journal
        self._clients = {edge: _client(task, edge) for edge in task.edges}
        self._rests_until = dict.fromkeys(task.edges, 0.0)
        self._numbers = itertools.count(1)
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
            group.create_task(self._call(number, session, self._task.ways))
            due += 1 / self._task.rate
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(max(due, loop.time() + 0.001)):
                    await self.over.wait()

    async def _keep_streaming(self) -> None:
        ways = [way for way in self._task.ways if way.is_streamed and not way.key]
        while not self.over.is_set():
            await self._call(next(self._numbers), "", ways)

    async def _call(self, number: int, session: str, ways: Sequence[Way]) -> None:
        at_s, began = time.time(), asyncio.get_running_loop().time()
        # The same in every run, whichever calls there are besides.
        (way,) = random.Random(number).choices(ways, [way.share for way in ways])
        if session and way.key:
            # A session is its project's: elsewhere it is another one of that name.
            session = f"{session}-{way.key}"
        trace = f"{int(at_s):08x}{number:024x}"
        self._say({"begun": number})
        found: dict[str, Any] = {}
        losses: list[Loss] = []
        for edge in self._in_turn(number):
            found["edge"] = edge
            ask = self._ask(_Question(edge, number, session, way, trace))
            try:
                found["deployment"] = await ask
            except _LostError as lost:
                losses.append(lost.loss)
                self._rests_until[edge] = asyncio.get_running_loop().time() + _REST_S
                continue
            except _FailedError as failed:
                found |= {"error": str(failed), "is_cut": failed.is_cut}
            except _RefusedError as refused:
                found["refusal"] = str(refused)
            except _LeftError:
                found["has_left"] = True
            break
        else:
            found["error"] = f"every edge was lost: {[each.what for each in losses]}"
        note = Note(
            call=number,
            at_s=at_s,
            took_s=asyncio.get_running_loop().time() - began,
            way=way,
            trace=trace,
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

    async def _ask(self, question: "_Question") -> str:
        """Ask one edge, and return the deployment that answered."""
        leaves = question.way.manner == "leaves" and not question.way.is_streamed
        try:
            async with asyncio.timeout(_PATIENCE_S if leaves else None):
                return await self._answer(question)
        except TimeoutError:
            raise _LeftError from None

    async def _answer(self, question: "_Question") -> str:
        edge, way = question.edge, question.way
        surface = SURFACES[way.surface]
        reading = _Reading(surface, way.manner)
        try:
            async with self._clients[edge].stream(
                "POST",
                surface.path,
                json=question.body(self._task.model),
                headers=question.headers(self._task.key),
            ) as response:
                if response.status_code != 200:
                    raise _said_no(way, await response.aread())
                if way.is_streamed:
                    await reading.stream(response)
                else:
                    await reading.whole(response)
                return str(response.headers.get("x-holdfast-deployment", ""))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _LostError(Loss(edge, "refused")) from error
        except httpx.TransportError as error:
            told = reading.told
            raise _LostError(Loss(edge, type(error).__name__, told)) from error
        except NotWholeError as error:
            raise _FailedError(str(error)[:300], is_cut=reading.told) from error

    def _say(self, line: Any) -> None:
        self._journal.write(json.dumps(line) + "\n")


class _Question(msgspec.Struct, frozen=True):
    """One call, as one edge is asked."""

    edge: str
    number: int
    session: str
    way: Way
    trace: str

    def body(self, model: str) -> dict[str, Any]:
        asked = SURFACES[self.way.surface].body(f"call {self.number}")
        return {"model": model, "stream": self.way.is_streamed, **asked}

    def headers(self, key: str) -> dict[str, str]:
        return {
            "x-opper-api-key": self.way.key or key,
            "traceparent": f"00-{self.trace}-{self.number:016x}-01",
            **({"x-holdfast-session": self.session} if self.session else {}),
            **SURFACES[self.way.surface].headers,
        }


class _Reading:
    """An answer as its caller reads it."""

    def __init__(self, surface: Surface, manner: str) -> None:
        self._surface = surface
        self._manner = manner
        self.told = False

    async def whole(self, response: httpx.Response) -> None:
        self._surface.check(self._surface.text(json.loads(await response.aread())))

    async def stream(self, response: httpx.Response) -> None:
        """Read events up to the last one, which has to come."""
        words: list[str] = []
        count = 0
        async for event in _events(response):
            if self._surface.is_end(event):
                self._surface.check("".join(words))
                return
            words.append(self._surface.said(event))
            self.told = True
            count += 1
            if self._manner == "slow":
                await asyncio.sleep(_SLOW_S)
            if self._manner == "leaves" and count == _EVENTS:
                raise _LeftError
        raise NotWholeError("the stream was cut short")


def _client(task: Task, edge: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{task.scheme}://{edge}",
        timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S),
        transport=httpx.AsyncHTTPTransport(
            socket_options=_SOCKET_OPTIONS,
            limits=httpx.Limits(max_connections=None),
        ),
    )


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Give a stream's events; `[DONE]` as an empty one."""
    async for line in response.aiter_lines():
        if line == "data: [DONE]":
            yield {}
        elif line.startswith("data:"):
            yield json.loads(line[5:])


def _said_no(way: Way, body: bytes) -> Exception:
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        error = json.loads(body)["error"]
        code = error.get("code") or error["type"]
        if code in way.refusals:
            return _RefusedError(code)
        return _FailedError(f"{code}: {error['message']}"[:300])
    return _FailedError(body[:200].decode(errors="replace"))


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
