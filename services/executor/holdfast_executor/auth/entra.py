"""Entra's tokens for Azure, exchanged by Microsoft's own library."""

import functools
import logging
import time
from collections.abc import Mapping
from typing import Any

import msal
import requests

from holdfast_executor.auth.proof import NoProofError, Parts, Token, always

_AUTHORITY = "https://login.microsoftonline.com"
_SCOPE = "https://cognitiveservices.azure.com/.default"
"""What Azure OpenAI and Azure AI Foundry ask for."""

_TIMEOUT_S = 10
"""For connecting and for each piece of an answer: above what a token takes when
Entra is slow, below what a thread may hang for."""

# What matters of the library's troubles is in `NoProofError`; standard error is
# for events.
logging.getLogger("msal").addHandler(logging.NullHandler())


def of_secret(parts: Parts, *, http: requests.Session | None = None) -> Token:
    """Exchange an application's own secret.

    Args:
        parts: The credential.
        http: What to call Entra with.
    """
    return _of_application(parts, parts["client_secret"], http)


def of_federated_token(parts: Parts, *, http: requests.Session | None = None) -> Token:
    """Exchange a token that the application's other home vouches for it with.

    Args:
        parts: The credential.
        http: What to call Entra with.
    """
    assertion = {"client_assertion": lambda: parts["federated_token"]}
    return _of_application(parts, assertion, http)


def of_machine(parts: Parts, *, http: requests.Session | None = None) -> Token:
    """Use the identity that Azure gives the machine.

    Args:
        parts: The credential; `client_id` where the machine has several.
        http: What to call the machine's identity endpoint with.
    """
    identity = (
        msal.UserAssignedManagedIdentity(client_id=parts["client_id"])
        if "client_id" in parts
        else msal.SystemAssignedManagedIdentity()
    )
    with _bounded(http) as session:
        try:
            answer = msal.ManagedIdentityClient(
                identity, http_client=session
            ).acquire_token_for_client(
                resource=parts.get("scope", _SCOPE).removesuffix("/.default")
            )
        except (requests.RequestException, msal.ManagedIdentityError) as error:
            raise NoProofError(
                f"this machine gave no Azure identity: {type(error).__name__}"
            ) from error
    return _token(answer)


def _of_application(
    parts: Parts, proof: object, http: requests.Session | None
) -> Token:
    authority = parts.get("authority", _AUTHORITY).rstrip("/")
    with _bounded(http) as session:
        try:
            answer = msal.ConfidentialClientApplication(
                parts["client_id"],
                authority=f"{authority}/{parts['tenant_id']}",
                client_credential=proof,
                # Asks Microsoft whether the authority is one of theirs: whose it
                # is the operator has said.
                instance_discovery=False,
                http_client=session,
            ).acquire_token_for_client([parts.get("scope", _SCOPE)])
        except (requests.RequestException, ValueError) as error:
            raise NoProofError(
                f"Entra could not be asked for a token: {type(error).__name__}"
            ) from error
    return _token(answer)


def _bounded(http: requests.Session | None) -> requests.Session:
    """Return a session that waits for nothing for ever."""
    session: Any = http or requests.Session()
    session.request = functools.partial(session.request, timeout=_TIMEOUT_S)
    bounded: requests.Session = session
    return bounded


def _token(answer: Mapping[str, Any]) -> Token:
    if "access_token" not in answer:
        # Numbers: the words beside them are not ours to tell.
        codes = ", ".join(
            f"AADSTS{code}"
            for code in answer.get("error_codes", [])
            if isinstance(code, int)
        )
        raise NoProofError(f"Entra refused a token{': ' if codes else ''}{codes}")
    bearer = ("authorization", f"Bearer {answer['access_token']}")
    return Token(always(bearer), time.time() + float(answer["expires_in"]))
