"""The demo, run as a newcomer runs it: `holdfast up` and nothing else."""

import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from fakes.processes import Process, descendants

HOLDFAST = str(Path(sys.executable).with_name("holdfast"))
_STOP_S = 30
_LAST_LINE = "holdfast aliases"


def without_credentials() -> dict[str, str]:
    """Return an environment in which no provider would be called for real."""
    secret = re.compile(r"KEY|TOKEN|SECRET|CREDENTIAL", re.IGNORECASE)
    return {
        name: value for name, value in os.environ.items() if not secret.search(name)
    }


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and what it ended with."""

    status: int
    out: str
    err: str


def holdfast(folder: Path, *arguments: str) -> Said:
    """Run a command in a folder."""
    done = subprocess.run(
        [HOLDFAST, *arguments],
        cwd=folder,
        env=without_credentials(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


class Demo:
    """A demo that runs in a folder.

    Attributes:
        greeting: All that it said once it was ready.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.greeting = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with (self.folder / "stderr.log").open("a") as log:
            self._process = subprocess.Popen(
                [HOLDFAST, "up"],
                cwd=self.folder,
                env=without_credentials(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.greeting += line
            if _LAST_LINE in line:
                break
        assert self.greeting, (self.folder / "stderr.log").read_text()
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def children(self) -> list[Process]:
        """What it has started."""
        return descendants(self.pid)

    def run(self, *arguments: str) -> Said:
        """Run a command beside it."""
        return holdfast(self.folder, *arguments)

    def paste(self, model: str | None = None, *, call: int = 0) -> httpx.Response:
        """Send a call that the greeting offers, to another model if one is named."""
        pasted = "curl " + self.greeting.split(" curl ")[call + 1].split("\n\n")[0]
        command, *words = shlex.split(pasted.replace("\\\n", " "))
        assert command == "curl"
        headers, body, uri = {}, "", ""
        while words:
            match words.pop(0):
                case "-i":
                    pass
                case "-H":
                    name, _, value = words.pop(0).partition(": ")
                    headers[name] = value
                case "-d":
                    body = words.pop(0)
                case word:
                    uri = word
        if model is not None:
            body = body.replace("claude-sonnet-4-5", model)
        return httpx.post(uri, content=body, headers=headers, timeout=30)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and return what it ended with."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(_STOP_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
