"""`python -m bench.counted MODULE FILE`: a service that says what it holds.

On SIGUSR1 it writes to FILE how many tasks there are, and of which types of object
there are most. So a soak can tell what grows.
"""

import asyncio
import gc
import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

_TYPES = 60


def main() -> None:
    """Run the module as if by itself."""
    module, path = sys.argv[1], Path(sys.argv[2])

    def count(_number: int, _frame: FrameType | None) -> None:
        gc.collect()
        types = Counter(
            f"{type(each).__module__}.{type(each).__qualname__}"
            for each in gc.get_objects()
        )
        tasks = asyncio.all_tasks()
        told = {
            "tasks": len(tasks),
            "coroutines": Counter(
                getattr(each.get_coro(), "__qualname__", "") for each in tasks
            ),
            "objects": types.total(),
            "types": dict(types.most_common(_TYPES)),
        }
        part = path.with_suffix(".part")
        part.write_text(json.dumps(told), encoding="utf-8")
        part.rename(path)

    signal.signal(signal.SIGUSR1, count)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
