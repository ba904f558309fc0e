"""`python -m bench.soak`: requests of every kind for ten minutes; what grows.

Three services, etcd and a ledger, a process each where they are; a provider that fails
one request in ten, callers that leave, answers that do not fit their schema, edits.
Writes docs/soak.md where it ran as long as it should.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.machine import this_machine
from bench.processes import ROOT
from bench.services import Services, services
from bench.soak import ground
from bench.soak.calls import Calls
from bench.soak.report import Soaked, report
from bench.soak.watching import STEEP_MB, Held, Sample, sample

DOCUMENT = ROOT / "docs" / "soak.md"

_SECONDS = 600.0
_MOST_SECONDS = 3_600.0
_EACH_S = 5.0
"""Between two looks."""

_REST_S = 8.0
"""What calls left behind get to be cleared away before what is held is counted again:
longer than the provider's longest answer may take."""

_NICE = 10
"""The soak gives way: it is about what grows, not about how fast."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 if a service grows too steeply."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    asked = parser.parse_args(arguments)
    os.nice(_NICE)
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-") as folder:
        soaked = asyncio.run(_soak(min(asked.seconds, _MOST_SECONDS), Path(folder)))
    print(report(soaked))
    if asked.seconds >= _SECONDS:
        DOCUMENT.write_text(report(soaked), encoding="utf-8")
    steep = [name for name, slope in soaked.slopes.items() if slope > STEEP_MB]
    print(f"grows too steeply: {', '.join(steep) or 'none'}")
    return 1 if steep else 0


async def _soak(seconds: float, folder: Path) -> Soaked:
    provider = await ground.provider()
    config = ground.configuration(f"http://127.0.0.1:{provider.port}", folder)
    with contextlib.ExitStack() as stack:
        # Entered in a thread: this one's event loop is the provider's.
        running = await asyncio.to_thread(
            stack.enter_context, services(folder, config, counts=True)
        )
        before = await _counted(running)
        calls = Calls(running.url)
        samples = await _watched(running, calls, seconds)
        await asyncio.sleep(_REST_S)
        after = await _counted(running)
        held = {
            name: Held(
                (before[name]["tasks"], after[name]["tasks"]),
                (before[name]["objects"], after[name]["objects"]),
            )
            for name in running.by_name
        }
        for name in running.by_name:
            grown = {
                kind: many - before[name]["types"].get(kind, 0)
                for kind, many in after[name]["types"].items()
            }
            most = sorted(grown.items(), key=lambda each: -each[1])[:12]
            print(name, "has more of:", dict(most))
            print(name, "runs:", after[name]["coroutines"])
        await asyncio.to_thread(stack.close)
    await provider.stop()
    return Soaked(this_machine({}), seconds, samples, held, calls.ended)


async def _counted(running: Services) -> dict[str, dict[str, Any]]:
    return {
        name: await asyncio.to_thread(each.counted)
        for name, each in running.by_name.items()
    }


async def _watched(running: Services, calls: Calls, seconds: float) -> list[Sample]:
    begun = time.monotonic()
    task = asyncio.create_task(calls.run())
    samples = [sample(running, 0.0, 0)]
    while (passed := time.monotonic() - begun) < seconds and not task.done():
        await asyncio.sleep(_EACH_S)
        samples.append(sample(running, passed, calls.made))
        rss = "  ".join(f"{n} {mb:6.1f}" for n, mb in samples[-1].rss_mb.items())
        print(f"{passed:6.0f} s {calls.made:>8,} requests  MB: {rss}", flush=True)
    calls.stop()
    await task
    return samples


if __name__ == "__main__":
    sys.exit(main())
