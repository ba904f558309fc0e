"""`python -m bench`: measure, and print what was measured as it comes."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.gateways import Gateway
from bench.gateways.floor import Direct, Floor
from bench.gateways.holdfast import Holdfast
from bench.gateways.peers import LiteLlm, Portkey, TensorZero
from bench.load.spec import MOST_CONNECTIONS
from bench.machine import this_machine
from bench.plan import SHORT_S, Amount
from bench.processes import ROOT
from bench.report import tables
from bench.results import Results
from bench.runner import Bench
from bench.scenarios import BY_NAME, Sizes, chosen

RESULTS = ROOT / "bench" / ".results" / "latest.jsonl"

GATEWAYS: dict[str, Gateway] = {
    gateway.name: gateway
    for gateway in (
        Direct(),
        Floor(),
        Holdfast(separate=False),
        Holdfast(separate=True),
        TensorZero(),
        Portkey(),
        LiteLlm(),
    )
}

_QUICK_SCENARIOS = ("small", "burst", "fallback", "body")
_QUICK_GATEWAYS = ("direct", "floor", "holdfast", "holdfast-separate")
_QUICK_CONNECTIONS = (1, 16)

_QUICK_S = 1.0

_LIMIT_S = 600.0
"""When nothing more is begun; what was left out is said."""

_LEAST_REQUESTS = 100_000
"""Between the two measurements of our memory: a leak of 100 bytes a request shows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return the process's exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        sizes = Sizes(asked.body_kb, asked.answer_kb, asked.events, asked.sessions)
        names = asked.scenarios or (_QUICK_SCENARIOS if asked.quick else BY_NAME)
        scenarios = chosen(names, sizes)
        gateways = _gateways(
            asked.gateways or (_QUICK_GATEWAYS if asked.quick else GATEWAYS)
        )
    except ValueError as error:
        parser.error(str(error))
    bench = Bench(
        Results(this_machine({g.name: g.version() for g in gateways if g.version()})),
        time.monotonic() + asked.limit,
        lambda line: print(line, flush=True),
        least_requests=0 if asked.quick else _LEAST_REQUESTS,
    )
    amount = Amount(
        asked.connections or (_QUICK_CONNECTIONS if asked.quick else ()),
        asked.rates or (() if asked.quick else Amount().rates),
        asked.duration or (_QUICK_S if asked.quick else SHORT_S),
    )
    try:
        bench.run(gateways, scenarios, amount, asked.rounds)
    finally:
        bench.results.save(asked.out)
    print()
    print(tables(bench.results))
    return 0


def _gateways(names: Iterable[str]) -> list[Gateway]:
    unknown = [name for name in names if name not in GATEWAYS]
    if unknown:
        known = ", ".join(GATEWAYS)
        raise ValueError(f"there is no gateway {unknown[0]!r}; there are {known}")
    return [GATEWAYS[name] for name in names]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _connections(text: str) -> tuple[int, ...]:
    return tuple(_bounded(1, MOST_CONNECTIONS)(word) for word in _words(text))


def _rates(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in _words(text))


def _bounded(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not {least} to {most}")
        return value

    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="us and the floor, in a minute"
    )
    parser.add_argument("--gateways", type=_words, help=", ".join(GATEWAYS))
    parser.add_argument("--scenarios", type=_words, help=", ".join(BY_NAME))
    parser.add_argument(
        "--connections",
        type=_connections,
        help="e.g. 1,16: in place of each scenario's",
    )
    parser.add_argument("--rates", type=_rates, help="requests a second, e.g. 50,500")
    parser.add_argument(
        "--body-kb", type=_bounded(1, 4096), help="of the scenario body"
    )
    parser.add_argument("--answer-kb", type=_bounded(1, 4096), help="of whole answers")
    parser.add_argument("--events", type=_bounded(1, 2000), help="of streams")
    parser.add_argument("--sessions", type=_bounded(1, 100_000), help="conversations")
    parser.add_argument("--duration", type=float, help="seconds of each run")
    parser.add_argument("--rounds", type=_bounded(1, 20), default=1)
    parser.add_argument("--limit", type=float, default=_LIMIT_S, help="seconds in all")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
