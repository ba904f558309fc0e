"""The process the simulated providers run in.

    python -m holdfast_cli.demo.server --port 9100 --providers anthropic,aws

Prints `listening PORT` when it can be called, and then only faults of its own.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from holdfast_cli.demo.misbehaviour import Pace
from holdfast_cli.demo.simulator import Simulator

READY = "listening"
"""The word before the port on the line that says it can be called."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until stopped, or until whoever started it is gone."""
    parser = argparse.ArgumentParser(prog="holdfast_cli.demo.server")
    parser.add_argument("--host", default="127.0.0.1", help="of this machine's")
    parser.add_argument("--port", type=int, default=0, help="zero picks a free one")
    parser.add_argument("--providers", default="", help="ids, with commas between")
    parser.add_argument("--first-token-s", type=float, default=0.0)
    parser.add_argument("--token-s", type=float, default=0.0)
    parser.add_argument(
        "--with-parent",
        action="store_true",
        help="end when standard input ends, and leave Ctrl-C to the parent",
    )
    asyncio.run(_serve(parser.parse_args(arguments)))


async def _serve(options: argparse.Namespace) -> None:
    simulator = Simulator(
        providers=[each for each in options.providers.split(",") if each],
        pace=Pace(options.first_token_s, options.token_s),
    )
    port = await simulator.listener.start(options.port, options.host)
    print(f"{READY} {port}", flush=True)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    if options.with_parent:
        # The parent holds the other end and never writes. However it dies, the
        # kernel closes that end; and a pipe, unlike a death signal, does not
        # mind which of the parent's threads started the process.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_reader(sys.stdin.fileno(), stopped.set)
    else:
        loop.add_signal_handler(signal.SIGINT, stopped.set)
    await stopped.wait()
    await simulator.listener.close()


if __name__ == "__main__":
    main()
