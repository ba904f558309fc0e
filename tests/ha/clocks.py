"""Clocks that go otherwise than the machine's, by libfaketime."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def clock(ahead_s: int) -> Mapping[str, str]:
    """Return what has a process think that it is later than it is.

    Args:
        ahead_s: By how much, in seconds. Below zero: earlier.
    """
    return {**_loaded(), "FAKETIME": f"{ahead_s:+d}s"}


class Clock:
    """A clock that is set while processes go by it."""

    def __init__(self, file: Path) -> None:
        """Go right, by way of a file."""
        self._file = file
        self.set("+0s")

    def set(self, ahead: str) -> None:
        """Say by how much it is ahead, e.g. `+30s`: it is within a second."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(ahead)
        fresh.replace(self._file)

    def variables(self) -> Mapping[str, str]:
        """Return what has a process go by it."""
        return {
            **_loaded(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
        }


def lacks_clocks() -> str:
    """Return why clocks cannot be changed here; nothing if they can."""
    if _LIBRARY is None:
        return "there is no libfaketime: it is in faketime"
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={**os.environ, **clock(3600)},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    is_ahead = said.strip() and float(said) - time.time() > 3000
    return "" if is_ahead else "libfaketime does not change the clock here"


def _loaded() -> Mapping[str, str]:
    return {"LD_PRELOAD": str(_LIBRARY), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
