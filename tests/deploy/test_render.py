"""Every overlay renders, fits the schemas, and names nothing that is not there."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from fakes.manifests import (
    DEPLOY,
    OVERLAYS,
    Manifests,
    Object,
    Pod,
    alone,
    rendered,
)

VALIDATE = DEPLOY.parent / ".venv-manifests" / "bin" / "kubernetes-validate"

OLDEST = "1.30"
"""The first version with everything that the manifests use: README.md names it."""

FROM_OUTSIDE = {"api-example-com-tls", "api-eu-example-com-tls", "external-etcd"}
"""Secrets that whoever installs it brings along."""

ETCDS = {"etcd-tls", "etcd-client-tls"}
"""Those of the component `etcd-certificates`, or of the script of that name."""

OPERATORS = {
    f"holdfast-{name}"
    for name in (
        "api-keys",
        "ledger",
        "plan-keys",
        "provider-keys",
        "sealing-keys",
        "session-keys",
    )
}
"""Those that come by hand, by the component `external-secrets` or by an overlay."""


COMPONENTS = sorted(each.name for each in (DEPLOY / "k8s" / "components").iterdir())


def misfits(objects: Iterable[Object], path: Path, version: list[str]) -> list[str]:
    """Say what does not fit the schemas of a version; nothing if all of it does."""
    if not VALIDATE.exists():
        pytest.skip("no kubernetes-validate: `make .venv-manifests/installed`")
    # All at once, and each once: overlays have most of it in common.
    distinct = {json.dumps(each, sort_keys=True) for each in objects}
    path.write_text("\n---\n".join(sorted(distinct)))
    done = subprocess.run(
        [str(VALIDATE), "--strict", *version, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).splitlines()
    # Kinds of others' own are not among them.
    known = [line for line in said if "Couldn't find schema" not in line]
    fitting = [line for line in known if "passed for resource" in line]
    assert len(fitting) > len(distinct) / 2, said
    return [line for line in known if line not in fitting]


@pytest.mark.parametrize(
    "version", [[], ["--kubernetes-version", OLDEST]], ids=["newest", OLDEST]
)
def test_fits_the_schemas_strictly(tmp_path: Path, version: list[str]) -> None:
    """No field that Kubernetes does not know, in the newest version and the oldest.

    Components with the base alone, too: overlays leave out some of what that has.
    """
    restoring = (DEPLOY / "k8s" / "restore-etcd.yaml").read_text()
    objects = [*yaml.safe_load_all(restoring.replace("MEMBER", "0"))]
    for overlay in OVERLAYS:
        objects += rendered(overlay).objects
    for component in COMPONENTS:
        objects += alone(component).objects

    assert misfits(objects, tmp_path / "manifests.yaml", version) == []


def test_nothing_is_there_twice(manifests: Manifests) -> None:
    """What is applied last would win."""
    named = Counter(
        (each["kind"], each["metadata"]["name"]) for each in manifests.objects
    )

    assert [name for name, count in named.items() if count > 1] == []


def test_all_of_it_is_in_one_namespace(manifests: Manifests) -> None:
    """Nothing lands in `default` by mistake, and nothing is the whole cluster's."""
    (namespace,) = manifests.names("Namespace")
    elsewhere = [
        each["metadata"]["name"]
        for each in manifests.objects
        if each["kind"] != "Namespace"
        and each["metadata"].get("namespace") != namespace
    ]

    assert elsewhere == []


def referred(pod: Pod) -> Iterator[tuple[str, str, str | None]]:
    """Return what a pod refers to: the kind, the name, and the key if one is named."""
    yield "ServiceAccount", pod.spec["serviceAccountName"], None
    for volume in pod.spec.get("volumes", ()):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"], None
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], None
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            yield "PersistentVolumeClaim", claim, None
    for variable in pod.env().values():
        for source, kind in (
            ("configMapKeyRef", "ConfigMap"),
            ("secretKeyRef", "Secret"),
        ):
            if reference := variable.get("valueFrom", {}).get(source):
                yield kind, reference["name"], reference["key"]


def secrets(manifests: Manifests) -> set[str]:
    """Return the Secrets that there will be."""
    return (
        manifests.names("Secret")
        | {each["spec"]["secretName"] for each in manifests.of("Certificate")}
        | {each["spec"]["target"]["name"] for each in manifests.of("ExternalSecret")}
        | FROM_OUTSIDE
        | (set() if manifests.of("Certificate") else ETCDS)
    )


def test_what_pods_refer_to_is_there(manifests: Manifests) -> None:
    """Secrets, configuration, accounts and disks."""
    missing = [
        (pod.name, kind, name)
        for pod in manifests.pods()
        for kind, name, key in referred(pod)
        if name
        not in (secrets(manifests) if kind == "Secret" else manifests.names(kind))
        or (
            key is not None
            and kind == "ConfigMap"
            and key not in manifests.named(kind, name)["data"]
        )
    ]

    assert missing == []


def test_every_mount_has_its_volume_and_every_volume_its_mount(
    manifests: Manifests,
) -> None:
    """One without the other is a slip of the pen."""
    for pod in manifests.pods():
        volumes = [volume["name"] for volume in pod.spec.get("volumes", ())]
        claimed = [
            each["metadata"]["name"]
            for each in pod.owner["spec"].get("volumeClaimTemplates", ())
        ]
        mounts = [
            mount["name"]
            for container in pod.containers
            for mount in container.get("volumeMounts", ())
        ]

        assert sorted(set(mounts)) == sorted([*volumes, *claimed]), pod.name


def test_services_lead_to_pods_and_to_ports_of_theirs(manifests: Manifests) -> None:
    """A selector that meets nobody, or a port that nobody has, is a silent outage."""
    for service in manifests.of("Service"):
        behind = manifests.selected({"matchLabels": service["spec"]["selector"]})
        assert len(behind) == 1, service["metadata"]["name"]
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in behind[0].ports


def test_workloads_select_their_own_pods_and_nobody_else_s(
    manifests: Manifests,
) -> None:
    """Two that select each other's fight over them."""
    for each in manifests.of("Deployment", "StatefulSet", "DaemonSet"):
        selected = manifests.selected(each["spec"]["selector"])
        assert [pod.name for pod in selected] == [each["metadata"]["name"]]


def test_budgets_monitors_and_policies_meet_pods(manifests: Manifests) -> None:
    """One that meets nobody protects nobody."""
    selectors = [
        (each["metadata"]["name"], each["spec"]["selector"])
        for each in manifests.of("PodDisruptionBudget", "PodMonitor")
    ] + [
        (each["metadata"]["name"], each["spec"]["podSelector"])
        for each in manifests.of("NetworkPolicy")
    ]

    idle = [name for name, selector in selectors if not manifests.selected(selector)]
    assert idle == []


def test_monitors_ask_at_ports_that_there_are(production: Manifests) -> None:
    """Of each pod that they select."""
    for monitor in production.of("PodMonitor"):
        for pod in production.selected(monitor["spec"]["selector"]):
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                assert endpoint["port"] in pod.ports, pod.name


def test_autoscalers_scale_what_there_is(manifests: Manifests) -> None:
    """And look at containers that there are."""
    for each in manifests.of("HorizontalPodAutoscaler", "ScaledObject"):
        pod = manifests.pod(each["spec"]["scaleTargetRef"]["name"])
        containers = {container["name"] for container in pod.containers}
        looked_at = [
            metric["containerResource"]["container"]
            for metric in each["spec"].get("metrics", ())
        ] + [
            trigger["metadata"]["containerName"]
            for trigger in each["spec"].get("triggers", ())
            if trigger["type"] == "cpu"
        ]
        assert looked_at
        assert set(looked_at) <= containers


def test_certificates_are_issued_by_who_is_there(production: Manifests) -> None:
    """And an issuer's own certificate is one of those."""
    issuers = production.names("Issuer")
    made = {each["spec"]["secretName"] for each in production.of("Certificate")}
    for each in production.of("Certificate"):
        assert each["spec"]["issuerRef"]["name"] in issuers
    for each in production.of("Issuer"):
        assert each["spec"].get("ca", {}).get("secretName", next(iter(made))) in made


def test_routes_lead_to_the_edge(production: Manifests) -> None:
    """At a port that its Service has, by a gateway that there is."""
    (service,) = [
        each for each in production.of("Service") if each["metadata"]["name"] == "edge"
    ]
    ports = {port["port"] for port in service["spec"]["ports"]}
    (gateway,) = production.of("Gateway")
    listeners = {each["name"] for each in gateway["spec"]["listeners"]}
    for route in production.of("HTTPRoute"):
        for parent in route["spec"]["parentRefs"]:
            assert parent["name"] == gateway["metadata"]["name"]
            assert parent["sectionName"] in listeners
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                assert (backend["name"], backend["port"] in ports) == ("edge", True)


def test_every_image_is_of_one_version(manifests: Manifests) -> None:
    """Never `latest`, and never a name that nobody has filled in."""
    images = {
        container["image"] for pod in manifests.pods() for container in pod.containers
    }

    assert all("/" in image for image in images), images
    assert all(
        "@sha256:" in image or image.rpartition(":")[2][0].isalnum() for image in images
    )
    assert not any(image.endswith(":latest") for image in images)
    assert len([image for image in images if "/holdfast" in image]) == 1


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_component_can_be_had_without_the_others(
    component: str,
) -> None:
    """What it adds to the base names nothing of another's, but for etcd's Secrets."""
    manifests = alone(component)
    from_others = ETCDS if component == "etcd" else set()
    there = secrets(manifests) | from_others | OPERATORS

    missing = [
        (pod.name, kind, name)
        for pod in manifests.pods()
        for kind, name, _ in referred(pod)
        if name not in (there if kind == "Secret" else manifests.names(kind))
    ]

    assert missing == []


def test_an_etcd_of_somebody_else_takes_the_place_of_ours() -> None:
    """The resolver asks it, and nobody else does."""
    manifests = alone("external-etcd")

    assert not manifests.of("StatefulSet")
    asking = [
        pod.name for pod in manifests.pods() if "HOLDFAST_ETCD_ENDPOINTS" in pod.env()
    ]
    assert asking == ["resolver"]
