"""The overlay for trying out what is lost runs, and loses nothing: pods by podman.

Its pods are started together, with files as a kubelet lays them out, and etcd with
the certificates that are made without an operator.
"""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import yaml

from fakes.manifests import DEPLOY, rendered
from fakes.patience import until
from fakes.pods import Files, Pods, decoded

APP = {"authorization": "Bearer hf-dev"}
STREAMS = 8


def made() -> dict[str, Files]:
    """Make etcd's certificates as the README says."""
    done = subprocess.run(
        [str(DEPLOY / "k8s" / "etcd-certificates")],
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        each["metadata"]["name"]: decoded(each)
        for each in yaml.safe_load_all(done.stdout)
    }


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Run three members of etcd, two resolvers, two executors and an edge."""
    folder = tmp_path_factory.mktemp("rehearsal")
    with Pods(rendered("rehearsal"), folder, made()) as running:
        running.start(etcd=3, simulator=1, resolver=2, executor=2, edge=1)
        yield running


def ask(pods: Pods, *, stream: bool = False) -> httpx.Response:
    """Ask for a chat completion."""
    return httpx.post(
        f"{pods.uri('edge', 'http')}/v1/chat/completions",
        json={
            "model": "gpt-oss-120b",
            "messages": [{"role": "user", "content": "Hello"}],
            "stream": stream,
        },
        headers=APP,
        timeout=60,
    )


def provider(pods: Pods, method: str, control: str, **told: Any) -> Any:
    """Ask the simulated providers what they have seen, or tell them what to do."""
    uri = f"{pods.uri('simulator', 'http')}/control/{control}"
    return httpx.request(method, uri, json=told).raise_for_status().json()


def shown(pods: Pods) -> set[str]:
    """Ask, and return the keys that providers were shown for it."""
    provider(pods, "DELETE", "log")
    ask(pods).raise_for_status()
    return {
        each["headers"]["authorization"]
        for each in provider(pods, "GET", "log")["received"]
    }


def test_a_call_is_answered(pods: Pods) -> None:
    """Through all three services."""
    answer = ask(pods, stream=True)

    assert answer.status_code == 200, answer.text
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_a_key_that_is_replaced_in_its_secret_is_used(pods: Pods) -> None:
    """By pods that run on, once the kubelet has changed the mounted files."""
    before = shown(pods)
    names = ("anthropic", "aws", "groq", "openai")
    pods.replace("holdfast-provider-keys", dict.fromkeys(names, b"another"))

    await until(lambda: shown(pods) == {"Bearer another"})
    assert before == {"Bearer any"}


async def test_pods_that_are_told_to_stop_cut_no_stream(pods: Pods) -> None:
    """A resolver and an executor at once: they end in good order, and streams whole.

    Then the edge, with nothing to finish: unlike a pod's, a container's network goes
    with its process, and what that has sent last may go with it.
    """
    provider(pods, "DELETE", "log")
    for name in ("openai", "groq"):
        provider(pods, "POST", "fail", provider=name, fault="slow")
    with ThreadPoolExecutor(STREAMS + 2) as threads:
        streams = [threads.submit(ask, pods, stream=True) for _ in range(STREAMS)]
        await until(
            lambda: len(provider(pods, "GET", "log")["received"]) >= STREAMS, 30
        )
        statuses = [*threads.map(pods.stop, ("resolver", "executor"))]
        ends = [each.result().text[-14:] for each in streams]

    assert statuses == [0, 0]
    assert ends == ["data: [DONE]\n\n"] * STREAMS
    assert pods.stop("edge") == 0
