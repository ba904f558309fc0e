"""`python -m bench.sizing --requests-s 500 --sessions 20000`: what a load takes."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields

from bench.measured import Measured
from bench.sizing.model import Demand
from bench.sizing.report import tables


def main(arguments: Sequence[str] | None = None) -> int:
    """Print it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.sizing", description=__doc__)
    for field in fields(Demand):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=float, default=field.default)
    asked = parser.parse_args(arguments)
    print(tables(Demand(**vars(asked)), Measured.read()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
