"""`python -m bench.load SPEC`: run one load, given as JSON, and print its figures."""

import sys

from bench.load.generator import Load
from bench.load.spec import LoadSpec


def main() -> None:
    """Run it."""
    print(Load(LoadSpec.from_json(sys.argv[1])).run().to_json())


if __name__ == "__main__":
    main()
