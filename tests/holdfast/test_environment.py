"""What a process is told by its variables."""

from pathlib import Path

import pytest

from fakes.plans import plan
from holdfast.environment import (
    VARIABLES,
    Environment,
    EnvironmentVariableError,
    read,
)
from holdfast.errors import PlanRefusedError
from holdfast.settings import EtcdSettings, Secret
from holdfast.signing import PlanKeys, SignedPlan, new_key, parse_keys


def test_without_variables_everything_has_its_default():
    """So do variables that are blank, and others are not looked at."""
    assert read({}) == Environment()
    assert read({"HOLDFAST_LISTEN": "  ", "HOLDFAST_OTHER": "x"}) == Environment()


def test_every_variable_is_read():
    """Lists are split at commas and blanks, paths and numbers converted."""
    environment = read(
        {
            "HOLDFAST_CONFIG": "/etc/holdfast.yaml",
            "HOLDFAST_LISTEN": "0.0.0.0:1",
            "HOLDFAST_RESOLVER_TARGETS": "r1:1, r2:2",
            "HOLDFAST_EXECUTOR_TARGETS": "e1:1 e2:2",
            "HOLDFAST_TLS_CA_FILE": "/tls/ca.crt",
            "HOLDFAST_TLS_CERT_FILE": "/tls/tls.crt",
            "HOLDFAST_TLS_KEY_FILE": "/tls/tls.key",
            "HOLDFAST_TLS_CALLERS": "edge, spiffe://x/batch",
            "HOLDFAST_TLS_RESOLVER_NAME": "r",
            "HOLDFAST_TLS_EXECUTOR_NAME": "e",
            "HOLDFAST_LISTEN_TLS_CERT_FILE": "/https/tls.crt",
            "HOLDFAST_LISTEN_TLS_KEY_FILE": "/https/tls.key",
            "HOLDFAST_ETCD_ENDPOINTS": "etcd:2379",
            "HOLDFAST_ETCD_CA_FILE": "/etcd/ca.crt",
            "HOLDFAST_ETCD_CERT_FILE": "/etcd/tls.crt",
            "HOLDFAST_ETCD_KEY_FILE": "/etcd/tls.key",
            "HOLDFAST_ETCD_USER": "gateway",
            "HOLDFAST_ETCD_PASSWORD_FILE": "/etcd/password",
            "HOLDFAST_PLAN_KEYS": "k:abc",
            "HOLDFAST_PLAN_KEYS_FILE": "/run/keys",
            "HOLDFAST_SEALING_KEYS": "s:abc",
            "HOLDFAST_SEALING_KEYS_FILE": "/run/seals",
            "HOLDFAST_SESSION_KEYS": "c:c2Vzc2lvbi1zZWNyZXQtMQ==",
            "HOLDFAST_SESSION_KEYS_FILE": "/run/sessions",
            "HOLDFAST_DRILL_URI": "http://127.0.0.1:9100",
            "HOLDFAST_CREDENTIALS_HELD_BY": "executor",
            "HOLDFAST_METRICS_LISTEN": "0.0.0.0:9090",
            "HOLDFAST_LOG_LEVEL": "debug",
            "HOLDFAST_DRAIN_SECONDS": "2.5",
            "HOLDFAST_WORKERS": "4",
        }
    )

    assert environment == Environment(
        config=Path("/etc/holdfast.yaml"),
        listen="0.0.0.0:1",
        resolver_targets=("r1:1", "r2:2"),
        executor_targets=("e1:1", "e2:2"),
        tls_ca_file=Path("/tls/ca.crt"),
        tls_cert_file=Path("/tls/tls.crt"),
        tls_key_file=Path("/tls/tls.key"),
        tls_callers=("edge", "spiffe://x/batch"),
        tls_resolver_name="r",
        tls_executor_name="e",
        listen_tls_cert_file=Path("/https/tls.crt"),
        listen_tls_key_file=Path("/https/tls.key"),
        etcd_endpoints=("etcd:2379",),
        etcd_ca_file=Path("/etcd/ca.crt"),
        etcd_cert_file=Path("/etcd/tls.crt"),
        etcd_key_file=Path("/etcd/tls.key"),
        etcd_user="gateway",
        etcd_password_file=Path("/etcd/password"),
        plan_keys="k:abc",
        plan_keys_file=Path("/run/keys"),
        sealing_keys="s:abc",
        sealing_keys_file=Path("/run/seals"),
        session_keys="c:c2Vzc2lvbi1zZWNyZXQtMQ==",
        session_keys_file=Path("/run/sessions"),
        drill_uri="http://127.0.0.1:9100",
        credentials_held_by="executor",
        metrics_listen="0.0.0.0:9090",
        log_level="debug",
        drain_seconds=2.5,
        workers=4,
    )
    assert len(VARIABLES) == 30


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLDFAST_DRAIN_SECONDS", "soon"),
        ("HOLDFAST_DRAIN_SECONDS", "-1"),
        ("HOLDFAST_DRAIN_SECONDS", "nan"),
        ("HOLDFAST_DRAIN_SECONDS", "86400"),
        ("HOLDFAST_LOG_LEVEL", "loud"),
        ("HOLDFAST_CREDENTIALS_HELD_BY", "edge"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name(name, value):
    """The operator sees which one to mend."""
    with pytest.raises(EnvironmentVariableError, match=name):
        read({name: value})


def test_plan_keys_come_from_the_variable_or_from_a_file(tmp_path):
    """What one signs the other verifies, and the file goes first."""
    key = new_key()
    path = tmp_path / "keys"
    path.write_text(key + "\n")

    by_text = Environment(plan_keys=key).keys()
    by_file = Environment(plan_keys=new_key(), plan_keys_file=path).keys()
    sent = SignedPlan(by_text.sign(plan()).wire)

    by_file.verify(sent)
    with pytest.raises(PlanRefusedError):
        PlanKeys(parse_keys(new_key())).verify(sent)


@pytest.mark.parametrize("text", ["", "k", "k:????", "k:c2hvcnQ="])
def test_missing_or_malformed_plan_keys_are_refused_with_the_remedy(text):
    """The message names the variable and how a key is written."""
    with pytest.raises(EnvironmentVariableError) as raised:
        Environment(plan_keys=text).keys()

    assert "HOLDFAST_PLAN_KEYS" in str(raised.value)
    assert "id:base64" in str(raised.value)


def test_a_key_file_that_cannot_be_read_is_named(tmp_path):
    """A missing mount is found at once."""
    missing = tmp_path / "missing"

    with pytest.raises(EnvironmentVariableError, match="HOLDFAST_PLAN_KEYS_FILE") as e:
        Environment(plan_keys_file=missing).keys()

    assert str(missing) in str(e.value)


def test_sealing_keys_are_optional_and_of_full_length():
    """Without any nothing is sealed; a short one is refused by name."""
    assert Environment().sealing() is None
    assert Environment(sealing_keys=new_key()).sealing() is not None
    with pytest.raises(EnvironmentVariableError, match="HOLDFAST_SEALING_KEYS"):
        Environment(sealing_keys="k:c2l4dGVlbiBieXRlcyBvbmx5").sealing()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["TLS_CERT_FILE", "TLS_KEY_FILE"], "TLS_CA_FILE"),
        (["TLS_CA_FILE"], "TLS_CERT_FILE"),
        (["LISTEN_TLS_CERT_FILE"], "LISTEN_TLS_KEY_FILE"),
        (["ETCD_KEY_FILE", "ETCD_CA_FILE"], "ETCD_CERT_FILE"),
        (["ETCD_USER"], "ETCD_PASSWORD_FILE"),
        (["ETCD_PASSWORD_FILE"], "ETCD_USER"),
    ],
)
def test_what_belongs_together_is_given_together(given, named):
    """The variable that is missing is named, and the one that wants it."""
    environment = read({f"HOLDFAST_{name}": "/x" for name in given})

    def look() -> None:
        environment.certificates()
        environment.listen_certificates()
        environment.etcd(EtcdSettings())

    said = f"HOLDFAST_{named} is not set, and HOLDFAST_{given[0]} is"
    with pytest.raises(EnvironmentVariableError, match=said):
        look()


def test_variables_of_etcd_stand_in_place_of_the_file_s(tmp_path):
    """Each group for itself: addresses, certificates, the user."""
    password = tmp_path / "password"
    password.write_text("secret\n")
    declared = EtcdSettings(("a:1",), "/p", user="u", password=Secret("declared"))

    by_file = Environment().etcd(declared)
    by_variables = Environment(
        etcd_endpoints=("b:2",),
        etcd_ca_file=Path("/ca"),
        etcd_user="v",
        etcd_password_file=password,
    ).etcd(declared)

    assert by_file is declared
    assert by_variables.endpoints == ("b:2",)
    assert by_variables.prefix == "/p"
    assert by_variables.certificates is not None
    assert by_variables.certificates.ca == Path("/ca")
    assert by_variables.user == "v"
    assert by_variables.password is not None
    assert by_variables.password.read() == "secret"


def test_a_password_that_is_not_there_is_named(tmp_path):
    """At start, where it can be mended, not as an etcd that is away."""
    missing = tmp_path / "password"
    environment = Environment(etcd_user="v", etcd_password_file=missing)

    with pytest.raises(
        EnvironmentVariableError, match=f"PASSWORD_FILE: file {missing} holds no"
    ):
        environment.etcd(EtcdSettings())
