"""Replicas are told to stop: nobody notices whom they can still serve."""

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

from fakes.caller import Answer, Caller, in_time, served_by
from fakes.gateway import KEY, configuration
from fakes.names import port_of
from fakes.patience import until
from fakes.provider import SimulatedProviders
from fakes.replicas import Service, Services
from holdfast_cli.demo.misbehaviour import Pace

pytestmark = pytest.mark.system

MODELS = {"m": [{"provider": "one"}], "long": [{"provider": "two"}]}
STREAMS = 40
"""Open at each moment that a replica is told to stop."""

_PAUSE_S = 0.05
"""Between two calls of a caller: four of them are steady, and leave some CPU."""

_PACE = Pace(first_token_s=0.05, token_s=0.12)
"""An answer has two dozen words: a stream outlasts what a replica takes to go."""


@pytest.fixture(scope="module")
def slow_words() -> Iterator[SimulatedProviders]:
    """Give providers whose streams take a while."""
    with SimulatedProviders(pace=_PACE) as providers:
        yield providers


class Behind:
    """Callers behind what spreads connections over edges, as a Service does.

    An edge that takes no new connection is passed over, as one is that has been
    taken out of the Service. Whatever else goes wrong is a caller's loss.
    """

    def __init__(self, edges: list[Service]) -> None:
        self._callers = [
            Caller(f"http://{edge.address}", at_once=2 * STREAMS) for edge in edges
        ]
        self._turns = itertools.count()

    async def ask(self, model: str, *, stream: bool) -> Answer:
        """Ask the next edge that is there."""
        turn = next(self._turns) % len(self._callers)
        for caller in self._callers[turn:] + self._callers[:turn]:
            with contextlib.suppress(httpx.ConnectError):
                return await caller.ask(model, stream=stream)
        raise AssertionError("no edge is there")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for caller in self._callers:
            await caller.close()


NAMES = ("edge", "resolver", "executor")


class Watched:
    """Services of which each says at a port of its own how it stands."""

    def __init__(self, drain_s: str) -> None:
        self._drain_s = drain_s
        self._ports = {name: port_of("127.0.0.1") for name in NAMES}
        self._told: Counter[str] = Counter()

    def variables(self, name: str) -> dict[str, str]:
        """Have the first one of each service say it; the second is there too."""
        self._told[name] += 1
        watched = {"HOLDFAST_METRICS_LISTEN": f"127.0.0.1:{self._ports[name]}"}
        return {
            "HOLDFAST_DRAIN_SECONDS": self._drain_s,
            **(watched if self._told[name] == 1 else {}),
        }

    async def says(self, name: str) -> tuple[int, int]:
        """Ask whether it lives and whether it is ready."""
        async with httpx.AsyncClient(timeout=20) as client:
            told = [
                (await client.get(f"http://127.0.0.1:{self._ports[name]}{path}"))
                for path in ("/livez", "/readyz")
            ]
        return told[0].status_code, told[1].status_code

    async def says_when_told_to_stop(self, name: str) -> tuple[int, int]:
        """Ask the same once it is not ready any more."""

        async def is_told() -> bool:
            return (await self.says(name))[1] == 503

        await in_time(is_told)
        return await self.says(name)


async def test_a_rolling_restart_of_every_service_costs_nobody_anything(
    slow_words: SimulatedProviders,
    etcd_endpoint: str,
    etcd_prefix: str,
    tmp_path: Path,
) -> None:
    """Streams that are open end whole, and calls go on all the while.

    As long as a stream is open there, a replica lives and is not ready; and then
    it is gone.
    """
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    config = configuration(slow_words, MODELS, etcd=etcd)
    watched = Watched("25")
    calls: list[Answer] = []
    streams: list[Answer] = []
    ended: Counter[int] = Counter()
    before: list[tuple[int, int]] = []
    meanwhile: list[tuple[int, int]] = []
    over = asyncio.Event()
    async with (
        Services(
            config, tmp_path, etcd_endpoint, watched.variables, edges=2
        ) as services,
        Behind(services.edges) as callers,
    ):

        async def call() -> None:
            while not over.is_set():
                calls.append(await callers.ask("m", stream=len(calls) % 4 == 0))
                await asyncio.sleep(_PAUSE_S)

        async def stream() -> None:
            streams.append(await callers.ask("long", stream=True))

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(call())
            for replica in (
                *services.edges,
                *services.resolvers,
                *services.executors,
            ):
                slow_words.forget()
                opened = [group.create_task(stream()) for _ in range(STREAMS)]
                await until(lambda: len(slow_words.received("two")) == STREAMS)
                is_watched = replica in {services.edges[0], services.executors[0]}
                if is_watched:
                    before.append(await watched.says(replica.name))
                stopping = asyncio.create_task(asyncio.to_thread(replica.stop))
                if is_watched:
                    meanwhile.append(await watched.says_when_told_to_stop(replica.name))
                ended[await stopping] += 1
                await asyncio.to_thread(replica.start)
                await asyncio.gather(*opened)
            over.set()

    served_by(calls)
    served_by(streams)
    assert len(streams) == 6 * STREAMS
    assert ended == {0: 6}
    assert before == [(200, 200)] * 2
    assert meanwhile == [(200, 503)] * 2


async def test_a_stream_that_outlasts_the_drain_ends_with_an_error(
    etcd_endpoint: str, etcd_prefix: str, tmp_path: Path
) -> None:
    """It does not look whole, and the caller may ask again at once.

    So with an edge, and with executors that are told to stop all at once.
    """
    etcd = {"endpoints": [etcd_endpoint], "prefix": etcd_prefix}
    brief = {"HOLDFAST_DRAIN_SECONDS": "1"}
    asked = {
        "model": "m",
        "stream": True,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    with SimulatedProviders(pace=Pace(token_s=5)) as providers:
        config = configuration(providers, MODELS, etcd=etcd)
        async with (
            Services(
                config, tmp_path, etcd_endpoint, lambda _: brief, edges=2
            ) as services,
            httpx.AsyncClient(headers={"x-opper-api-key": KEY}, timeout=60) as client,
            contextlib.AsyncExitStack() as stack,
        ):
            streams = [
                await stack.enter_async_context(
                    client.stream(
                        "POST", f"http://{edge.address}/v1/chat/completions", json=asked
                    )
                )
                for edge in services.edges
            ]
            await asyncio.to_thread(services.edges[0].stop)
            said = [(await streams[0].aread()).decode()]
            await asyncio.gather(
                *(asyncio.to_thread(each.stop) for each in services.executors)
            )
            said.append((await streams[1].aread()).decode())

    ends = [each.strip().rpartition("\n")[2].removeprefix("data: ") for each in said]
    errors = [json.loads(each)["error"]["code"] for each in ends]
    assert all("[DONE]" not in each for each in said)
    assert errors == ["service_unavailable", "service_unavailable"]


async def test_readiness_asks_no_store_and_no_provider(tmp_path: Path) -> None:
    """Neither is there: what can be answered without them is answered."""
    nowhere = f"127.0.0.1:{port_of('127.0.0.1')}"
    watched = Watched("1")
    providers = SimulatedProviders()
    providers.port = port_of("127.0.0.1")
    config = configuration(providers, MODELS, etcd={"endpoints": [nowhere]})
    async with Services(config, tmp_path, nowhere, watched.variables) as services:
        said = [await watched.says(name) for name in NAMES]
        async with httpx.AsyncClient(base_url=services.base_url) as client:
            edge = await client.get("/readyz")

    assert said == [(200, 200)] * 3
    assert edge.status_code == 200
