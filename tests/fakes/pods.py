"""Pods of an overlay, run by podman in a network of their own with names.

    with Pods(rendered("dev"), folder) as pods:
        pods.start(resolver=2, executor=1, edge=1)
        assert pods.probed("edge", "readinessProbe") == 200

What Kubernetes would take from a manifest is taken from it: commands, variables,
files, the user and what it may do. A Service's name leads to its pods, at the pods'
own ports. Nothing leads out of the network.
"""

import base64
import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from fakes.certificates import Authority
from fakes.containers import IMAGE, podman
from fakes.manifests import Manifests, Object, Pod
from holdfast_cli.etcd_binary import find_etcd

Files = Mapping[str, bytes]

_START_S = 60.0
_READABLE = 0o644
_LIMITS = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")


class Pods:
    """Pods, as many of each workload as are started, while the context lasts."""

    def __init__(
        self,
        manifests: Manifests,
        folder: Path,
        secrets: Mapping[str, Files] | None = None,
    ) -> None:
        """Prepare; entering the context makes the network.

        Args:
            manifests: The overlay.
            folder: Where files are that are mounted.
            secrets: Those that come from elsewhere, by name.
        """
        self._manifests = manifests
        self._folder = folder
        self._secrets = secrets or {}
        self._network = f"holdfast-test-{os.getpid()}-{folder.name}"
        self._started: list[str] = []

    def __enter__(self) -> Self:
        made = _run("network", "create", "--internal", self._network)
        if made.returncode:
            pytest.skip(f"podman makes no network here: {made.stderr}")
        # A pod's user is nobody who could look into pytest's own folders.
        for each in (self._folder, *self._folder.parents[:2]):
            each.chmod(0o755)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in self._started:
            _run("rm", "--force", "--time=0", name)
        _run("network", "rm", "--force", self._network)

    def begin(self, name: str, number: int = 0) -> None:
        """Start one of a workload's pods, and do not wait for it."""
        pod = self._manifests.pod(name)
        done = _run("run", "--detach", *self._options(pod, number))
        if "netavark" in done.stderr:
            pytest.skip(f"podman has no network here: {done.stderr}")
        assert done.returncode == 0, done.stderr

    def start(self, **counts: int) -> None:
        """Start pods of workloads, all at once, and wait until each is ready.

        Args:
            counts: How many of each.
        """
        pods = [(name, n) for name, count in counts.items() for n in range(count)]
        for pod in pods:
            self.begin(*pod)
        for pod in pods:
            self.wait_ready(*pod)

    def replace(self, secret: str, files: Files) -> None:
        """Have a Secret say something else to those who mount it, as a kubelet does."""
        _lay(self._folder / secret, files)

    def carry_out(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a job's pod to its end."""
        return _run("run", *self._options(self._manifests.pod(name), 0))

    def wait_ready(self, name: str, number: int = 0) -> None:
        """Wait until a pod's readiness probe holds."""
        deadline = time.monotonic() + _START_S
        while not self._is_ready(name, number):
            if time.monotonic() > deadline:
                log = _run("logs", self._called(name, number))
                raise AssertionError(log.stdout + log.stderr)
            time.sleep(0.1)

    def uri(self, name: str, port: str, number: int = 0) -> str:
        """Return where a pod is, at one of its ports by name."""
        said = _run("inspect", "--format=json", self._called(name, number)).stdout
        networks = json.loads(said)[0]["NetworkSettings"]["Networks"]
        address = networks[self._network]["IPAddress"]
        return f"http://{address}:{self._manifests.pod(name).ports[port]}"

    def probed(self, name: str, kind: str, number: int = 0) -> int:
        """Return what a probe is answered with; 0 if nobody answers."""
        (container,) = self._manifests.pod(name).containers
        asked = container[kind]["httpGet"]
        return _answers(self.uri(name, asked["port"], number) + asked["path"])

    def stop(self, name: str, number: int = 0) -> int:
        """Tell a pod to stop as a kubelet does, and return what it ended with."""
        _run("kill", "--signal=TERM", self._called(name, number))
        return int(_run("wait", self._called(name, number)).stdout)

    def _options(self, pod: Pod, number: int) -> list[str]:
        """Return podman's options for a pod, its image and its command."""
        (container,) = pod.containers
        self._started.append(self._called(pod.name, number))
        variables = {
            name: each.get("value", f"{pod.name}-{number}")
            for name, each in pod.env().items()
        }
        words = (*container.get("command", ()), *container.get("args", ()))
        return [
            "--runtime=runc",
            *_LIMITS,
            f"--name={self._called(pod.name, number)}",
            f"--network={self._network}",
            *(f"--network-alias={each}" for each in self._names(pod, number)),
            *_confined(pod, container),
            *(f"--env={name}={value}" for name, value in variables.items()),
            *self._mounts(pod),
            IMAGE,
            *(_expanded(word, variables) for word in words),
        ]

    def _called(self, name: str, number: int) -> str:
        return f"{self._network}-{name}-{number}"

    def _names(self, pod: Pod, number: int) -> list[str]:
        names = [
            each["metadata"]["name"]
            for each in self._manifests.of("Service")
            if matches_pod(self._manifests, each, pod)
        ]
        within = pod.owner["spec"].get("serviceName")
        return [*names, f"{pod.name}-{number}.{within}"] if within else names

    def _mounts(self, pod: Pod) -> list[str]:
        (container,) = pod.containers
        volumes = {each["name"]: each for each in pod.spec.get("volumes", ())}
        options = [
            option
            for mount in container.get("volumeMounts", ())
            for option in self._mount(
                pod, volumes.get(mount["name"]), mount["mountPath"]
            )
        ]
        if container["command"] == ["etcd"]:
            # This machine's takes the place of etcd's own image.
            options.append(f"--volume={find_etcd()}:/opt/holdfast/bin/etcd:ro")
        return options

    def _mount(self, pod: Pod, volume: Object | None, at: str) -> list[str]:
        group, mode = pod.spec["securityContext"].get("fsGroup", 0), _READABLE
        if volume is not None and "configMap" in volume:
            name = volume["configMap"]["name"]
            data = self._manifests.named("ConfigMap", name)["data"]
            files: Files = {key: text.encode() for key, text in data.items()}
        elif volume is not None and "secret" in volume:
            name, mode = volume["secret"]["secretName"], volume["secret"]["defaultMode"]
            files = self._secrets.get(name) or decoded(
                self._manifests.named("Secret", name)
            )
        else:
            return [f"--tmpfs={at}:mode=1777"]
        if not (self._folder / name).exists():
            _lay(self._folder / name, files, group, mode)
        return [f"--volume={self._folder / name}:{at}:ro"]

    def _is_ready(self, name: str, number: int) -> bool:
        if name == "etcd":
            # This machine's may be older than the paths that its probes ask for.
            health = self.uri("etcd", "metrics", number) + "/health"
            return _answers(health) == 200
        (container,) = self._manifests.pod(name).containers
        if "httpGet" in container["readinessProbe"]:
            return self.probed(name, "readinessProbe", number) == 200
        port = container["readinessProbe"]["tcpSocket"]["port"]
        return _answers(self.uri(name, port, number)) > 0


def matches_pod(manifests: Manifests, service: Object, pod: Pod) -> bool:
    """Tell whether a Service leads to a pod."""
    return pod in manifests.selected({"matchLabels": service["spec"]["selector"]})


def issued(manifests: Manifests) -> dict[str, Files]:
    """Make out what the overlay's Certificates ask for, as cert-manager would."""
    authorities = {
        each["metadata"]["name"]: Authority()
        for each in manifests.of("Certificate")
        if each["spec"].get("isCA")
    }
    made: dict[str, Files] = {}
    for each in manifests.of("Certificate"):
        spec = each["spec"]
        if spec.get("isCA"):
            continue
        found = authorities[spec["issuerRef"]["name"]].issue(
            *spec["dnsNames"],
            uri=next(iter(spec.get("uris", ())), ""),
            common_name=spec.get("commonName", ""),
        )
        made[spec["secretName"]] = {
            "ca.crt": found.authorities,
            "tls.crt": found.chain,
            "tls.key": found.key,
        }
    return made


def decoded(secret: Object) -> Files:
    """Return what a Secret has, as files."""
    return {key: base64.b64decode(text) for key, text in secret["data"].items()}


def _lay(
    folder: Path, files: Files, group: int | None = None, mode: int | None = None
) -> None:
    """Put files into a mounted folder as a kubelet does.

    All of them change at once: each is a link by way of `..data`, which is itself a
    link to the folder that they are in now. Who looks sees the old ones or the new.
    """
    data = folder / "..data"
    if group is None or mode is None:
        before = next(data.iterdir()).stat()
        group, mode = before.st_gid, stat.S_IMODE(before.st_mode)
    folder.mkdir(exist_ok=True)
    now = folder / f"..{time.time_ns()}"
    now.mkdir()
    for key, content in files.items():
        (now / key).write_bytes(content)
        (now / key).chmod(mode)
        os.chown(now / key, 0, group)
        if not (folder / key).is_symlink():
            (folder / key).symlink_to(f"..data/{key}")
    following = folder / "..data_tmp"
    following.symlink_to(now.name)
    following.replace(data)


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    """Put variables in, as Kubernetes does in commands."""
    return re.sub(r"\$\((\w+)\)", lambda match: variables[match[1]], word)


def _confined(pod: Pod, container: Object) -> list[str]:
    whole: dict[str, Any] = pod.spec["securityContext"]
    own: dict[str, Any] = container["securityContext"]
    options = [f"--user={whole['runAsUser']}:{whole['runAsGroup']}"]
    options += [f"--cap-drop={each.lower()}" for each in own["capabilities"]["drop"]]
    if own["readOnlyRootFilesystem"]:
        options.append("--read-only")
    if not own["allowPrivilegeEscalation"]:
        options.append("--security-opt=no-new-privileges")
    return options


def _answers(uri: str) -> int:
    try:
        return httpx.get(uri).status_code
    except httpx.TransportError:
        return 0


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [podman(), *words], capture_output=True, text=True, check=False
    )
