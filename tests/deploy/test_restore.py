"""The job that restores a member of etcd makes just the member that there is to be."""

from typing import Any

import pytest
import yaml

from fakes.confinement import faults
from fakes.manifests import DEPLOY, Pod, rendered

COPY = "etcd-20260102T030405000006Z.db"


@pytest.fixture(params=range(3))
def member(request: pytest.FixtureRequest) -> int:
    """Give each of the three in turn."""
    return int(request.param)


def filled(member: int) -> list[dict[str, Any]]:
    """Fill the file in, as README.md says: the disk and the job."""
    text = (DEPLOY / "k8s" / "restore-etcd.yaml").read_text()
    return [
        *yaml.safe_load_all(text.replace("MEMBER", str(member)).replace("COPY", COPY))
    ]


def pod(member: int) -> Pod:
    _, made = filled(member)
    template = made["spec"]["template"]
    return Pod(made, template["metadata"]["labels"], template["spec"])


def options(words: list[str]) -> dict[str, str]:
    """Take a command's options apart."""
    pairs = (word.partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in pairs}


def test_it_makes_the_member_that_will_start(member: int) -> None:
    """With its name, its peers and its folder, on its disk, as its user."""
    manifests = rendered("prod")
    etcd = manifests.pod("etcd")
    (started,), (restored,) = etcd.containers, pod(member).containers
    said = options(
        [each.replace("$(POD_NAME)", f"etcd-{member}") for each in started["args"]]
    )
    told = options(restored["command"])

    for name in ("--name", "--data-dir", "--initial-advertise-peer-urls"):
        assert told[name] == said[name]
    assert told["--initial-cluster"] == said["--initial-cluster"]
    assert restored["image"] == started["image"]
    assert restored["command"][3] == f"/backup/{COPY}"
    mounts = {each["name"]: each["mountPath"] for each in restored["volumeMounts"]}
    assert mounts["data"] == started["volumeMounts"][0]["mountPath"]
    user = "runAsUser"
    assert (
        pod(member).spec["securityContext"][user] == etcd.spec["securityContext"][user]
    )


def test_it_makes_the_disk_that_the_member_will_have(member: int) -> None:
    """As the StatefulSet would, and reads the one that copies are on."""
    manifests = rendered("prod")
    (claimed,) = manifests.named("StatefulSet", "etcd")["spec"]["volumeClaimTemplates"]
    disk, _ = filled(member)
    claims = {
        each["name"]: each["persistentVolumeClaim"]["claimName"]
        for each in pod(member).spec["volumes"]
    }

    assert disk["spec"] == claimed["spec"]
    assert disk["metadata"]["name"] == f"{claimed['metadata']['name']}-etcd-{member}"
    assert claims["data"] == disk["metadata"]["name"]
    assert claims["backup"] in manifests.names("PersistentVolumeClaim")
    account = pod(member).spec["serviceAccountName"]
    assert account in manifests.names("ServiceAccount")


def test_it_is_confined_as_the_others_are(member: int) -> None:
    """Kubernetes would refuse it otherwise."""
    assert faults(pod(member)) == []
