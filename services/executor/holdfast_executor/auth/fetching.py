"""Who exchanges a credential for a token, by the credential's kind.

The modules named here are imported when the first credential of their kind is
used, and not before: each brings a cloud's own library, and a gateway that does
without that cloud shall not pay for it.
"""

import importlib
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from holdfast_executor.auth.proof import Fetch, Parts, Token


def _fetch(module: str, function: str, parts: Parts) -> Token:
    found = importlib.import_module(f"holdfast_executor.auth.{module}")
    fetch: Fetch = getattr(found, function)
    return fetch(parts)


FETCHERS: Mapping[str, Fetch] = MappingProxyType(
    {
        "aws-keys": partial(_fetch, "sigv4", "of_keys"),
        "aws-profile": partial(_fetch, "aws", "of_profile"),
        "aws-web-identity": partial(_fetch, "aws", "of_web_identity"),
        "aws-default": partial(_fetch, "aws", "of_machine"),
        "google-json": partial(_fetch, "google", "of_json"),
        "google-service-account": partial(_fetch, "google", "of_service_account"),
        "google-default": partial(_fetch, "google", "of_machine"),
        "entra-secret": partial(_fetch, "entra", "of_secret"),
        "entra-federated": partial(_fetch, "entra", "of_federated_token"),
        "entra-managed": partial(_fetch, "entra", "of_machine"),
    }
)
"""Kinds that are not here are keys, sent as they are."""
