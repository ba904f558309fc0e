"""The production overlay runs: its pods, by podman, with certificates as it asks.

Its database, its collector and its providers are elsewhere, and nothing leads out.
"""

from collections.abc import Iterator

import httpx
import pytest

from fakes.manifests import SERVICES, Manifests, rendered
from fakes.pods import Files, Pods, issued
from holdfast.signing import new_key

ADMIN_KEY = "hf-first-admin"
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
MEMBERS = range(3)


def secrets(manifests: Manifests) -> dict[str, Files]:
    """Bring along what an operator would."""
    key = {"keys": new_key().encode()}
    provider_keys = (
        "anthropic",
        "aws-access-key-id",
        "aws-secret-access-key",
        "mistral",
        "openai",
    )
    return {
        **issued(manifests),
        "holdfast-plan-keys": key,
        "holdfast-sealing-keys": key,
        "holdfast-session-keys": key,
        "holdfast-api-keys": {"first-admin": ADMIN_KEY.encode()},
        "holdfast-provider-keys": dict.fromkeys(provider_keys, b"invented"),
        "holdfast-ledger": {"url": b"postgresql+asyncpg://holdfast@nowhere/holdfast"},
    }


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    """Run three members of etcd, two resolvers, and one of the others."""
    manifests = rendered("prod")
    folder = tmp_path_factory.mktemp("prod")
    with Pods(manifests, folder, secrets(manifests)) as running:
        running.start(etcd=len(MEMBERS), resolver=2, executor=1, edge=1)
        yield running


def call(
    pods: Pods, method: str, path: str, key: str, **more: object
) -> httpx.Response:
    """Ask the edge."""
    return httpx.request(
        method,
        pods.uri("edge", "http") + path,
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
        **more,
    )


def test_members_of_etcd_speak_to_each_other_over_tls(pods: Pods) -> None:
    """All three have the leader that the others have."""
    for number in MEMBERS:
        figures = httpx.get(pods.uri("etcd", "metrics", number) + "/metrics").text

        assert "etcd_server_has_leader 1" in figures


def test_edits_reach_etcd_and_calls_reach_executors_over_tls(pods: Pods) -> None:
    """An administrator makes a project and its key; who has it is let in at once.

    There is no way out to a provider, which the answer says of each.
    """
    for path, body in (
        ("/v2/projects", {"id": "app"}),
        ("/v2/projects/app/keys", {"id": "one"}),
    ):
        made = call(pods, "POST", path, ADMIN_KEY, json=body)
        assert made.is_success, made.text
    asked = call(
        pods,
        "POST",
        "/v1/chat/completions",
        made.json()["secret"],
        json={
            "model": "claude-sonnet-4-5",
            "messages": [{"role": "user", "content": "Hi"}],
        },
    )

    assert asked.status_code in {502, 503}, asked.text
    attempts = asked.json()["error"]["attempts"]
    assert {each["status"] for each in attempts} == {None}


def test_nobody_is_let_in_without_a_certificate(pods: Pods) -> None:
    """Neither to etcd nor to a service."""
    for name, port in (("etcd", "client"), ("resolver", "grpc"), ("executor", "grpc")):
        with pytest.raises(httpx.TransportError):
            httpx.get(pods.uri(name, port))


@pytest.mark.parametrize("name", SERVICES)
def test_probes_are_answered_in_the_clear(pods: Pods, name: str) -> None:
    """A kubelet shows no certificate."""
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert pods.probed(name, kind) == 200, kind


@pytest.mark.parametrize(
    ("job", "says"),
    [("etcd-backup", "/backup/etcd-"), ("etcd-defragment", "nothing to do")],
)
def test_jobs_do_their_work(pods: Pods, job: str, says: str) -> None:
    """With certificates of their own, of all three members."""
    done = pods.carry_out(job)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(says)


def test_they_end_in_good_order(pods: Pods) -> None:
    """Told to stop, with nothing to finish; the ledger cannot be written."""
    assert [pods.stop(name) for name in SERVICES] == [0, 0, 0]
