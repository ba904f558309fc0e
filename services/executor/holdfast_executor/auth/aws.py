"""AWS's temporary credentials, found and exchanged by botocore.

A profile, a web identity's token (IRSA), or what the machine itself has: the
environment, a container's or an instance's role. Each fetch begins anew, so that
what changed in a file or at AWS is seen; when to fetch is decided elsewhere.
"""

import contextlib
import math
import re

from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from holdfast_executor.auth.proof import NoProofError, Parts, Token
from holdfast_executor.auth.sigv4 import signed_with

_TIMEOUT_S = 10
"""For connecting to STS and for each piece of its answer: above what it takes
when it is slow, below what a thread may hang for."""

_REGION = "us-east-1"
"""Where STS is asked if nothing says where; each region's serves every role."""

_CODE = re.compile(r"[A-Za-z.]{1,60}")
"""An error's code, which may be told on."""


def of_profile(parts: Parts) -> Token:
    """Use a profile of AWS's shared configuration, whatever it stands for."""
    session = Session(profile=parts["profile"])
    if "config_file" in parts:
        session.set_config_variable("config_file", parts["config_file"])
        session.set_config_variable("credentials_file", parts["config_file"])
    return _found(session, f"profile {parts['profile']}")


def of_machine(_: Parts) -> Token:
    """Use what the machine has, in the order that AWS's own tools look."""
    return _found(Session(), "this machine")


def of_web_identity(parts: Parts) -> Token:
    """Exchange a web identity's token for a role's credentials."""
    session = Session()
    try:
        # The token is the proof here, so there is nothing to sign with.
        client = session.create_client(
            "sts",
            region_name=session.get_config_variable("region") or _REGION,
            endpoint_url=parts.get("sts_endpoint"),
            config=Config(
                signature_version=UNSIGNED,
                connect_timeout=_TIMEOUT_S,
                read_timeout=_TIMEOUT_S,
                retries={"total_max_attempts": 2},
            ),
        )
        with contextlib.closing(client):
            found = client.assume_role_with_web_identity(
                RoleArn=parts["role_arn"],
                RoleSessionName=parts.get("role_session_name", "holdfast"),
                WebIdentityToken=parts["web_identity_token"],
            )["Credentials"]
    except (BotoCoreError, ClientError) as error:
        raise NoProofError(f"AWS gave no role for the token: {_why(error)}") from error
    keys = ReadOnlyCredentials(
        found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]
    )
    return Token(signed_with(keys), found["Expiration"].timestamp())


def _found(session: Session, where: str) -> Token:
    try:
        credentials = session.get_credentials()
        if credentials is None:
            raise NoProofError(f"{where} has no AWS credentials; set them up there")
        keys = credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:
        raise NoProofError(f"{where} gave no AWS credentials: {_why(error)}") from error
    # What does not expire has no such attribute; botocore names no other way.
    expires = getattr(credentials, "_expiry_time", None)
    return Token(
        signed_with(keys), math.inf if expires is None else expires.timestamp()
    )


def _why(error: Exception) -> str:
    """Name what went wrong without words that AWS or a file chose."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        return code if _CODE.fullmatch(code) else "refused"
    return type(error).__name__
