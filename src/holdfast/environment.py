"""What a service's process is told by `HOLDFAST_*` variables.

The configuration file says what the gateway does; these say where one process
of it stands. `docs/configuration.md` lists them, checked against `VARIABLES`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from holdfast.signing import PlanKeys, parse_keys


class EnvironmentVariableError(Exception):
    """A variable is missing or wrong; the message names it and the remedy."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where one process stands, and whom it talks to.

    Attributes:
        config: The configuration file.
        listen: Where this service is served. None takes the default.
        resolver_targets: gRPC targets of the resolver's replicas.
        executor_targets: gRPC targets of the executor's replicas.
        etcd_endpoints: In place of the configuration file's.
        plan_keys: `id:base64` each; the first signs, all verify.
        plan_keys_file: Where they are read from instead.
        metrics_listen: Where Prometheus metrics are served. None: nowhere but
            at the edge's `/metrics`.
        log_level: `debug`, `info`, `warning` or `error`.
        drain_seconds: How long calls begun may go on after SIGTERM.
    """

    config: Path | None = None
    listen: str | None = None
    resolver_targets: tuple[str, ...] = ("127.0.0.1:50051",)
    executor_targets: tuple[str, ...] = ("127.0.0.1:50052",)
    etcd_endpoints: tuple[str, ...] = ()
    plan_keys: str = ""
    plan_keys_file: Path | None = None
    metrics_listen: str | None = None
    log_level: str = "info"
    drain_seconds: float = 30.0

    def keys(self) -> PlanKeys:
        """Return the keys that plans are signed with.

        Raises:
            EnvironmentVariableError: There are none, or they are no keys.
        """
        text = self.plan_keys
        try:
            if self.plan_keys_file is not None:
                text = self.plan_keys_file.read_text(encoding="utf-8")
            return PlanKeys(parse_keys(text))
        except OSError as error:
            raise EnvironmentVariableError(
                f"HOLDFAST_PLAN_KEYS_FILE: {error}; name a file that can be read"
            ) from error
        except ValueError as error:
            raise EnvironmentVariableError(
                f"HOLDFAST_PLAN_KEYS: {error}; give the resolver and the executor "
                "the same keys, each as id:base64"
            ) from error


VARIABLES = {
    f"HOLDFAST_{field.name.upper()}": field for field in dataclasses.fields(Environment)
}
"""Every variable there is, by name."""


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
    return environment


def _converted(text: str, kind: str) -> object:
    if "tuple" in kind:
        return tuple(word for word in text.replace(",", " ").split())
    if "Path" in kind:
        return Path(text)
    if "float" in kind:
        seconds = float(text)
        if not 0 <= seconds < 86_400:
            raise ValueError(f"{text} is no number of seconds within a day")
        return seconds
    return text
