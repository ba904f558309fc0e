"""`python -m bench.faults`: every fault against the real services, and a table."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from openai import AsyncOpenAI

from bench.faults.caller import Seen, call
from bench.faults.cases import CASES, Case, Outcome
from bench.faults.gateway import KEY, PROVIDERS, gateway
from bench.faults.provider import Provider

_AT_ONCE = 8
"""Cases under way together: enough to be quick, few enough for two cores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 if a row has not gone as it must."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument(
        "--separate", action="store_true", help="three processes instead of one"
    )
    asked = parser.parse_args(arguments)
    rows = {
        f"case{number}{'s' if stream else 'w'}": (case, stream)
        for number, case in enumerate(CASES)
        if asked.only in case.name
        for stream in case.streams
    }
    if not rows:
        parser.error(f"no case is named like {asked.only!r}")
    with tempfile.TemporaryDirectory(prefix="holdfast-faults-") as folder:
        failed = asyncio.run(_run(rows, Path(folder), separate=asked.separate))
    print(f"\n{len(rows) - failed} of {len(rows)} rows as they must be")
    return 1 if failed else 0


async def _run(
    rows: dict[str, tuple[Case, bool]], folder: Path, *, separate: bool
) -> int:
    provider = Provider()
    await provider.start()
    upstream = f"http://127.0.0.1:{provider.port}"
    models = {model: case for model, (case, _) in rows.items()}
    turns = asyncio.Semaphore(_AT_ONCE)
    _print("fault", "stream", "answers", "sent", "longest", "verdict")
    with gateway(models, upstream, folder, separate=separate) as running:
        async with AsyncOpenAI(
            base_url=f"{running.address}/v1", api_key=KEY, max_retries=0, timeout=60
        ) as client:
            verdicts = await asyncio.gather(
                *(
                    _row(provider, client, turns, model, case, stream=stream)
                    for model, (case, stream) in rows.items()
                )
            )
    await provider.stop()
    return verdicts.count(False)


async def _row(  # noqa: PLR0913 - what a row is made of
    provider: Provider,
    client: AsyncOpenAI,
    turns: asyncio.Semaphore,
    model: str,
    case: Case,
    *,
    stream: bool,
) -> bool:
    primary, backup = (
        provider.set(name, model, script)
        for name, script in zip(PROVIDERS, (case.primary, case.backup), strict=True)
    )
    async with turns:
        seen = await _calls(client, model, case, stream=stream)
    outcome = Outcome(seen, primary, backup, stream)
    complaints = dict.fromkeys(
        complaint for judge in case.judges for complaint in judge(outcome)
    )
    _print(
        case.name,
        "yes" if stream else "no",
        f"{sum(each.is_complete for each in seen)}/{len(seen)}",
        f"{primary.hits}+{backup.hits}",
        f"{max(each.seconds for each in seen):.2f} s",
        "pass" if not complaints else "FAIL: " + "; ".join(complaints),
    )
    return not complaints


async def _calls(
    client: AsyncOpenAI, model: str, case: Case, *, stream: bool
) -> list[Seen]:
    if not case.rate:
        return [await call(client, model, stream=stream) for _ in range(case.calls)]
    async with asyncio.TaskGroup() as group:
        tasks = []
        for _ in range(case.calls):
            tasks.append(group.create_task(call(client, model, stream=stream)))
            await asyncio.sleep(1 / case.rate)
    return [task.result() for task in tasks]


def _print(*cells: str) -> None:
    widths = (40, 6, 8, 8, 8)
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    print("  ".join([*padded, *cells[len(widths) :]]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
