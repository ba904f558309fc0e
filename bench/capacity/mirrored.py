"""`python -m bench.capacity.mirrored ENDPOINT`: the sessions' mirror, and nothing else.

Says how long reading all bindings took, and the longest that the event loop stood
still meanwhile; then it reads them all once more as after an outage, and watches on.
"""

import asyncio
import json
import os
import resource
import sys
import time

import uvloop

from bench.processes import resident_mb
from holdfast import process
from holdfast_resolver.etcd.client import EtcdClient
from holdfast_resolver.etcd_stores import EtcdSessionStore

_TICK_S = 0.005
_IDLE_S = 3.0


class _Ticker:
    """Notes the longest that the event loop did not come round."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def run(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - last - _TICK_S)
            last = now


async def _main(endpoint: str) -> None:
    client = EtcdClient([endpoint])
    store = EtcdSessionStore(client, "/holdfast/1/s/")
    ticker = _Ticker()
    process.settle()
    ticking = asyncio.create_task(ticker.run())
    told = {"before_mb": resident_mb(os.getpid())}
    for name in ("read", "again"):
        ticker.longest_s = 0.0
        begun = time.monotonic()
        if name == "again":
            await store.mirror._read_all()  # noqa: SLF001 - as after an outage
        else:
            watching = asyncio.create_task(store.mirror.run())
            await store.mirror.wait_synced(120)
        await asyncio.sleep(2 * _TICK_S)
        told[f"{name}_s"] = time.monotonic() - begun
        told[f"{name}_stall_s"] = ticker.longest_s
        told[f"{name}_mb"] = resident_mb(os.getpid())
        usage = resource.getrusage(resource.RUSAGE_SELF)
        told[f"{name}_peak_mb"] = usage.ru_maxrss / 1024
    used = time.process_time()
    await asyncio.sleep(_IDLE_S)
    told["idle_cores"] = (time.process_time() - used) / _IDLE_S
    told["entries"] = len(store.mirror.entries)
    print(json.dumps(told), flush=True)
    await watching
    await ticking


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1]))
