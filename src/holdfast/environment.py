"""What a service's process is told by `HOLDFAST_*` variables.

The configuration file says what the gateway does; these say where one process
of it stands. `docs/configuration.md` lists them, checked against `VARIABLES`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from holdfast.sealing import SealingKeys
from holdfast.signing import PlanKeys, parse_keys

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
        etcd_endpoints: In place of the configuration file's.
        plan_keys: `id:base64` each; the first signs, all verify.
        plan_keys_file: Where they are read from instead.
        sealing_keys: `id:base64` each, of 32 bytes; the first seals credentials
            that plans bear, all open them.
        sealing_keys_file: Where they are read from instead.
        metrics_listen: Where Prometheus metrics are served. None: nowhere but
            at the edge's `/metrics`.
        log_level: `debug`, `info`, `warning` or `error`.
        drain_seconds: How long calls begun may go on after SIGTERM.
        workers: How many processes of this service share its address.
        worker: Which of them this is; it is told by its parent.
    """

    config: Path | None = None
    listen: str | None = None
    resolver_targets: tuple[str, ...] = ("127.0.0.1:50051",)
    executor_targets: tuple[str, ...] = ("127.0.0.1:50052",)
    etcd_endpoints: tuple[str, ...] = ()
    plan_keys: str = ""
    plan_keys_file: Path | None = None
    sealing_keys: str = ""
    sealing_keys_file: Path | None = None
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
