"""The overlay for one's own machine runs: its pods, by podman, as the manifests say."""

from collections.abc import Iterator

import httpx
import pytest

from fakes.manifests import SERVICES, rendered
from fakes.pods import Pods

ADMIN = {"authorization": "Bearer hf-dev-admin"}
APP = {"authorization": "Bearer hf-dev"}


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Run every pod of the overlay."""
    with Pods(rendered("dev"), tmp_path_factory.mktemp("dev")) as running:
        running.start(etcd=1, simulator=1, resolver=1, executor=1, edge=1)
        yield running


def ask(pods: Pods, model: str, **headers: str) -> httpx.Response:
    """Ask for a chat completion."""
    return httpx.post(
        f"{pods.uri('edge', 'http')}/v1/chat/completions",
        json={"model": model, "messages": [{"role": "user", "content": "Hello"}]},
        headers={**APP, **headers},
        timeout=30,
    )


@pytest.mark.parametrize(
    ("model", "provider"),
    [("aws/claude-sonnet-4-5-eu", "aws"), ("gpt-oss-120b", "openai")],
)
def test_simulated_providers_answer(pods: Pods, model: str, provider: str) -> None:
    """Each in its own format, with the keys that executors mount."""
    answer = ask(pods, model)

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-holdfast-provider"] == provider


def test_what_administrators_make_is_kept_in_etcd(pods: Pods) -> None:
    """An alias is there for the next call."""
    made = httpx.post(
        f"{pods.uri('edge', 'http')}/v2/models/aliases",
        json={"name": "quick", "fallback_models": ["gpt-oss-120b"]},
        headers=ADMIN,
        timeout=30,
    )

    assert made.is_success, made.text
    assert ask(pods, "quick").status_code == 200


def test_sessions_are_kept(pods: Pods) -> None:
    """By way of etcd, and nobody says that it is unknown."""
    named = {"x-holdfast-session": "s-1"}

    affinity = [
        ask(pods, "claude-sonnet-4-5", **named).headers["x-holdfast-session-affinity"]
        for _ in range(2)
    ]

    assert affinity == ["new", "kept"]


@pytest.mark.parametrize("name", SERVICES)
def test_probes_are_answered(pods: Pods, name: str) -> None:
    """At the ports and paths of the manifests."""
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert pods.probed(name, kind) == 200, kind


def test_they_end_in_good_order(pods: Pods) -> None:
    """Told to stop, with nothing to finish."""
    assert [pods.stop(name) for name in SERVICES] == [0, 0, 0]
