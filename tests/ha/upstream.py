"""Simulated providers on a host, that note down who asked them what.

    python -m ha.upstream ADDRESS PORT JOURNAL TOKEN_S

A line of the journal for each request: which call it is for, as the call's last words
say; the address that asked; whether it was answered to the end; and with which
credential. Prints `ready` once they can be called.
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import IO

from holdfast_cli.demo.listener import Call, Exchange, Listener
from holdfast_cli.demo.misbehaviour import Pace
from holdfast_cli.demo.simulator import Simulator

_NUMBER = re.compile(rb"call (\d+)")


class Upstream:
    """Providers with a journal."""

    def __init__(self, journal: IO[str], pace: Pace) -> None:
        self._journal = journal
        self._simulator = Simulator(pace=pace)
        self.listener = Listener(self._answer)

    async def _answer(self, call: Call, exchange: Exchange) -> None:
        numbers = _NUMBER.findall(call.body)
        line = {
            "call": int(numbers[-1]) if numbers else 0,
            "from": exchange._transport.get_extra_info("peername")[0],
            "credential": call.headers.get("authorization", ""),
        }
        try:
            await self._simulator._answer(call, exchange)
        finally:
            line["ended"] = exchange.ended
            self._journal.write(json.dumps(line) + "\n")


async def main(address: str, port: int, journal: Path, token_s: float) -> None:
    """Serve until killed."""
    with journal.open("a", buffering=1) as file:
        upstream = Upstream(file, Pace(first_token_s=token_s, token_s=token_s))
        await upstream.listener.start(port, address)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
    )
