"""Providers that answer in the real wire formats and fail when they are told to.

    async with SimulatedProviders() as sim:
        sim.fail("aws", "429", times=1, retry_after=7)
        ... call sim.base_uri("aws") ...
        assert sim.received("aws")[0].parsed["model"] == "claude-sonnet-4-5"

They run in a thread with an event loop of its own, so that tests that are not
asynchronous, or that block, can use them too: then with a plain `with`.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from holdfast_cli.demo.misbehaviour import Pace
from holdfast_cli.demo.simulator import Received, Simulator, Tally

T = TypeVar("T")

_ENDINGS = {
    "anthropic-messages": "",
    "anthropic-vertex": "/v1/projects/p",
    "bedrock-converse": "",
    "bedrock-invoke": "",
    "gemini": "/v1/projects/p",
    "openai-chat": "/v1",
    "openai-responses": "/v1",
}
"""What a dialect leaves to the address."""


class SimulatedProviders:
    """Simulated providers on a free port; any provider id exists as it is called."""

    def __init__(
        self,
        *,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.port = 0
        self._simulator = Simulator(pace=pace, clock=clock, chance=chance)

    def base_uri(
        self, provider: str, dialect: str = "openai-chat", region: str = ""
    ) -> str:
        """Return what a deployment of a provider has as its `base_uri`."""
        place = f"{provider}/{region}" if region else provider
        return f"http://127.0.0.1:{self.port}/{place}{_ENDINGS[dialect]}"

    def fail(self, provider: str, fault: str, **wanted: Any) -> None:
        """Make a provider fail: `model`, `region`, `times`, `share`, `after`,
        `seconds`, `retry_after`, `headers` say where and how."""
        order = {"provider": provider, "fault": fault, **wanted}
        self._run(lambda: self._simulator.fail(order))

    def recover(self, provider: str = "") -> None:
        """Make a provider well again, or all of them."""
        self._run(lambda: self._simulator.recover({"provider": provider}))

    def received(self, provider: str = "") -> list[Received]:
        """Return the requests that a provider got, or all did, oldest first."""
        return self._run(
            lambda: [
                each for each in self._simulator.log if provider in {"", each.provider}
            ]
        )

    def tally(self, provider: str) -> Tally:
        """Return how a provider's requests ended so far."""
        return self._run(lambda: self._simulator.tallies[provider])

    def forget(self) -> None:
        """Empty the log of what was received."""
        self._run(self._simulator.log.clear)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(
            self._simulator.listener.start(), self._loop
        ).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(
            self._simulator.listener.close(), self._loop
        ).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _run(self, do: Callable[[], T]) -> T:
        async def done() -> T:
            return do()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result()
