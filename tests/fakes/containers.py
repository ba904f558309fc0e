"""The image, run as Kubernetes runs it: as nobody in particular, unable to write.

with Container("edge", ["holdfast-edge"], folder, variables) as edge:
    edge.wait_for("ready ")
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

IMAGE = os.environ.get("HOLDFAST_IMAGE", "localhost/holdfast:dev")

CONFINED = (
    "--read-only",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--user=10001:10001",
    "--tmpfs=/tmp:size=64m,mode=1777",
)
"""What the restricted standard for pods asks for."""

# Its own are more than some machines let anybody have.
_LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")
_START_S = 60.0
_STOP_S = 30.0


def podman() -> str:
    """Return podman; skips the test where it, or the image, is not there."""
    found = shutil.which("podman")
    if found is None:
        pytest.skip("there is no podman to run the image with")
    known = subprocess.run(
        [found, "image", "exists", IMAGE], capture_output=True, check=False
    )
    if known.returncode:
        pytest.skip(f"there is no image {IMAGE}: `make image` builds it")
    return found


def command(words: Sequence[str], *options: str) -> list[str]:
    """Return what runs a command in the image, on this machine's own network."""
    fixed = ["--rm", "--runtime=runc", "--network=host", "--log-driver=none"]
    return [podman(), "run", *fixed, *_LIMITS, *CONFINED, *options, IMAGE, *words]


class Container:
    """One container, while the context lasts.

    Attributes:
        name: What podman calls it.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        folder: Path,
        variables: Mapping[str, str],
    ) -> None:
        """Prepare; entering the context starts it.

        Args:
            name: What it is called, and its log in the folder.
            words: Its command.
            folder: Mounted at /etc/holdfast, to be read alone.
            variables: Its environment.
        """
        self.name = f"holdfast-test-{os.getpid()}-{name}"
        self._log = folder / f"{name}.log"
        self._command = command(
            words,
            f"--name={self.name}",
            f"--volume={folder}:/etc/holdfast:ro",
            *(f"--env={key}={value}" for key, value in variables.items()),
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.send("KILL")
            self._process.wait(_STOP_S)

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self._log.read_text(errors="replace")

    def wait_for(self, words: str) -> str:
        """Wait until it prints a line with some words, and return that line."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            for line in self.said.splitlines():
                if words in line:
                    return line
            assert self._process is not None
            assert self._process.poll() is None, self.said
            time.sleep(0.1)
        raise AssertionError(self.said)

    def send(self, number: str) -> None:
        """Send its process a signal."""
        self._podman("kill", f"--signal={number}", self.name)

    def heeds(self, number: int) -> bool:
        """Tell whether its process is there and has a handler for a signal."""
        pid = self._podman("inspect", "--format={{.State.Pid}}", self.name).strip()
        if not pid.isdigit() or pid == "0":
            return False
        status = Path("/proc", pid, "status").read_text()
        (caught,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
        return bool(int(caught, 16) >> (number - 1) & 1)

    def _podman(self, *words: str) -> str:
        return subprocess.run(
            [podman(), *words], capture_output=True, text=True, check=False
        ).stdout

    def wait(self) -> int:
        """Wait until it has ended, and return its status."""
        assert self._process is not None
        return self._process.wait(_STOP_S)
