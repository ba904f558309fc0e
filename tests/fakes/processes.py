"""The processes that a command has started, and whether they are still there."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process; `started` tells it from a later one of the same number."""

    pid: int
    started: str
    command: str

    @property
    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        found = _status(self.pid)
        return found is not None and found[1] == self.started

    def kill(self) -> None:
        """End it as nobody can see coming."""
        os.kill(self.pid, signal.SIGKILL)


def descendants(pid: int) -> list[Process]:
    """Return the processes that a process has started, and that those have."""
    parents: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (found := _status(int(entry.name))):
            parents.setdefault(found[0], []).append(int(entry.name))
    below: list[Process] = []
    waiting = list(parents.get(pid, ()))
    while waiting:
        child = waiting.pop()
        waiting += parents.get(child, ())
        if found := _status(child):
            below.append(Process(child, found[1], _command(child)))
    return below


def _status(pid: int) -> tuple[int, str] | None:
    """Return a process's parent and when it began; None if it has ended."""
    try:
        # The command's name, in brackets, may hold anything.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    state, parent, began = fields[0], int(fields[1]), fields[19]
    return None if state in {"Z", "X"} else (parent, began)


def _command(pid: int) -> str:
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return words.replace(b"\0", b" ").decode(errors="replace").strip()
