"""What every pod has to be: confined, probed, scaled, and given time to finish."""

import re
from typing import Any

import pytest

from fakes.confinement import faults
from fakes.manifests import SERVICES, Manifests, Pod, alone

NAMES_ARE_KEPT_S = 60
"""By the cluster's name service, and by a cache on each node: 30 s each by default."""

LAST_WORDS_S = 10
"""What is left at the end of a drain: last words, reports, the ledger's last batch."""


def test_pods_are_confined(manifests: Manifests) -> None:
    """As the restricted standard has it, and without a token."""
    assert [fault for pod in manifests.pods() for fault in faults(pod)] == []


def test_the_namespace_lets_nothing_else_in(manifests: Manifests) -> None:
    """Kubernetes itself refuses what does not hold to the standard."""
    (namespace,) = manifests.of("Namespace")

    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_accounts_come_without_tokens(manifests: Manifests) -> None:
    """Nobody speaks to the API server, so there is nothing to bind to roles."""
    for account in manifests.of("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False
    assert not manifests.of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")


def test_pods_say_what_they_need_and_are_not_throttled(manifests: Manifests) -> None:
    """Memory is bounded; CPU is not, for that would be a latency."""
    for pod in manifests.pods():
        for container in pod.containers:
            resources = container["resources"]
            assert resources["requests"].keys() == {"cpu", "memory"}, pod.name
            assert resources["limits"].keys() == {"memory"}, pod.name


def test_no_secret_is_in_a_variable(manifests: Manifests) -> None:
    """There it would be in every dump, and never change."""
    secret = re.compile(r"(KEY|KEYS|PASSWORD|TOKEN|SECRET)$")
    for pod in manifests.pods():
        for name, variable in pod.env().items():
            assert "secretKeyRef" not in variable.get("valueFrom", {}), name
            assert not secret.search(name), name
        assert not any(container.get("envFrom") for container in pod.containers)


def test_secrets_are_mounted_whole_and_for_the_group_alone(
    manifests: Manifests,
) -> None:
    """A subPath never changes with its Secret."""
    for pod in manifests.pods():
        for container in pod.containers:
            for mount in container.get("volumeMounts", ()):
                assert "subPath" not in mount, pod.name
        for volume in pod.spec.get("volumes", ()):
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440, pod.name
                assert pod.spec["securityContext"]["fsGroup"] > 0, pod.name


def test_only_executors_have_providers_keys(manifests: Manifests) -> None:
    """Of the three services, each has what it needs and nothing else."""
    own = {
        name: {
            secret.removeprefix("holdfast-").split("-")[0]
            for mounted, secret in manifests.pod(name).mounted().items()
            if mounted not in {"/run/holdfast/tls", "/run/holdfast/etcd-tls"}
        }
        for name in SERVICES
    }

    assert own["edge"] == {"session"}
    assert own["executor"] == {"plan", "sealing", "provider"}
    assert own["resolver"] - {"ledger"} == {"plan", "sealing", "api"}


def probes(pod: Pod) -> list[dict[str, Any]]:
    return [
        container[kind]
        for container in pod.containers
        for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        if kind in container
    ]


def test_probes_ask_at_ports_that_there_are(manifests: Manifests) -> None:
    """Each of the three services has all three probes."""
    for pod in manifests.pods():
        for probe in probes(pod):
            (asked,) = [
                probe[kind] for kind in ("httpGet", "tcpSocket") if kind in probe
            ]
            assert asked["port"] in pod.ports, pod.name
    assert {len(probes(manifests.pod(name))) for name in SERVICES} == {3}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_lives_while_it_drains(manifests: Manifests, name: str) -> None:
    """Liveness is asked where it is told apart from readiness, and in the clear."""
    (container,) = manifests.pod(name).containers

    assert container["livenessProbe"]["httpGet"] == {
        "path": "/livez",
        "port": "metrics",
    }
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("name", SERVICES)
def test_the_grace_is_long_enough(manifests: Manifests, name: str) -> None:
    """It begins before preStop, and has to outlast that, the drain and last words."""
    pod = manifests.pod(name)
    (container,) = pod.containers
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(pod.env()["HOLDFAST_DRAIN_SECONDS"]["value"])

    assert pause >= 5
    assert pod.spec["terminationGracePeriodSeconds"] >= pause + drain + LAST_WORDS_S


def scaled(manifests: Manifests) -> dict[str, dict[str, Any]]:
    """Return the autoscalers, by whom they scale."""
    found: dict[str, dict[str, Any]] = {}
    for each in manifests.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = each["spec"]["scaleTargetRef"]["name"]
        assert target not in found, f"two autoscalers fight over {target}"
        found[target] = each["spec"]
    return found


def test_autoscalers_alone_say_how_many(manifests: Manifests) -> None:
    """Every apply would take back what they have decided."""
    assert_scaled_once(manifests)


@pytest.mark.parametrize("component", ["mtls", "keda"])
def test_each_way_to_scale_has_all_three_services(
    component: str,
) -> None:
    """With KEDA and without, each has one autoscaler and nobody else who says."""
    manifests = alone(component)

    assert scaled(manifests).keys() == set(SERVICES)
    assert_scaled_once(manifests)


def assert_scaled_once(manifests: Manifests) -> None:
    autoscalers = scaled(manifests)
    for pod in manifests.pods():
        if not pod.is_job and pod.owner["kind"] != "DaemonSet":
            assert ("replicas" in pod.owner["spec"]) is (pod.name not in autoscalers)


def fewest(manifests: Manifests, pod: Pod) -> int:
    """Return how many pods of a workload there are at least."""
    autoscaler = scaled(manifests).get(pod.name)
    if autoscaler is None:
        return int(pod.owner["spec"]["replicas"])
    return int(autoscaler.get("minReplicas", autoscaler.get("minReplicaCount")))


def test_one_may_be_away_and_one_be_lost(production: Manifests) -> None:
    """Every service has three at least, and gives them up one at a time."""
    for name in (*SERVICES, "etcd"):
        pod = production.pod(name)
        (budget,) = [
            each["spec"]
            for each in production.of("PodDisruptionBudget")
            if pod in production.selected(each["spec"]["selector"])
        ]

        assert fewest(production, pod) >= 3
        assert budget["maxUnavailable"] == 1


def test_budgets_never_keep_a_node_from_being_emptied(manifests: Manifests) -> None:
    """A workload that may lose nobody would hold up every upgrade of its node."""
    for each in manifests.of("PodDisruptionBudget"):
        for pod in manifests.selected(each["spec"]["selector"]):
            spared = each["spec"].get("minAvailable", 0)
            assert each["spec"].get("maxUnavailable", 1) >= 1
            assert fewest(manifests, pod) > spared


def test_etcd_keeps_its_majority(production: Manifests) -> None:
    """On nodes apart, and one that is not ready counts as lost."""
    etcd = production.pod("etcd")
    (budget,) = [
        each["spec"]
        for each in production.of("PodDisruptionBudget")
        if each["metadata"]["name"] == "etcd"
    ]
    (apart,) = etcd.spec["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]

    assert etcd.owner["spec"]["replicas"] % 2 == 1
    assert budget["unhealthyPodEvictionPolicy"] == "IfHealthyBudget"
    assert apart["topologyKey"] == "kubernetes.io/hostname"


def test_pods_are_spread_over_zones_and_nodes(production: Manifests) -> None:
    """A zone that is lost takes a third."""
    for name in SERVICES:
        over = {
            each["topologyKey"]
            for each in production.pod(name).spec["topologySpreadConstraints"]
        }

        assert over == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_new_pods_are_there_before_old_ones_go(production: Manifests) -> None:
    """And everybody has to have heard of them, however long names are kept."""
    for name in SERVICES:
        spec = production.pod(name).owner["spec"]

        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert spec["minReadySeconds"] >= NAMES_ARE_KEPT_S
        assert spec["progressDeadlineSeconds"] > 2 * spec["minReadySeconds"]
