"""A real API server takes the manifests, where there is one to ask."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from fakes.manifests import Manifests, kubectl


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl."""
    return subprocess.run(
        [kubectl(), *command], capture_output=True, text=True, check=False
    )


def test_an_api_server_would_take_it(manifests: Manifests, tmp_path: Path) -> None:
    """Strictly, and without a warning, of the security of pods above all.

    Nothing of it is kept. Kinds that the cluster does not know are left out.
    """
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster to ask")
    (namespace,) = manifests.names("Namespace")
    if run("get", "namespace", namespace).returncode:
        pytest.skip(
            f"the cluster has no namespace {namespace} to hold them against: "
            "kubectl apply -f deploy/k8s/base/namespace.yaml"
        )
    known = run("api-versions").stdout.split()
    path = tmp_path / "manifests.yaml"
    path.write_text(
        yaml.safe_dump_all(o for o in manifests.objects if o["apiVersion"] in known)
    )

    said = run(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        f"--filename={path}",
    )

    assert said.returncode == 0, said.stderr
    assert "Warning" not in said.stderr
