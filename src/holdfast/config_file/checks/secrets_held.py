"""Secrets: the keys and credentials that the file points to are there."""

import re

from holdfast.config_file.known import API_KEYS, CREDENTIALS, STORES, Known
from holdfast.config_file.ledger import is_address
from holdfast.config_file.values import Record, column
from holdfast.credential_kinds import is_known, kind_of, shapes
from holdfast.model import AUTH_OF_DIALECT

_SENDABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
"""What an HTTP header carries unchanged: a space at an end would be cut off."""


def keys(root: Record, known: Known) -> None:
    """Report API keys that are not there, cannot be sent, or are given twice."""
    lines: dict[str, int] = {}
    declared = root.sections("organizations", "projects", "keys")
    for value in column("key", declared):
        secret = value.content.read(known.environ)
        if secret is None:
            if API_KEYS in known.given:
                value.fault(f"{value.content.origin} holds no key", "set it")
        elif secret == "-" or not _SENDABLE.fullmatch(secret):  # noqa: S105 - "-" is how a caller sends no key
            value.fault(
                "cannot be sent as a key",
                "use visible ASCII characters, no space at an end, not a hyphen alone",
            )
        elif (first := lines.get(secret)) is not None:
            value.fault(f"is the same key as on line {first}", "give each its own")
        else:
            lines[secret] = value.line


def credentials(root: Record, known: Known) -> None:
    """Warn of credentials that are not there."""
    if CREDENTIALS not in known.given:
        return
    found = [
        (part, f"provider {name}")
        for name, value in root.named("providers").items()
        for part in value.content.get("credential", {}).values()
    ]
    found += [
        (part, f"credential {credential} of provider {name}")
        for name, value in root.named("providers").items()
        for credential, parts in value.content.named("credentials").items()
        for part in parts.content.values()
    ]
    found += [
        (value, f"custom model {entry.get('name', '')}")
        for entry in root.sections("organizations", "custom_models")
        for value in column("api_key", [entry])
    ]
    for value, who in found:
        if value.content.read(known.environ) is None:
            value.warn(
                f"{value.content.origin} holds no credential",
                f"set it: until then {who} is left out of plans",
            )


def credential_kinds(root: Record) -> None:
    """Report credentials that are given twice, or that cannot be sent as is said."""
    for value in root.named("providers").values():
        provider = value.content
        one, several = provider.at("credential"), provider.at("credentials")
        if one is not None and several is not None:
            several.fault("stands beside credential", "keep one of the two")
        given = [one] if one is not None else []
        given += provider.named("credentials").values()
        auth = provider.get("auth") or _auth_of(provider.get("dialect"))
        for credential in given:
            parts = {name: part.content for name, part in credential.content.items()}
            if auth is None or auth == "none" or not is_known(parts):
                continue
            if kind_of(parts, auth) is None:
                credential.fault(
                    f"is no credential for auth {auth}", f"write {shapes([auth])}"
                )


def _auth_of(dialect: str | None) -> str | None:
    return None if dialect is None else AUTH_OF_DIALECT.get(dialect, "bearer")


def ledger(root: Record, known: Known) -> None:
    """Report a ledger that is of no known kind, without repeating its password."""
    section = root.section("ledger")
    for value in column("password", [section]):
        if STORES in known.given and value.content.read(known.environ) is None:
            value.warn(
                f"{value.content.origin} holds no password",
                "set it, or remove the field",
            )
    for value in column("url", [section]):
        url = value.content.read(known.environ)
        if url is None:
            if STORES in known.given:
                value.fault(f"{value.content.origin} holds no address", "set it")
        elif not is_address(url):
            value.fault(
                "is no address of a ledger",
                "write sqlite:///PATH, postgresql+asyncpg://USER@HOST/NAME or none",
            )
