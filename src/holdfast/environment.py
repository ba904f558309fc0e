"""What a service's process is told by `HOLDFAST_*` variables.

The configuration file says what the gateway does; these say where one process
of it stands. `docs/configuration.md` lists them, checked against `VARIABLES`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from holdfast.sealing import SealingKeys
from holdfast.settings import CertificatePaths, EtcdSettings, Secret
from holdfast.signing import PlanKey, PlanKeys, parse_keys

_TOLD = "told"
"""In a field's metadata: whether a variable tells it."""

_MOST_WORKERS = 64
"""A link connects anew until it has met each of them, by chance."""


class EnvironmentVariableError(Exception):
    """A variable is missing or wrong; the message names it and the remedy."""


class Worker(NamedTuple):
    """Which of several processes that share an address this is.

    Attributes:
        number: From 1.
        of: How many there are.
    """

    number: int = 1
    of: int = 1


ALONE = Worker()


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one process stands, and whom it talks to.

    Attributes:
        config: The configuration file.
        listen: Where this service is served. None takes the default.
        resolver_targets: gRPC targets of the resolver's replicas.
        executor_targets: gRPC targets of the executor's replicas.
        tls_ca_file: The authorities of the services' certificates. With the two
            that follow: the services speak to each other over TLS alone.
        tls_cert_file: This service's certificate.
        tls_key_file: Its private key.
        tls_callers: The names that certificates of callers of this service may
            bear. Empty takes the service's own list.
        tls_resolver_name: The name that the resolver's certificate bears.
        tls_executor_name: The name that the executor's certificate bears.
        listen_tls_cert_file: The certificate of the edge's HTTPS. None: HTTP.
        listen_tls_key_file: Its private key.
        etcd_endpoints: In place of the configuration file's; so are the rest of
            etcd's.
        etcd_ca_file: The authorities of etcd's certificates.
        etcd_cert_file: The certificate that etcd is shown.
        etcd_key_file: Its private key.
        etcd_user: Whom etcd knows this service as.
        etcd_password_file: That user's password.
        plan_keys: `id:base64` each; the first signs, all verify.
        plan_keys_file: Where they are read from instead.
        sealing_keys: `id:base64` each, of 32 bytes; the first seals credentials
            that plans bear, all open them.
        sealing_keys_file: Where they are read from instead.
        credentials_held_by: Who alone is given providers' credentials, so that the
            resolver takes those for there that the file names: `executor`. Empty:
            the resolver has them too, and sees which are missing.
        session_keys: `id:base64` each; the first signs the console's sessions, all
            verify.
        session_keys_file: Where they are read from instead.
        drill_uri: Where the demo's simulated providers are told what to do.
        metrics_listen: Where Prometheus metrics are served, and whether the process
            lives and is ready. None: nowhere, but for the edge's own paths.
        log_level: `debug`, `info`, `warning` or `error`.
        drain_seconds: How long calls begun may go on after SIGTERM.
        workers: How many processes of this service share its address.
        worker: Which of them this is; it is told by its parent.
    """

    config: Path | None = None
    listen: str | None = None
    resolver_targets: tuple[str, ...] = ("127.0.0.1:50051",)
    executor_targets: tuple[str, ...] = ("127.0.0.1:50052",)
    tls_ca_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_callers: tuple[str, ...] = ()
    tls_resolver_name: str = "resolver"
    tls_executor_name: str = "executor"
    listen_tls_cert_file: Path | None = None
    listen_tls_key_file: Path | None = None
    etcd_endpoints: tuple[str, ...] = ()
    etcd_ca_file: Path | None = None
    etcd_cert_file: Path | None = None
    etcd_key_file: Path | None = None
    etcd_user: str = ""
    etcd_password_file: Path | None = None
    plan_keys: str = ""
    plan_keys_file: Path | None = None
    sealing_keys: str = ""
    sealing_keys_file: Path | None = None
    credentials_held_by: str = ""
    session_keys: str = ""
    session_keys_file: Path | None = None
    drill_uri: str = ""
    metrics_listen: str | None = None
    log_level: str = "info"
    drain_seconds: float = 30.0
    workers: int = 1
    worker: Worker = dataclasses.field(default=ALONE, metadata={_TOLD: False})

    def keys(self) -> PlanKeys:
        """Return the keys that plans are signed with.

        Raises:
            EnvironmentVariableError: There are none, or they are no keys.
        """
        text = _text("PLAN_KEYS", self.plan_keys, self.plan_keys_file)
        try:
            return PlanKeys(parse_keys(text))
        except ValueError as error:
            raise EnvironmentVariableError(
                f"HOLDFAST_PLAN_KEYS: {error}; give the resolver and the executor "
                "the same keys, each as id:base64"
            ) from error

    def sealing(self) -> SealingKeys | None:
        """Return the keys that credentials are sealed with, None if there are none.

        Raises:
            EnvironmentVariableError: They are no keys.
        """
        text = _text("SEALING_KEYS", self.sealing_keys, self.sealing_keys_file)
        if not text.strip():
            return None
        try:
            return SealingKeys(parse_keys(text))
        except ValueError as error:
            raise EnvironmentVariableError(
                f"HOLDFAST_SEALING_KEYS: {error}; write each as id:base64 of 32 bytes"
            ) from error

    def session(self) -> tuple[PlanKey, ...]:
        """Return the keys that the console's sessions are signed with.

        Raises:
            EnvironmentVariableError: They are no keys.
        """
        text = _text("SESSION_KEYS", self.session_keys, self.session_keys_file)
        try:
            return tuple(parse_keys(text))
        except ValueError as error:
            raise EnvironmentVariableError(
                f"HOLDFAST_SESSION_KEYS: {error}; write each as id:base64"
            ) from error

    def certificates(self) -> CertificatePaths | None:
        """Return where the services' certificates are, None if they use none.

        Raises:
            EnvironmentVariableError: Some of the three are named, and not all.
        """
        names = "TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"
        paths = self.tls_ca_file, self.tls_cert_file, self.tls_key_file
        return (
            CertificatePaths(*paths, _told_by(*names)) if _all(names, paths) else None
        )

    def listen_certificates(self) -> CertificatePaths | None:
        """Return where the edge's certificate is, None if it serves HTTP.

        Raises:
            EnvironmentVariableError: Of certificate and key one is missing.
        """
        names = "LISTEN_TLS_CERT_FILE", "LISTEN_TLS_KEY_FILE"
        paths = self.listen_tls_cert_file, self.listen_tls_key_file
        if not _all(names, paths):
            return None
        return CertificatePaths(None, *paths, _told_by("", *names))

    def etcd(self, declared: EtcdSettings) -> EtcdSettings:
        """Return where etcd is: as the variables say, else the configuration file.

        Raises:
            EnvironmentVariableError: What belongs together is given in part.
        """
        etcd = declared
        if self.etcd_endpoints:
            etcd = replace(etcd, endpoints=self.etcd_endpoints)
        paths = self.etcd_ca_file, self.etcd_cert_file, self.etcd_key_file
        names = "ETCD_CA_FILE", "ETCD_CERT_FILE", "ETCD_KEY_FILE"
        _all(names[1:], paths[1:])
        if any(paths):
            etcd = replace(
                etcd, certificates=CertificatePaths(*paths, _told_by(*names))
            )
        login = self.etcd_user or None, self.etcd_password_file
        if not _all(("ETCD_USER", "ETCD_PASSWORD_FILE"), login):
            return etcd
        password = Secret(file=self.etcd_password_file)
        if password.read() is None:
            raise EnvironmentVariableError(
                f"HOLDFAST_ETCD_PASSWORD_FILE: {password.origin} holds no password; "
                "name a file that can be read and has one"
            )
        return replace(etcd, user=self.etcd_user, password=password)


def _told_by(*names: str) -> tuple[str, str, str]:
    ca, cert, key = (f"HOLDFAST_{name}" for name in names)
    return ca, cert, key


def _all(names: Sequence[str], values: Sequence[object]) -> bool:
    """Tell whether all of some variables are given, rather than none of them.

    Raises:
        EnvironmentVariableError: Some are and some are not.
    """
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if not missing:
        return True
    if len(missing) == len(names):
        return False
    given = next(name for name, value in zip(names, values, strict=True) if value)
    raise EnvironmentVariableError(
        f"HOLDFAST_{missing[0]} is not set, and HOLDFAST_{given} is; "
        f"set all of {', '.join(f'HOLDFAST_{name}' for name in names)}, or none"
    )


def _text(name: str, text: str, file: Path | None) -> str:
    """Return what a variable says, or the file that stands in place of it."""
    if file is None:
        return text
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise EnvironmentVariableError(
            f"HOLDFAST_{name}_FILE: {error}; name a file that can be read"
        ) from error


VARIABLES = {
    f"HOLDFAST_{field.name.upper()}": field
    for field in dataclasses.fields(Environment)
    if field.metadata.get(_TOLD, True)
}
"""Every variable there is, by name."""

ETCD_ACCESS = tuple(
    name
    for name in VARIABLES
    if name.startswith("HOLDFAST_ETCD_") and name != "HOLDFAST_ETCD_ENDPOINTS"
)
"""Those that say how etcd lets us in."""

LISTEN_TLS = tuple(name for name in VARIABLES if name.startswith("HOLDFAST_LISTEN_TLS"))
"""Those of the edge's HTTPS."""


def read(environ: Mapping[str, str]) -> Environment:
    """Read a process's environment.

    Raises:
        EnvironmentVariableError: A variable has a value that it cannot have.
    """
    values: dict[str, object] = {}
    for name, field in VARIABLES.items():
        if not (text := environ.get(name, "").strip()):
            continue
        try:
            values[field.name] = _converted(text, str(field.type))
        except ValueError as error:
            raise EnvironmentVariableError(f"{name}: {error}") from error
    environment = Environment(**values)  # type: ignore[arg-type]
    if environment.log_level not in {"debug", "info", "warning", "error"}:
        raise EnvironmentVariableError(
            f"HOLDFAST_LOG_LEVEL: {environment.log_level!r} is none of "
            "debug, info, warning, error"
        )
    if environment.credentials_held_by not in {"", "executor"}:
        raise EnvironmentVariableError(
            "HOLDFAST_CREDENTIALS_HELD_BY: "
            f"{environment.credentials_held_by!r} is not executor"
        )
    return environment


def _converted(text: str, kind: str) -> object:
    if "tuple" in kind:
        return tuple(word for word in text.replace(",", " ").split())
    if "Path" in kind:
        return Path(text)
    if "int" in kind:
        count = int(text)
        if not 1 <= count <= _MOST_WORKERS:
            raise ValueError(f"{text} is none of 1 to {_MOST_WORKERS}")
        return count
    if "float" in kind:
        seconds = float(text)
        if not 0 <= seconds < 86_400:
            raise ValueError(f"{text} is no number of seconds within a day")
        return seconds
    return text
