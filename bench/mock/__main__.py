"""`python -m bench.mock [PORT]`: run the simulated provider until SIGTERM."""

import signal
import sys

from bench.mock.server import MockUpstream


def main() -> None:
    """Run it; the first line of standard output is its port."""
    server = MockUpstream(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    print(server.port, flush=True)
    server.run()


if __name__ == "__main__":
    main()
