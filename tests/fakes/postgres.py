"""A real PostgreSQL of the test's own, on a free port, stopped and started at will."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

_USER = "postgres"
_START_S = 30
_PLACES = (
    *(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")),
    "/usr/local/bin",
    "/usr/bin",
)


def _binaries() -> Path:
    found = shutil.which("initdb", path=os.pathsep.join(_PLACES))
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: no initdb in {':'.join(_PLACES)}")
    return Path(found).parent


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Postgres:
    """A server with one empty database.

    Attributes:
        uri: Where it is, as the configuration file names it.
    """

    def __init__(self) -> None:
        self._bin = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # It refuses to run as root.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            group = pwd.getpwnam(_USER).pw_gid
            self._as = {"user": _USER, "group": group, "extra_groups": []}
            shutil.chown(self._folder, _USER)
        self.uri = f"postgresql+asyncpg://{_USER}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._bin / "postgres"),
                    *("-D", str(self._folder / "data")),
                    *("-k", str(self._folder)),
                    *("-p", str(self._port)),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                **self._as,
            )
        ends = time.monotonic() + _START_S
        while self.psql("SELECT 1", check=False) != "1":
            assert time.monotonic() < ends, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it; connections are cut off at once."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_START_S)
            self._process = None

    def psql(self, statement: str, *, check: bool = True) -> str:
        """Have a statement carried out, and return what it says, without headings."""
        done = subprocess.run(
            [
                str(self._bin / "psql"),
                *("-h", "127.0.0.1", "-p", str(self._port), "-U", _USER),
                *("-X", "-A", "-t", "-q", "-c", statement),
            ],
            capture_output=True,
            text=True,
            check=check,
        )
        return done.stdout.strip()

    def database(self, name: str, *, template: str = "template1") -> str:
        """Make a database that has what another has, and return where it is."""
        self.psql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.uri.removesuffix("postgres") + name

    def __enter__(self) -> Self:
        subprocess.run(
            [
                str(self._bin / "initdb"),
                *("-D", str(self._folder / "data")),
                *("-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8"),
            ],
            check=True,
            capture_output=True,
            cwd=self._folder,
            **self._as,
        )
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)
