"""The manifests of deploy/k8s as Kubernetes would be given them.

    manifests = rendered("prod")
    for pod in manifests.pods():
        assert pod.containers

They are rendered by the kustomize that kubectl carries, and nothing of them is
looked at before.
"""

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
OVERLAYS = ("dev", "rehearsal", "prod", "prod-eu")
SERVICES = ("edge", "resolver", "executor")

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """What a workload makes its pods from.

    Attributes:
        owner: The workload.
        labels: The pods'.
        spec: The pods'.
        template: Where both are from.
    """

    owner: Object
    labels: Mapping[str, str]
    spec: Object

    @property
    def name(self) -> str:
        """The workload's name."""
        return str(self.owner["metadata"]["name"])

    @property
    def is_job(self) -> bool:
        """Whether it ends by itself."""
        return bool(self.owner["kind"] == "CronJob")

    @property
    def containers(self) -> list[Object]:
        """All of them."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        """The ports of its containers, by name."""
        return {
            port["name"]: port["containerPort"]
            for container in self.containers
            for port in container.get("ports", ())
        }

    def env(self) -> dict[str, Object]:
        """Return what its containers' variables are, by name."""
        return {
            each["name"]: each
            for container in self.containers
            for each in container.get("env", ())
        }

    def mounted(self) -> dict[str, str]:
        """Return the Secrets that it mounts, by where."""
        secrets = {
            volume["name"]: volume["secret"]["secretName"]
            for volume in self.spec.get("volumes", ())
            if "secret" in volume
        }
        return {
            mount["mountPath"]: secrets[mount["name"]]
            for container in self.containers
            for mount in container.get("volumeMounts", ())
            if mount["name"] in secrets
        }


@dataclass(frozen=True, slots=True)
class Manifests:
    """Everything that an overlay makes.

    Attributes:
        text: As it would be applied.
        objects: The same, read.
    """

    text: str
    objects: Sequence[Object]

    def of(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object:
        """Return one object."""
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        return found

    def names(self, *kinds: str) -> set[str]:
        """Return the names of the objects of some kinds."""
        return {each["metadata"]["name"] for each in self.of(*kinds)}

    def pods(self) -> Iterator[Pod]:
        """Return what makes pods."""
        for each in self.of("Deployment", "StatefulSet", "DaemonSet"):
            template = each["spec"]["template"]
            yield Pod(each, template["metadata"]["labels"], template["spec"])
        for each in self.of("CronJob"):
            template = each["spec"]["jobTemplate"]["spec"]["template"]
            yield Pod(each, template["metadata"]["labels"], template["spec"])

    def pod(self, name: str) -> Pod:
        """Return what makes the pods of one workload."""
        (found,) = [pod for pod in self.pods() if pod.name == name]
        return found

    def selected(self, selector: Mapping[str, Any]) -> list[Pod]:
        """Return the pods that a selector of labels meets."""
        return [pod for pod in self.pods() if matches(selector, pod.labels)]


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector meets labels; an empty one meets all."""
    selector = selector or {}
    wanted = selector.get("matchLabels", {})
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions", ()))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", ())
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            raise AssertionError(f"{operator} is no operator")


def kubectl() -> str:
    """Return kubectl; skips the test where there is none."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("there is no kubectl on PATH to render the manifests with")
    return found


@functools.cache
def render(folder: Path) -> Manifests:
    """Render a kustomization."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return Manifests(done.stdout, [*yaml.safe_load_all(done.stdout)])


def rendered(overlay: str) -> Manifests:
    """Render an overlay."""
    return render(DEPLOY / "k8s" / "overlays" / overlay)


@functools.cache
def alone(component: str) -> Manifests:
    """Render an overlay of the base and one component."""
    with tempfile.TemporaryDirectory() as folder:
        k8s = os.path.relpath(DEPLOY / "k8s", folder)
        overlay = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "holdfast",
            "resources": [f"{k8s}/base"],
            "components": [f"{k8s}/components/{component}"],
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return render(Path(folder))
