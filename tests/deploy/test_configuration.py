"""What the services are told fits what they read, and is there."""

import base64
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography import x509

from fakes.manifests import DEPLOY, SERVICES, Manifests, Pod, alone, rendered
from holdfast.environment import VARIABLES, read
from holdfast_cli.main import main
from holdfast_resolver.telemetry.exporting import ENDPOINTS

MOUNTED = "/run/holdfast"
CERTIFICATES = {"ca.crt", "tls.crt", "tls.key"}

OPEN_TELEMETRY = {*ENDPOINTS, "OTEL_RESOURCE_ATTRIBUTES"}
"""What OpenTelemetry's own library reads."""

ETCDS_OWN = {"CLUSTER_STATE", "POD_NAME"}


def configuration(manifests: Manifests) -> dict[str, Any]:
    """Return the configuration file that the pods are given."""
    (text,) = configuration_map(manifests)["data"].values()
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def configuration_map(manifests: Manifests) -> dict[str, Any]:
    (found,) = [
        each
        for each in manifests.of("ConfigMap")
        if each["metadata"]["name"].startswith("holdfast-config-")
    ]
    return found


def files_in(value: Any) -> Iterator[str]:
    """Return the files that a configuration names as secrets."""
    if isinstance(value, dict):
        if value.keys() == {"file"}:
            yield value["file"]
        else:
            for each in value.values():
                yield from files_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from files_in(each)


def test_services_find_the_file_where_it_is_mounted(manifests: Manifests) -> None:
    """All three have the same one."""
    (key,) = configuration_map(manifests)["data"]
    for name in SERVICES:
        pod = manifests.pod(name)
        (volume,) = [
            each["name"] for each in pod.spec["volumes"] if "configMap" in each
        ]
        (mount,) = [
            each for each in pod.containers[0]["volumeMounts"] if each["name"] == volume
        ]

        named = pod.env()["HOLDFAST_CONFIG"]["value"]
        assert named == f"{mount['mountPath']}/{key}"


def check(text: str, folder: Path) -> None:
    """Have `holdfast check` look at a file, with its secrets in place."""
    path = folder / "holdfast.yaml"
    path.write_text(text.replace(MOUNTED, str(folder)))
    for number, name in enumerate(files_in(yaml.safe_load(path.read_text()))):
        Path(name).parent.mkdir(exist_ok=True)
        is_ledger = Path(name).parent.name == "ledger"
        Path(name).write_text(
            "postgresql+asyncpg://holdfast@db/holdfast"
            if is_ledger
            else f"key-{number}"
        )
    with pytest.raises(SystemExit) as ended:
        main(["check", str(path)])
    assert ended.value.code == 0


def test_the_file_passes_the_check(
    manifests: Manifests, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to say of it."""
    check(configuration_map(manifests)["data"]["holdfast.yaml"], tmp_path)

    assert capsys.readouterr().err == ""


def test_base_s_own_file_is_no_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if nobody replaces it."""
    check((DEPLOY / "k8s/base/config/holdfast.yaml").read_text(), tmp_path)

    assert capsys.readouterr().err == ""


NEEDED_BY = {"api-keys": "resolver", "ledger": "resolver", "provider-keys": "executor"}


def test_files_of_the_configuration_are_mounted_where_they_are_read(
    manifests: Manifests,
) -> None:
    """In the service that needs them; docs/configuration.md says which."""
    for name in files_in(configuration(manifests)):
        folder, _, _ = name.rpartition("/")
        reader = NEEDED_BY[folder.removeprefix(f"{MOUNTED}/")]
        assert folder in manifests.pod(reader).mounted(), name


def test_generated_secrets_have_the_keys_that_are_asked_for(
    manifests: Manifests,
) -> None:
    """Where the Secret is known here; elsewhere it is the operator's."""
    made = {each["metadata"]["name"]: each for each in manifests.of("Secret")}
    asked = [*files_in(configuration(manifests))]
    for name in SERVICES:
        pod = manifests.pod(name)
        mounted = pod.mounted()
        variables = [
            each["value"]
            for each in pod.env().values()
            if each.get("value", "").startswith(MOUNTED)
        ]
        for path in (*variables, *asked):
            folder, _, key = path.rpartition("/")
            secret = made.get(mounted.get(folder, ""))
            if secret is not None:
                assert key in {**secret.get("data", {}), **secret.get("stringData", {})}


def known(pod: Pod) -> set[str]:
    """Return the variables that a pod's processes read."""
    if pod.name == "etcd":
        return ETCDS_OWN
    return {*VARIABLES, *(OPEN_TELEMETRY if pod.name == "resolver" else ())}


def test_every_variable_is_one_that_is_read(manifests: Manifests) -> None:
    """A misspelt one would do nothing, silently."""
    unknown = {
        (pod.name, name)
        for pod in manifests.pods()
        for name in pod.env()
        if name not in known(pod)
    }

    assert unknown == set()


def test_every_value_can_be_read(manifests: Manifests) -> None:
    """As the process reads it at its start."""
    for pod in manifests.pods():
        environment = read(
            {
                name: each["value"]
                for name, each in pod.env().items()
                if name.startswith("HOLDFAST_") and "value" in each
            }
        )
        environment.certificates()


def test_files_that_variables_name_are_mounted(manifests: Manifests) -> None:
    """Below a volume of the same pod."""
    for pod in manifests.pods():
        mounts = {
            mount["mountPath"]
            for container in pod.containers
            for mount in container.get("volumeMounts", ())
        }
        for name, each in pod.env().items():
            value = each.get("value", "")
            if value.startswith("/"):
                assert str(Path(value).parent) in mounts, (pod.name, name)


def test_certificates_are_files_that_a_tls_secret_has(production: Manifests) -> None:
    """`ca.crt`, `tls.crt` and `tls.key`, as cert-manager writes them."""
    for pod in production.pods():
        for name, each in pod.env().items():
            if "TLS_" in name or "ETCD_C" in name or "ETCD_KEY" in name:
                assert Path(each["value"]).name in CERTIFICATES, (pod.name, name)


def test_what_is_listened_at_is_what_is_announced(manifests: Manifests) -> None:
    """The ports of containers are what probes, Services and policies go by."""
    for name in SERVICES:
        pod = manifests.pod(name)
        environment = read(
            {key: each["value"] for key, each in pod.env().items() if "value" in each}
        )
        listened = {
            int((address or "").rpartition(":")[2])
            for address in (environment.listen, environment.metrics_listen)
        }

        assert listened == set(pod.ports.values())


@pytest.mark.parametrize("caller", ["edge", "executor"])
def test_targets_are_services_that_there_are(manifests: Manifests, caller: str) -> None:
    """Headless ones, by a name that each replica's address is behind."""
    variables = manifests.pod(caller).env()
    for name in ("resolver", "executor"):
        target = variables.get(f"HOLDFAST_{name.upper()}_TARGETS")
        if target is None:
            continue
        host, port = split(target["value"])
        service = manifests.named("Service", host)
        assert target["value"].startswith("dns:///")
        assert service["spec"]["clusterIP"] == "None"
        assert port in {each["port"] for each in service["spec"]["ports"]}
        # Behind a headless Service the pods' own ports are dialled.
        assert port in manifests.pod(name).ports.values()


def split(address: str) -> tuple[str, int]:
    """Take a target apart."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    return host, int(port)


def test_members_of_etcd_are_called_by_names_in_their_certificate(
    production: Manifests,
) -> None:
    """In full: gRPC takes no wildcard for the first of two labels."""
    (certificate,) = [
        each["spec"]
        for each in production.of("Certificate")
        if each["spec"]["secretName"] == "etcd-tls"
    ]
    etcd = production.pod("etcd")
    members = {
        f"etcd-{number}.{etcd.owner['spec']['serviceName']}"
        for number in range(etcd.owner["spec"]["replicas"])
    }
    callers = [
        pod for pod in production.pods() if "HOLDFAST_ETCD_ENDPOINTS" in pod.env()
    ]

    assert {pod.name for pod in callers} == {
        "resolver",
        "etcd-backup",
        "etcd-defragment",
    }
    for pod in callers:
        endpoints = pod.env()["HOLDFAST_ETCD_ENDPOINTS"]["value"].split(",")
        named = [urlsplit(each) for each in endpoints]
        assert {each.scheme for each in named} == {"https"}
        assert {each.hostname for each in named} == members
    assert members <= set(certificate["dnsNames"])


def test_certificates_made_by_hand_are_those_that_are_asked_for(tmp_path: Path) -> None:
    """With the same names, of one authority, and a key that fits."""
    done = subprocess.run(
        [str(DEPLOY / "k8s" / "etcd-certificates"), "elsewhere"],
        capture_output=True,
        text=True,
        check=True,
    )
    asked = {
        each["spec"]["secretName"]: each["spec"]
        for each in alone("etcd-certificates").of("Certificate")
        if not each["spec"].get("isCA")
    }
    made = {each["metadata"]["name"]: each for each in yaml.safe_load_all(done.stdout)}

    assert made.keys() == asked.keys()
    for name, secret in made.items():
        assert secret["metadata"]["namespace"] == "elsewhere"
        assert secret["data"].keys() == CERTIFICATES
        for file, text in secret["data"].items():
            (tmp_path / file).write_bytes(base64.b64decode(text))
        authority, leaf = (
            x509.load_pem_x509_certificate((tmp_path / file).read_bytes())
            for file in ("ca.crt", "tls.crt")
        )
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == asked[name]["dnsNames"]
        # Refuses a key that is another's.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            tmp_path / "tls.crt", tmp_path / "tls.key"
        )


def test_services_bear_the_names_that_they_are_known_by(production: Manifests) -> None:
    """Whatever their address."""
    names = {
        each["spec"]["secretName"]: each["spec"]["dnsNames"]
        for each in production.of("Certificate")
        if "dnsNames" in each["spec"]
    }
    for name in SERVICES:
        secret = production.pod(name).mounted()[f"{MOUNTED}/tls"]
        assert name in names[secret]


def test_etcd_and_the_services_have_authorities_of_their_own(
    production: Manifests,
) -> None:
    """A service's certificate does not open etcd."""
    issuers = {
        each["spec"]["secretName"]: each["spec"]["issuerRef"]["name"]
        for each in production.of("Certificate")
    }

    assert issuers["etcd-tls"] == issuers["etcd-client-tls"] == "etcd-ca"
    assert {issuers[f"{name}-tls"] for name in SERVICES} == {"holdfast-ca"}


def test_pods_wait_longer_than_a_request_may_take(manifests: Manifests) -> None:
    """Where the caller names no time: none of those is ended by a rollout."""
    longest = configuration(manifests)["defaults"]["request_timeout_s"]
    for name in ("edge", "executor"):
        drain = manifests.pod(name).env()["HOLDFAST_DRAIN_SECONDS"]["value"]
        assert float(drain) >= longest


def test_nothing_of_the_eu_s_goes_elsewhere() -> None:
    """As the overlay says of the organization that it declares."""
    policy = configuration(rendered("prod-eu"))["organizations"][0]["policy"]

    assert policy["geographies"] == ["eu"]
    assert policy["data"]["training"] == "deny"
