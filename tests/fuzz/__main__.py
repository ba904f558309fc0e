"""`python -m tests.fuzz`: the demo, fuzzed with a key of each kind.

No answer may be a 5xx that the description does not have, and each has to be as it is
described. Schemathesis has an environment of its own; `make fuzz` makes it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from fakes.demo import Demo, without_credentials  # noqa: E402 - found by the line above

SCHEMATHESIS = HERE.parents[1] / ".venv-fuzz" / "bin" / "schemathesis"

SECONDS = 80
"""For each key: both, and starting the demo, take three minutes at the most."""

LEFT_OUT = (
    # The description cannot say which models there are, nor which names are taken.
    "positive_data_acceptance",
    # The key is a header of the run's own, which stays when others are taken away.
    "ignored_auth",
)
"""The checks that cannot know better."""

KEYS = {"runtime": "demo.key", "admin": "demo.admin.key"}
"""The runtime key comes first: an admin key may well set a budget of nothing."""


def main() -> int:
    """Fuzz with each key; return 1 if anything was found."""
    if not SCHEMATHESIS.exists():
        sys.stderr.write(f"there is no {SCHEMATHESIS}: `make fuzz` installs it\n")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Demo(folder) as demo:
            url = demo.greeting.split()[1]
            found = [
                kind
                for kind, file in KEYS.items()
                if fuzz(url, folder, folder / ".holdfast" / file, kind)
            ]
        faults = [
            line
            for line in (folder / "stderr.log").read_text().splitlines()
            if "request_failed" in line
        ]
    for line in faults[:20]:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"faults of the gateway's own: {len(faults)}\n")
    return 1 if found or faults else 0


def fuzz(url: str, folder: Path, key_file: Path, kind: str) -> int:
    """Run Schemathesis with one key in a folder, and return its exit status."""
    key = key_file.read_text().strip()
    sys.stdout.write(f"\n=== with the {kind} key ===\n\n")
    sys.stdout.flush()
    return subprocess.run(
        [
            *(SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run"),
            *(f"{url}/openapi.json", "--header", f"x-opper-api-key: {key}"),
            *("--max-time", str(SECONDS), "--max-examples", "30"),
            *("--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)),
            *("--phases", "examples,coverage,fuzzing"),
            *("--continue-on-failure", "--request-timeout", "30"),
            # What is rarely generated is rarely tested, and no fault of anybody's.
            *("--suppress-health-check", "all"),
        ],
        cwd=folder,
        env=without_credentials(),
        timeout=SECONDS * 2,
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
