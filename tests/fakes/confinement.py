"""Holds pods against the restricted standard of Kubernetes, and what we ask beyond it.

https://kubernetes.io/docs/concepts/security/pod-security-standards
"""

from fakes.manifests import Pod

PLAIN_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Kinds that the restricted standard for pods allows."""


def faults(pod: Pod) -> list[str]:
    """Say what is wrong with a pod."""
    found: list[str] = []
    security = pod.spec.get("securityContext", {})

    def want(condition: object, what: str) -> None:
        if not condition:
            found.append(f"{pod.name}: {what}")

    for name in ("hostNetwork", "hostPID", "hostIPC"):
        want(not pod.spec.get(name), name)
    want(security.get("runAsNonRoot") is True, "may run as root")
    want(security.get("runAsUser", 0) > 0, "runs as root")
    want(security.get("seccompProfile", {}).get("type") == "RuntimeDefault", "seccomp")
    want(pod.spec.get("automountServiceAccountToken") is False, "has a token")
    want(pod.spec.get("enableServiceLinks") is False, "is told of other services")
    for volume in pod.spec.get("volumes", ()):
        want(volume.keys() - {"name"} <= PLAIN_VOLUMES, f"volume {volume['name']}")
    for container in pod.containers:
        own = container.get("securityContext", {})
        want(own.get("allowPrivilegeEscalation") is False, "may become more")
        want(own.get("readOnlyRootFilesystem") is True, "writes to its image")
        want(own.get("capabilities") == {"drop": ["ALL"]}, "has capabilities")
        want(not own.get("privileged"), "is privileged")
        want(own.get("procMount", "Default") == "Default", "procMount")
        want(not any("hostPort" in port for port in container.get("ports", ())), "host")
    return found
