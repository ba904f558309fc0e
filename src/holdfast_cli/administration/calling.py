"""Speaking to a running gateway: where it is, with which key, and what it refuses."""

import argparse
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from holdfast_cli.demo.demonstration import ADMIN_KEY_FILE, STATE_DIR
from holdfast_cli.running import url_of

_DEFAULT_URL = "http://127.0.0.1:8080"

_TIMEOUT_S = 30.0
"""An edit waits for etcd, for seconds at the most."""

_LOCAL = ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104 - not to listen at


class RefusedError(Exception):
    """The gateway refused, or cannot be asked; the message says why in one line.

    Attributes:
        code: The error's, for programs. Empty where nothing was answered.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options that say which gateway is asked, and how it is printed."""
    group = command.add_argument_group("the gateway")
    group.add_argument(
        "--url", help=f"where it is; else that of --state-dir, else {_DEFAULT_URL}"
    )
    group.add_argument(
        "--state-dir",
        type=Path,
        default=STATE_DIR,
        metavar="FOLDER",
        help="of a gateway that runs on this machine (%(default)s)",
    )
    group.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="holds the API key; else the variable HOLDFAST_KEY does",
    )
    group.add_argument("--organization", metavar="ID", help="another than the key's")
    command.add_argument("--json", action="store_true", help="print it as JSON")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that can be asked."""

    url: str
    key: str
    organization: str

    @classmethod
    def of(
        cls, options: argparse.Namespace, environ: Mapping[str, str] = os.environ
    ) -> "Gateway":
        """Find the gateway and the key that the options mean.

        Raises:
            RefusedError: There is no key.
        """
        running = url_of(options.state_dir)
        url = options.url or running or _DEFAULT_URL
        key = (
            read(options.key_file)
            if options.key_file
            else environ.get("HOLDFAST_KEY", "").strip()
        )
        demo_key = options.state_dir / ADMIN_KEY_FILE
        if not key and url == running and demo_key.exists():
            key = read(demo_key)
        if not key:
            raise RefusedError(
                "no API key: set HOLDFAST_KEY, or name a file with --key-file"
            )
        return cls(url.rstrip("/"), key, options.organization or "")

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Send one request and return what is answered; None for nothing.

        Raises:
            RefusedError: It was refused, or not answered.
        """
        if self.organization:
            query["organization"] = self.organization
        try:
            with httpx.Client(
                timeout=_TIMEOUT_S,
                headers={"authorization": f"Bearer {self.key}"},
                trust_env=urllib.parse.urlsplit(self.url).hostname not in _LOCAL,
            ) as client:
                response = client.request(
                    method, self.url + path, json=body, params=query
                )
                answer = response.json() if response.content else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise RefusedError(
                f"no gateway answers at {self.url} ({type(error).__name__}): start one "
                "with `holdfast up`, or name another with --url"
            ) from None
        if response.is_success:
            return answer
        raise _refused(answer, response.status_code)


def _refused(answer: Any, status: int) -> RefusedError:
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return RefusedError(f"the gateway answered {status}")
    code = str(error.get("code"))
    return RefusedError(" ".join(f"{code}: {error.get('message')}".split()), code)


def read(file: Path) -> str:
    """Return a secret that a file holds.

    Raises:
        RefusedError: It cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise RefusedError(f"cannot read {file}: {error}") from None
