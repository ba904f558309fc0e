"""The image runs all there is to run, as nobody in particular, without a shell."""

import signal
import subprocess
from pathlib import Path

import pytest

from fakes.containers import Container, command
from holdfast.signing import new_key


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the image."""
    return subprocess.run(
        command(words), capture_output=True, text=True, check=False, timeout=60
    )


def test_there_is_no_shell_and_nothing_to_install_with() -> None:
    """Who gets in has nothing to work with."""
    for word in ("sh", "bash", "/bin/sh", "apt", "dpkg", "pip", "tar"):
        assert run(word).returncode == 127, word


def test_it_runs_as_a_user_of_its_own_who_can_write_nothing() -> None:
    """Unless the root file system could be written to, and then not to the code."""
    code = "import os; print(os.getuid(), os.access('/opt/holdfast', os.W_OK))"

    said = run("python", "-c", code)

    assert said.stdout == "10001 False\n", said.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["holdfast", "etcd", "back-up", "--help"],
        ["holdfast", "etcd", "defragment", "--help"],
        ["python", "-m", "holdfast_cli.demo.server", "--help"],
    ],
)
def test_jobs_and_simulated_providers_are_in_it_too(words: list[str]) -> None:
    """By the commands that the manifests name."""
    said = run(*words)

    assert (said.returncode, said.stderr) == (0, "")


def test_every_library_it_may_need_loads() -> None:
    """Those above all that are loaded only when they are needed."""
    said = run(
        "python",
        "-c",
        "import asyncpg, botocore.session, cryptography, google.auth, grpc,"
        "jsonschema_rs, lxml.etree, msal, re2, sqlalchemy, sqlite3, ssl, uvloop;"
        "import opentelemetry.exporter.otlp.proto.http.trace_exporter",
    )

    assert (said.returncode, said.stderr) == (0, "")


def test_a_container_ends_also_while_it_still_starts(tmp_path: Path) -> None:
    """A signal is sent once; it heeds it from before it has loaded what it is."""
    (tmp_path / "holdfast.yaml").write_text("ledger: none\n")
    tmp_path.chmod(0o755)
    variables = {
        "HOLDFAST_CONFIG": "/etc/holdfast/holdfast.yaml",
        "HOLDFAST_PLAN_KEYS": new_key(),
        "HOLDFAST_LISTEN": "127.0.0.1:0",
    }
    with Container("starting", ["holdfast-resolver"], tmp_path, variables) as starting:
        while not starting.heeds(signal.SIGTERM):
            pass
        starting.send("TERM")
        status = starting.wait()

    assert status == 0
    assert "ready " not in starting.said
