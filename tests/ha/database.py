"""PostgreSQL on a host, as the one ledger of all resolvers."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from fakes.caller import in_time
from ha.hosts import Host
from ha.processes import Process

PORT = 5432
_USER = "postgres"
_START_S = 60.0


def lacks_postgres() -> str:
    """Return why there can be none here; nothing if there can."""
    return "" if _binaries() else "PostgreSQL is not installed"


class Database:
    """A server with one database.

    Attributes:
        host: Where it runs.
        process: The server, to be harmed.
        uri: Where it is, as the configuration file names it.
    """

    def __init__(self, host: Host, logs: Path) -> None:
        """Make its files; `start` starts it."""
        self.host = host
        binaries = _binaries()
        assert binaries is not None
        self._bin = binaries
        # Its own user has to get there, whoever owns the folder of the logs.
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-ha-postgres-"))
        shutil.chown(self._folder, _USER)
        data = self._folder / "data"
        subprocess.run(
            [
                *self._as_user(self._bin / "initdb"),
                *("-D", str(data), "-U", _USER, "--auth=trust", "--no-sync"),
                *("-E", "UTF8"),
            ],
            check=True,
            capture_output=True,
            cwd=self._folder,
        )
        with (data / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.77.0.0/24 trust\n")
        command = [
            *self._as_user(self._bin / "postgres"),
            *("-D", str(data), "-k", str(self._folder), "-p", str(PORT)),
            *("-c", f"listen_addresses={host.address},127.0.0.1"),
        ]
        self.process = Process(host, "postgres", command, logs, {})
        self.uri = f"postgresql+asyncpg://{_USER}@{host.address}:{PORT}/postgres"

    async def start(self) -> None:
        """Start it, and return once it takes connections."""

        async def answers() -> bool:
            # What a killed one left running keeps the next one out for a moment.
            if not self.process.is_alive:
                await self.process.start()
            said = await asyncio.to_thread(self.ask, "SELECT 1", check=False)
            return said == "1"

        await in_time(answers, within_s=_START_S)

    def ask(self, statement: str, *, check: bool = True) -> str:
        """Have a statement carried out, and return its rows, columns parted by `|`."""
        command = [
            str(self._bin / "psql"),
            *("-h", "127.0.0.1", "-p", str(PORT), "-U", _USER),
            *("-X", "-A", "-t", "-q", "-c", statement),
        ]
        done = subprocess.run(
            self.host.command(command), capture_output=True, text=True, check=check
        )
        return done.stdout.strip()

    async def close(self) -> None:
        """End it, and have its files gone."""
        await self.process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _as_user(self, command: Path) -> list[str]:
        if os.geteuid() != 0:
            return [str(command)]
        group = pwd.getpwnam(_USER).pw_gid
        setpriv = shutil.which("setpriv") or "setpriv"
        user = [f"--reuid={_USER}", f"--regid={group}", "--clear-groups"]
        return [setpriv, *user, str(command)]


def _binaries() -> Path | None:
    places = [*map(str, Path("/usr/lib/postgresql").glob("*/bin")), "/usr/bin"]
    found = shutil.which("initdb", path=os.pathsep.join(places))
    return Path(found).parent if found else None
