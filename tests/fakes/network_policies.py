"""Whom NetworkPolicies let speak to whom, as the API defines them.

    flows = Flows(manifests)
    assert flows.allows("edge", "resolver", 50051)
    assert not flows.allows("executor", "169.254.169.254", 80)

A pod that no policy of a direction selects is free in that direction; one that any
does may do what one of them allows. A flow needs both its ends' consent.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fakes.manifests import Manifests, matches

NAMESPACE = "holdfast"


@dataclass(frozen=True, slots=True, eq=False)
class Stranger:
    """A pod of another namespace.

    Attributes:
        namespace: That namespace's labels.
        labels: Its own.
    """

    namespace: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)


End = str | Stranger
"""A workload's name, an address outside of the cluster, or somebody else's pod."""


class Flows:
    """What an overlay's policies allow."""

    def __init__(self, manifests: Manifests) -> None:
        """Read the policies.

        Args:
            manifests: The overlay.
        """
        self._manifests = manifests
        self._policies = [each["spec"] for each in manifests.of("NetworkPolicy")]

    def allows(
        self, source: End, target: End, port: int, protocol: str = "TCP"
    ) -> bool:
        """Tell whether one may open a connection to another."""
        return self._goes_out(source, target, port, protocol) and self._gets_in(
            source, target, port, protocol
        )

    def _goes_out(self, source: End, target: End, port: int, protocol: str) -> bool:
        labels = self._labels(source)
        return labels is None or self._passes("Egress", labels, target, port, protocol)

    def _gets_in(self, source: End, target: End, port: int, protocol: str) -> bool:
        labels = self._labels(target)
        return labels is None or self._passes("Ingress", labels, source, port, protocol)

    def _labels(self, end: End) -> Mapping[str, str] | None:
        """Return the labels of a pod that is ours."""
        if isinstance(end, Stranger) or _address(end) is not None:
            return None
        return self._manifests.pod(end).labels

    def _passes(
        self,
        direction: str,
        labels: Mapping[str, str],
        peer: End,
        port: int,
        protocol: str,
    ) -> bool:
        chosen = [
            each
            for each in self._policies
            if direction in each["policyTypes"] and matches(each["podSelector"], labels)
        ]
        return not chosen or any(
            self._rule_allows(direction, rule, peer, port, protocol)
            for policy in chosen
            for rule in policy.get(direction.lower(), ())
        )

    def _rule_allows(
        self,
        direction: str,
        rule: Mapping[str, Any],
        peer: End,
        port: int,
        protocol: str,
    ) -> bool:
        peers = rule.get("from" if direction == "Ingress" else "to", ())
        return _meets_port(rule.get("ports", ()), port, protocol) and (
            not peers or any(self._is(each, peer) for each in peers)
        )

    def _is(self, described: Mapping[str, Any], peer: End) -> bool:
        """Tell whether a peer is among those that a rule describes."""
        address = None if isinstance(peer, Stranger) else _address(peer)
        if "ipBlock" in described:
            block = described["ipBlock"]
            if address is None:
                return False
            return _within(address, block["cidr"]) and not any(
                _within(address, each) for each in block.get("except", ())
            )
        if address is not None:
            return False
        namespace, labels = self._whose(peer)
        in_namespace = (
            matches(described["namespaceSelector"], namespace)
            if "namespaceSelector" in described
            else namespace["kubernetes.io/metadata.name"] == NAMESPACE
        )
        return in_namespace and matches(described.get("podSelector"), labels)

    def _whose(self, peer: End) -> tuple[Mapping[str, str], Mapping[str, str]]:
        if isinstance(peer, Stranger):
            return peer.namespace, peer.labels
        return {"kubernetes.io/metadata.name": NAMESPACE}, self._manifests.pod(
            peer
        ).labels


def _meets_port(ports: Any, port: int, protocol: str) -> bool:
    return not ports or any(_is_port(each, port, protocol) for each in ports)


def _is_port(described: Mapping[str, Any], port: int, protocol: str) -> bool:
    if described.get("protocol", "TCP") != protocol:
        return False
    # No policy of ours names a port; the number alone is looked at.
    first = described.get("port", port)
    return bool(first <= port <= described.get("endPort", first))


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _within(address: Address, cidr: str) -> bool:
    network = ipaddress.ip_network(cidr)
    return address.version == network.version and address in network


def everybody(manifests: Manifests) -> Iterator[str]:
    """Return the name of every workload."""
    return (pod.name for pod in manifests.pods())
