"""Who may speak to whom, evaluated over the policies as Kubernetes would."""

from itertools import product

import pytest

from fakes.manifests import Manifests, alone, rendered
from fakes.network_policies import Flows, Stranger, everybody
from holdfast.addresses import is_public

GATEWAY = Stranger(
    {"kubernetes.io/metadata.name": "gateways", "holdfast/ingress": "true"}
)
MONITORING = Stranger({"kubernetes.io/metadata.name": "monitoring"})
DNS = Stranger({"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"})
NODES_DNS = Stranger(
    {"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "node-local-dns"}
)
SOMEBODY = Stranger({"kubernetes.io/metadata.name": "default"}, {"app": "shop"})
INTRUDER = Stranger(
    {"kubernetes.io/metadata.name": "default"}, {"app.kubernetes.io/name": "edge"}
)

PROVIDER, PROVIDER_6 = "162.159.140.245", "2606:4700::6810:84e5"
DATABASE = "10.20.30.40"
METADATA = "169.254.169.254"

ALLOWED = {
    (GATEWAY, "edge", 8080),
    ("edge", "resolver", 50051),
    ("edge", "executor", 50052),
    ("executor", "resolver", 50051),
    ("executor", PROVIDER, 443),
    ("executor", PROVIDER_6, 443),
    ("resolver", "etcd", 2379),
    ("resolver", DATABASE, 5432),
    ("resolver", "otel-collector", 4318),
    ("otel-collector", MONITORING, 4317),
    ("etcd-backup", "etcd", 2379),
    ("etcd-defragment", "etcd", 2379),
    ("etcd", "etcd", 2380),
    (MONITORING, "edge", 9090),
    (MONITORING, "resolver", 9090),
    (MONITORING, "executor", 9090),
    (MONITORING, "etcd", 2381),
}
"""All that is possible in production, of everything that is tried."""

PORTS = (
    22,
    53,
    80,
    443,
    2379,
    2380,
    2381,
    4317,
    4318,
    5432,
    6443,
    8080,
    9090,
    10250,
    50051,
    50052,
)


def test_nothing_but_what_is_meant_can_speak(production: Manifests) -> None:
    """Every pair, at every port that is anybody's."""
    flows = Flows(production)
    ours = [*everybody(production)]
    others = [
        GATEWAY,
        MONITORING,
        SOMEBODY,
        INTRUDER,
        PROVIDER,
        PROVIDER_6,
        DATABASE,
        METADATA,
    ]
    pairs = [*product(ours, ours), *product(ours, others), *product(others, ours)]

    possible = {
        (source, target, port)
        for (source, target), port in product(pairs, PORTS)
        if flows.allows(source, target, port)
    }

    assert possible == ALLOWED


@pytest.mark.parametrize(
    ("source", "target", "port"),
    [
        ("edge", "etcd", 2379),
        ("executor", "etcd", 2379),
        ("edge", PROVIDER, 443),
        ("resolver", PROVIDER, 443),
        ("resolver", "executor", 50052),
        ("executor", METADATA, 80),
        ("executor", METADATA, 443),
        ("executor", DATABASE, 443),
        ("executor", "fd00::1", 443),
        ("executor", "::ffff:10.0.0.1", 443),
        ("executor", "64:ff9b::a00:1", 443),
        (INTRUDER, "resolver", 50051),
        (SOMEBODY, "edge", 8080),
        (SOMEBODY, "etcd", 2379),
    ],
)
def test_what_must_never_be_possible_is_not(
    production: Manifests, source: str, target: str, port: int
) -> None:
    """One by one, so that a failure names what it is."""
    assert not Flows(production).allows(source, target, port)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_everybody_can_look_names_up(manifests: Manifests, protocol: str) -> None:
    """Of the cluster's own service, or of a cache on the node."""
    flows = Flows(manifests)
    for name in everybody(manifests):
        assert flows.allows(name, DNS, 53, protocol)
        assert flows.allows(name, NODES_DNS, 53, protocol)
        assert flows.allows(name, "169.254.20.10", 53, protocol)


@pytest.mark.parametrize(
    "address",
    [
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.1.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fc00::1",
        "fe80::1",
        "ff02::1",
        "2001::1",
        "2002:0a00:0001::1",
        "3fff::1",
    ],
)
def test_executors_reach_no_address_that_the_gateway_itself_refuses(
    production: Manifests, address: str
) -> None:
    """The policy holds also if the executor's own check should fail."""
    assert not is_public(address)
    assert not Flows(production).allows("executor", address, 443)


def test_nothing_of_dev_leaves_the_cluster() -> None:
    """Its providers are simulated, and nobody can mistake real ones for them."""
    dev = rendered("dev")
    flows = Flows(dev)

    assert flows.allows("executor", "simulator", 9100)
    assert flows.allows("resolver", "etcd", 2379)
    for name in everybody(dev):
        assert not any(flows.allows(name, PROVIDER, port) for port in PORTS)


def test_an_etcd_of_somebody_else_is_the_resolver_s_alone() -> None:
    """As ours is."""
    flows = Flows(alone("external-etcd"))

    assert flows.allows("resolver", DATABASE, 2379)
    assert not flows.allows("executor", DATABASE, 2379)
    assert not flows.allows("edge", DATABASE, 2379)
