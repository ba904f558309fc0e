"""Simulated providers on a host, that note down who asked them what.

    python -m ha.upstream ADDRESS PORT,... FOLDER TOKEN_S

`upstream.jsonl` in the folder gets a line for each request: which call it is for, as
the call's last words say; the address that asked; whether it was answered to the end;
what was wrong with the provider; and with which credential. `orders.json` there says
what is wrong from now on. Prints `ready` once they can be called.
"""

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from holdfast_cli.demo.faults import Target
from holdfast_cli.demo.listener import Call, Exchange, Listener
from holdfast_cli.demo.misbehaviour import Pace
from holdfast_cli.demo.simulator import Simulator

_NUMBER = re.compile(rb"call (\d+)")


class Upstream:
    """Providers with a journal."""

    def __init__(self, journal: IO[str], orders: Path, pace: Pace) -> None:
        self._journal = journal
        self._orders = orders
        self._read_ns = 0
        self._pace = pace
        self._simulator = Simulator(pace=pace)

    async def listen(self, address: str, ports: Sequence[int]) -> None:
        """Take calls at each of the ports."""
        for port in ports:
            await Listener(self._answer).start(port, address)

    async def _answer(self, call: Call, exchange: Exchange) -> None:
        self._follow_orders()
        provider = call.path.split("/")[1]
        order = self._simulator.switchboard.take(Target(provider))
        numbers = _NUMBER.findall(call.body)
        line = {
            "call": int(numbers[-1]) if numbers else 0,
            "from": exchange._transport.get_extra_info("peername")[0],
            "credential": call.headers.get("authorization", ""),
            "fault": order.fault.name if order else "",
        }
        try:
            await self._simulator._answer(call, exchange)
        finally:
            line["ended"] = exchange.ended
            self._journal.write(json.dumps(line) + "\n")

    def _follow_orders(self) -> None:
        try:
            written_ns = self._orders.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if written_ns == self._read_ns:
            return
        self._read_ns = written_ns
        said = json.loads(self._orders.read_text())
        self._simulator.switchboard.recover()
        for order in said["orders"]:
            self._simulator.fail(order)
        self._simulator._pace = Pace(
            first_token_s=self._pace.first_token_s * said["slowness"],
            token_s=self._pace.token_s * said["slowness"],
        )


async def main(address: str, ports: Sequence[int], folder: Path, pace: Pace) -> None:
    """Serve until killed."""
    with (folder / "upstream.jsonl").open("a", buffering=1) as file:
        upstream = Upstream(file, folder / "orders.json", pace)
        await upstream.listen(address, ports)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    token_s = float(sys.argv[4])
    asyncio.run(
        main(
            sys.argv[1],
            [int(port) for port in sys.argv[2].split(",")],
            Path(sys.argv[3]),
            Pace(first_token_s=token_s, token_s=token_s),
        )
    )
