"""OAuth tokens for Google Cloud, exchanged by google-auth.

A service account's key, a federated workload's configuration, a user's own
credentials, or what the machine has: application default credentials and the
metadata server.
"""

import contextlib
import datetime as dt
import json
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import google.auth
import urllib3
from google.auth import aws, identity_pool, impersonated_credentials
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.urllib3 import Request
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from holdfast_executor.auth.proof import NoProofError, Parts, Token, always

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""What Vertex AI asks for; roles say how far it goes."""

_TOKENS = "https://oauth2.googleapis.com/token"
"""Where a service account's signature is exchanged for a token."""

_TIMEOUT_S = 10
"""For connecting and for each piece of an answer: above what a token takes when
Google is slow, below what a thread may hang for."""

_CODE = re.compile(r"[a-z]{1,30}_[a-z_]{1,30}")
"""An OAuth error's code, which may be told on."""

# Google's library tells of its troubles on standard error, where nothing else
# but events is; what matters of them is in `NoProofError`.
logging.getLogger("google").addHandler(logging.NullHandler())


def _federated(info: Mapping[str, Any], scopes: Sequence[str]) -> Credentials:
    source = info.get("credential_source", {})
    kind = aws if "environment_id" in source else identity_pool
    read: Callable[..., Credentials] = kind.Credentials.from_info
    return read(info, scopes=scopes)


_READERS: Mapping[str, Callable[..., Credentials]] = {
    "service_account": service_account.Credentials.from_service_account_info,
    "authorized_user": user.Credentials.from_authorized_user_info,
    "external_account": _federated,
    "impersonated_service_account": (
        impersonated_credentials.Credentials.from_impersonated_service_account_info
    ),
}
"""By the `type` in the JSON that Google's console and tools write. Of federated
workloads those that name a command to run are not taken."""


def of_json(parts: Parts) -> Token:
    """Exchange what a JSON file of Google's says, given as text or as its path."""
    info = _parsed(parts["key"])
    read = _READERS.get(str(info.get("type")))
    if read is None:
        kinds = ", ".join(_READERS)
        raise NoProofError(f"Google's JSON has another type than {kinds}")
    try:
        credentials = read(info, scopes=_SCOPES)
    except (GoogleAuthError, ValueError, KeyError, TypeError) as error:
        raise NoProofError(
            f"Google's JSON is not complete: {type(error).__name__}"
        ) from error
    return _exchanged(credentials)


def of_service_account(parts: Parts) -> Token:
    """Exchange the key of a service account, at Google and nowhere else."""
    try:
        info = json.loads(parts["service_account"])
        credentials = service_account.Credentials.from_service_account_info(
            {**info, "token_uri": _TOKENS}, scopes=_SCOPES
        )
    except (GoogleAuthError, ValueError, KeyError, TypeError) as error:
        raise NoProofError(
            f"the service account is not complete: {type(error).__name__}"
        ) from error
    return _exchanged(credentials)


def of_machine(_: Parts) -> Token:
    """Use what the machine has, in the order that Google's own tools look."""
    with _transport() as request:
        try:
            credentials, _project = google.auth.default(scopes=_SCOPES, request=request)
        except GoogleAuthError as error:
            raise NoProofError(
                "this machine has no Google credentials; set them up there"
            ) from error
    return _exchanged(credentials)


def _parsed(text: str) -> Mapping[str, Any]:
    # GOOGLE_APPLICATION_CREDENTIALS holds a path, and is what people have set.
    try:
        if not text.startswith("{"):
            text = Path(text).read_text(encoding="utf-8")
        info = json.loads(text)
    except (OSError, ValueError) as error:
        raise NoProofError(
            "Google's credential is neither JSON nor the path of a JSON file"
        ) from error
    if not isinstance(info, dict):
        raise NoProofError("Google's credential is JSON, but no object")
    return info


def _exchanged(credentials: Credentials) -> Token:
    headers: dict[str, str] = {}
    with _transport() as request:
        try:
            credentials.refresh(request)
            credentials.apply(headers)
        except GoogleAuthError as error:
            raise NoProofError(f"Google gave no token: {_why(error)}") from error
    # Google's library keeps times in UTC without saying so.
    expires: dt.datetime | None = credentials.expiry
    return Token(
        always(*headers.items()),
        math.inf if expires is None else expires.replace(tzinfo=dt.UTC).timestamp(),
    )


@contextlib.contextmanager
def _transport() -> Any:
    """Open connections for one exchange: neither kept, nor led elsewhere."""
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=_TIMEOUT_S, read=_TIMEOUT_S), retries=False
    )
    try:
        yield Request(pool)
    finally:
        pool.clear()


def _why(error: GoogleAuthError) -> str:
    """Name what went wrong without words that came from outside."""
    told = [said.get("error") for said in error.args[1:] if isinstance(said, dict)]
    told += [said.split(":")[0].removeprefix("Error code ") for said in _texts(error)]
    codes = (str(code) for code in told)
    return next((code for code in codes if _CODE.fullmatch(code)), type(error).__name__)


def _texts(error: GoogleAuthError) -> list[str]:
    return [said for said in error.args if isinstance(said, str)]
