"""`python -m bench.soak`: 100,000 requests of every kind, and what memory does.

Whole answers and streams, failures that fall back, streams that break off, callers
that go away in the middle. What counts is the slope once the gateway is warm: a
leak of a hundred bytes a request would be 9.5 MB per 100,000.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.faults.behaviour import FINE, Behaviour, Script, Way
from bench.faults.cases import Case
from bench.faults.gateway import KEY, PROVIDERS, gateway
from bench.faults.provider import Provider
from bench.processes import Started, memory

_MODEL = "soak"
_SEED = 20_261_122
_AT_ONCE = 32
_SAMPLES = 40
_WARM_SHARE = 0.3
"""Of the requests: caches, pools and the allocator have their size by then."""

_STEEP_MB = 10.0
"""Per 100,000 requests: what the gateway is held to between idle and after."""

_FAILING_SHARE = 0.1
_FAILURES = (
    Behaviour(Way.ERROR, 429, "Too many requests.", headers={"retry-after": "0"}),
    Behaviour(Way.ERROR, 500, "Something went wrong."),
    Behaviour(Way.RESET),
    Behaviour(Way.CUT, after=20),
    Behaviour(Way.ERROR_EVENT, message="Overloaded.", after=20),
    Behaviour(Way.MALFORMED, after=20),
)


def _now_and_then(seed: int) -> Script:
    """Fail a share of the requests, each in another way."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret

    def script(_number: int, _seconds: float) -> Behaviour:
        return chance.choice(_FAILURES) if chance.random() < _FAILING_SHARE else FINE

    return script


@dataclass(slots=True)
class Soak:
    """The callers, and what came of their calls."""

    url: str
    wanted: int
    ended: Counter[str] = field(default_factory=Counter)
    begun: int = 0

    async def run(self) -> None:
        """Call until as many calls as wanted have been made."""
        timeout = aiohttp.ClientTimeout(total=60)
        headers = {"authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            asyncio.TaskGroup() as group,
        ):
            for seed in range(_AT_ONCE):
                group.create_task(self._caller(session, seed))

    async def _caller(self, session: aiohttp.ClientSession, seed: int) -> None:
        chance = random.Random(_SEED + seed)  # noqa: S311 - to be repeated
        while self.begun < self.wanted:
            self.begun += 1
            kind = chance.choices(("whole", "stream", "gone"), (6, 3, 1))[0]
            said = f"conversation {chance.randrange(5_000)}"
            try:
                self.ended[await self._call(session, kind, said)] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                self.ended[type(error).__name__] += 1

    async def _call(self, session: aiohttp.ClientSession, kind: str, said: str) -> str:
        body = {
            "model": _MODEL,
            "stream": kind != "whole",
            "messages": [
                {"role": "system", "content": said},
                {"role": "user", "content": "Say the sixty words."},
            ],
        }
        async with session.post(self.url, json=body) as response:
            if kind == "gone":
                await response.content.read(1)
                response.close()
                return "gone"
            content = await response.read()
        if response.status != 200:
            return f"{kind} {response.status}"
        if kind == "stream" and not content.endswith(b"data: [DONE]\n\n"):
            return "stream broken off"
        return kind


def slope_mb(samples: Sequence[tuple[int, float]]) -> float:
    """Return how steeply memory grows, by least squares.

    Args:
        samples: Requests so far and MiB.

    Returns:
        MiB per 100,000 requests.
    """
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    together = sum((x - mean_x) * (y - mean_y) for x, y in samples)
    return together / spread * 100_000


async def _soak(wanted: int, folder: Path, *, separate: bool) -> float:
    provider = Provider(word_s=0)
    await provider.start()
    for number, name in enumerate(PROVIDERS):
        provider.set(name, _MODEL, _now_and_then(_SEED + number), keep_bodies=False)
    case = Case(_MODEL, _now_and_then(_SEED), ())
    upstream = f"http://127.0.0.1:{provider.port}"
    with gateway({_MODEL: case}, upstream, folder, separate=separate) as running:
        soak = Soak(f"{running.address}/v1/chat/completions", wanted)
        samples = await _watched(soak, running.process, separate=separate)
    await provider.stop()
    print("\nhow calls ended:", dict(soak.ended.most_common()))
    warm = [sample for sample in samples if sample[0] >= wanted * _WARM_SHARE]
    return slope_mb(warm)


async def _watched(
    soak: Soak, process: Started, *, separate: bool
) -> list[tuple[int, float]]:
    begun = time.monotonic()
    task = asyncio.create_task(soak.run())
    samples = [(0, memory(process.pid, supervised=separate).rss_mb)]
    print(f"{0:>8,} requests  {samples[0][1]:7.1f} MB")
    step = max(1, soak.wanted // _SAMPLES)
    while not task.done():
        await asyncio.sleep(0.2)
        if soak.begun >= samples[-1][0] + step or task.done():
            rss_mb = memory(process.pid, supervised=separate).rss_mb
            samples.append((soak.begun, rss_mb))
            seconds = time.monotonic() - begun
            print(
                f"{soak.begun:>8,} requests  {rss_mb:7.1f} MB  {seconds:6.1f} s",
                flush=True,
            )
    await task
    return samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 if memory grows too steeply."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--separate", action="store_true", help="three processes")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-") as folder:
        slope = asyncio.run(
            _soak(asked.requests, Path(folder), separate=asked.separate)
        )
    print(f"memory grows by {slope:.1f} MB per 100,000 requests once warm")
    return 1 if slope > _STEEP_MB else 0


if __name__ == "__main__":
    sys.exit(main())
