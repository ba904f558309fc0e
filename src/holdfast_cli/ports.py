"""Addresses on this machine for services that nobody gave one."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_HOST = "127.0.0.1"


@contextmanager
def usual_or_free(port: int) -> Iterator[str]:
    """Give a loopback address with the usual port, or a free one if it is taken.

    Two gateways on one machine then do not fight over the ports that nobody
    chose. The usual port is this gateway's until the context ends, so that of two
    that start at once only one believes it free.
    """
    claim = Path(tempfile.gettempdir()) / f"holdfast-{os.getuid()}-{port}.lock"
    with claim.open("a", encoding="utf-8") as file:
        for candidate in (port, 0) if _locks(file) else (0,):
            if found := _bindable(candidate):
                yield f"{_HOST}:{found}"
                return
    raise OSError(f"no port is free on {_HOST}")


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _bindable(port: int) -> int:
    """Return the port, or whichever is free for port 0; 0 if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return 0
        bound: int = probe.getsockname()[1]
        return bound
