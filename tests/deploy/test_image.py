"""The image runs all there is to run, as nobody in particular, without a shell."""

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from fakes.containers import Container, command
from fakes.gateway import KEY, configuration
from fakes.names import port_of
from fakes.provider import SimulatedProviders
from holdfast.signing import new_key
from holdfast_cli.demo.misbehaviour import Pace

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the image."""
    return subprocess.run(
        command(words), capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def providers() -> Iterator[SimulatedProviders]:
    """Give providers outside, whose streams take a second or two."""
    with SimulatedProviders(pace=Pace(token_s=0.1)) as simulated:
        yield simulated


class Services:
    """The three services, each a container.

    Attributes:
        edge: So are the resolver and the executor there.
        url: The edge's.
    """

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        ports = {
            name: port_of("127.0.0.1") for name in ("edge", "resolver", "executor")
        }
        shared = {
            "HOLDFAST_CONFIG": "/etc/holdfast/holdfast.yaml",
            "HOLDFAST_PLAN_KEYS_FILE": "/etc/holdfast/plan-keys",
            "HOLDFAST_RESOLVER_TARGETS": f"127.0.0.1:{ports['resolver']}",
            "HOLDFAST_EXECUTOR_TARGETS": f"127.0.0.1:{ports['executor']}",
            "HOLDFAST_DRAIN_SECONDS": "20",
        }
        started = {
            name: stack.enter_context(
                Container(
                    name,
                    [f"holdfast-{name}"],
                    folder,
                    {**shared, "HOLDFAST_LISTEN": f"127.0.0.1:{port}"},
                )
            )
            for name, port in ports.items()
        }
        for each in started.values():
            each.wait_for("ready ")
        self.edge, self.resolver, self.executor = started.values()
        self.url = f"http://127.0.0.1:{ports['edge']}"


@pytest.fixture
def services(providers: SimulatedProviders, tmp_path: Path) -> Iterator[Services]:
    """Run the three services, in front of the providers outside."""
    config = configuration(providers, {"m": [{"provider": "one"}]}, ledger="none")
    (tmp_path / "holdfast.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "plan-keys").write_text(new_key())
    # Pytest's own folders are its user's alone.
    tmp_path.chmod(0o755)
    with contextlib.ExitStack() as stack:
        yield Services(stack, tmp_path)


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
        "import asyncpg, aiosqlite, botocore.session, cryptography, google.auth, grpc,"
        "jsonschema_rs, lxml.etree, msal, re2, sqlalchemy, sqlite3, ssl, uvloop;"
        "import opentelemetry.exporter.otlp.proto.http.trace_exporter",
    )

    assert (said.returncode, said.stderr) == (0, "")


def ask(services: Services, *, stream: bool = False) -> httpx.Response:
    """Ask for a chat completion."""
    return httpx.post(
        f"{services.url}/v1/chat/completions",
        json={**CHAT, "stream": stream},
        headers={"x-opper-api-key": KEY},
        timeout=30,
    )


def test_the_three_services_answer_a_call(services: Services) -> None:
    """Through the edge, whole and streamed."""
    whole, streamed = ask(services), ask(services, stream=True)

    assert whole.status_code == 200, whole.text
    assert whole.json()["choices"][0]["message"]["content"]
    assert streamed.text.endswith("data: [DONE]\n\n")


def test_a_container_that_is_told_to_stop_finishes_first(services: Services) -> None:
    """Its process is the first of its container, and hears signals all the same."""
    answers: list[httpx.Response] = []
    streaming = threading.Thread(
        target=lambda: answers.append(ask(services, stream=True))
    )
    ask(services)
    streaming.start()
    # The stream has begun once the executor is at it.
    executing = httpx.Timeout(30)
    while _in_flight(services, executing) < 1:
        pass

    services.executor.send("TERM")
    services.edge.send("TERM")
    statuses = services.executor.wait(), services.edge.wait()
    streaming.join()

    assert statuses == (0, 0)
    assert answers[0].text.endswith("data: [DONE]\n\n")


def _in_flight(services: Services, timeout: httpx.Timeout) -> float:
    """Return how many requests the edge has, but for the one that asks."""
    text = httpx.get(f"{services.url}/metrics", timeout=timeout).text
    (line,) = [
        line
        for line in text.splitlines()
        if line.startswith("holdfast_edge_requests_in_flight ")
    ]
    return float(line.rpartition(" ")[2]) - 1


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
