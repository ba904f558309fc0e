"""`python -m bench.profiled CONFIG SAMPLES`: `holdfast up` that samples itself.

SIGUSR1 begins, and the next one ends: then SAMPLES holds what was running each time
some CPU had been used, innermost function first. Sampling costs next to nothing, where
a profiler that sees every call would double what most of them take. What runs in C
counts for the Python function around it or, between two of the event loop's callbacks,
for the next one.
"""

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from holdfast_cli import up

_INTERVAL_S = 0.001
"""Of CPU time; kernels look at their clock every 1 to 10 ms, and round up."""

Function = tuple[str, int, str]
"""File, first line and name."""


class Sampler:
    """Counts stacks while it is on.

    Args:
        samples: The file that is written when it is switched off.
    """

    def __init__(self, samples: Path) -> None:
        self._samples = samples
        self._stacks: Counter[tuple[Function, ...]] = Counter()
        self._is_on = False
        signal.signal(signal.SIGUSR1, self._switch)
        signal.signal(signal.SIGPROF, self._sample)

    def _switch(self, _number: int, _frame: FrameType | None) -> None:
        self._is_on = not self._is_on
        interval = _INTERVAL_S if self._is_on else 0.0
        signal.setitimer(signal.ITIMER_PROF, interval, interval)
        if not self._is_on:
            written = json.dumps([[n, *stack] for stack, n in self._stacks.items()])
            part = self._samples.with_suffix(".part")
            part.write_text(written, encoding="utf-8")
            part.rename(self._samples)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        stack: list[Function] = []
        while frame is not None:
            code = frame.f_code
            stack.append((code.co_filename, code.co_firstlineno, code.co_qualname))
            frame = frame.f_back
        self._stacks[tuple(stack)] += 1


def main() -> int:
    """Run it; return the process's exit status."""
    config, samples = map(Path, sys.argv[1:])
    Sampler(samples)
    return up.run(config, separate=False)


if __name__ == "__main__":
    sys.exit(main())
