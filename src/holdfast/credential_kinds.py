"""What a provider's credential may consist of, and what it can be used for.

A table: the configuration file is checked against it, the resolver leaves out
deployments whose credential cannot be shown the way they want it, and the
executor looks up by it how a credential is turned into proof.
"""

from collections.abc import Collection
from dataclasses import dataclass

from holdfast.settings import Credential

_BY_KEY = frozenset({"bearer", "x-api-key", "api-key", "x-goog-api-key"})
_AZURE = frozenset({"bearer", "x-api-key", "api-key"})
"""Wherever Azure takes a key it takes an Entra token too, as a bearer's."""


@dataclass(frozen=True, slots=True)
class CredentialKind:
    """One shape a credential may have.

    Attributes:
        needs: The parts it must have.
        auths: The ways to authenticate that it can be used for.
        takes: The parts it may have besides.
        source: What the part `source` must say, where it is needed.
        is_declared: Whether an operator may declare one in the configuration file.
        is_entrusted: Whether somebody else may give one through the API: it is all
            there, and names no file, no address and no identity of the machine's.
    """

    name: str
    needs: tuple[str, ...]
    auths: frozenset[str]
    takes: tuple[str, ...] = ()
    source: str = ""
    is_declared: bool = True
    is_entrusted: bool = False

    def fits(self, credential: Credential) -> bool:
        """Tell whether a credential has this shape."""
        parts = credential.keys()
        if not set(self.needs) <= parts <= {*self.needs, *self.takes}:
            return False
        return not self.source or credential["source"].text == self.source

    @property
    def words(self) -> str:
        """Its shape, as it would be written."""
        needed = [
            f"source: {self.source}" if part == "source" else part
            for part in self.needs
        ]
        optional = f" (also {', '.join(self.takes)})" if self.takes else ""
        return f"{{{', '.join(needed)}}}{optional}"


_AWS = frozenset({"sigv4"})
_GOOGLE = frozenset({"google"})

KINDS: tuple[CredentialKind, ...] = (
    CredentialKind("key", ("key",), _BY_KEY, is_entrusted=True),
    # Bedrock takes API keys of its own beside signatures.
    CredentialKind("aws-key", ("key",), _AWS, is_entrusted=True),
    CredentialKind(
        "aws-keys",
        ("access_key_id", "secret_access_key"),
        _AWS,
        takes=("session_token",),
        is_entrusted=True,
    ),
    CredentialKind("aws-profile", ("profile",), _AWS, takes=("config_file",)),
    CredentialKind(
        "aws-web-identity",
        ("role_arn", "web_identity_token"),
        _AWS,
        takes=("role_session_name", "sts_endpoint"),
    ),
    CredentialKind("aws-default", ("source",), _AWS, source="default"),
    CredentialKind("google-json", ("key",), _GOOGLE),
    # Of a service account alone: other JSON of Google's names files and addresses.
    CredentialKind(
        "google-service-account",
        ("service_account",),
        _GOOGLE,
        is_declared=False,
        is_entrusted=True,
    ),
    CredentialKind("google-default", ("source",), _GOOGLE, source="default"),
    CredentialKind(
        "entra-secret",
        ("tenant_id", "client_id", "client_secret"),
        _AZURE,
        takes=("scope", "authority"),
    ),
    CredentialKind(
        "entra-federated",
        ("tenant_id", "client_id", "federated_token"),
        _AZURE,
        takes=("scope", "authority"),
    ),
    CredentialKind(
        "entra-managed",
        ("source",),
        _AZURE,
        takes=("client_id", "scope"),
        source="managed_identity",
    ),
)
"""Every kind. No two that a way to authenticate has in common fit one credential."""


def kind_of(
    credential: Credential, auth: str, *, is_entrusted: bool = False
) -> CredentialKind | None:
    """Return what a credential is to a way to authenticate, None if of no use.

    Args:
        credential: Its parts.
        auth: The way to authenticate.
        is_entrusted: Whether it came through the API; else an operator declared it.
    """
    for kind in KINDS:
        allowed = kind.is_entrusted if is_entrusted else kind.is_declared
        if allowed and auth in kind.auths and kind.fits(credential):
            return kind
    return None


def is_known(credential: Credential) -> bool:
    """Tell whether a credential is of any kind that may be declared."""
    return any(kind.is_declared and kind.fits(credential) for kind in KINDS)


def shapes(auths: Collection[str] = ()) -> str:
    """Say in words how a credential may be written.

    Args:
        auths: For these ways to authenticate. Empty: for any.
    """
    found = dict.fromkeys(
        kind.words
        for kind in KINDS
        if kind.is_declared
        and kind.needs != ("key",)
        and (not auths or kind.auths & set(auths))
    )
    return ", ".join(["one secret", *found])
