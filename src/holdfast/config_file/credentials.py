"""Secrets in a configuration file: written out, or where to read them."""

import re
from dataclasses import dataclass
from pathlib import Path

from holdfast.config_file.document import MapNode, Node
from holdfast.config_file.faults import Place
from holdfast.config_file.kinds import Text, scalar_text
from holdfast.config_file.values import Value
from holdfast.credential_kinds import is_known, shapes
from holdfast.settings import Secret

_SOURCES = frozenset({"env", "file"})
"""The names that make a mapping one secret, and so no part may bear."""

_SHAPES = "write the text, {env: NAME} or {file: PATH}"
_FILE = Text(allowed="a path without control characters", longest=4096)


@dataclass(frozen=True, slots=True)
class OneFile:
    """A file, whose path is below the configuration file's own folder if relative."""

    words: str = "path"

    def read(self, node: Node, place: Place) -> Path | None:
        """Return the path; whether there is such a file is not looked at."""
        path = _FILE.read(node, place)
        return None if path is None else place.report.file.parent / path


@dataclass(frozen=True, slots=True)
class OneSecret:
    """A secret as text, `{env: NAME}` or `{file: PATH}`.

    Nothing that is said about one repeats what it holds, nor any name that an
    operator may have put a secret in place of.
    """

    words: str = "secret"

    def read(self, node: Node, place: Place) -> Secret | None:
        """Return the secret; a relative path is below the file's own folder."""
        if not isinstance(node, MapNode):
            text = scalar_text(node, place)
            return None if text is None else Secret(text=text)
        names = {entry.name for entry in node.entries}
        if len(names) != 1 or not names <= _SOURCES:
            place.fault(node.line, "is no text and names no one source", _SHAPES)
            return None
        (entry,) = node.entries
        if entry.name == "file":
            path = OneFile().read(entry.node, place.of("file"))
            return None if path is None else Secret(file=path)
        variable = scalar_text(entry.node, place.of("env"))
        if variable is None:
            return None
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            place.of("env").fault(
                entry.line,
                "is not the name of an environment variable",
                "write a name of letters, digits and underscores",
            )
            return None
        return Secret(env=variable)


@dataclass(frozen=True, slots=True)
class CredentialParts:
    """A credential: one secret, or several under the names of its parts."""

    words: str = "secret, or a mapping of part names to secrets"

    def read(self, node: Node, place: Place) -> dict[str, Value] | None:
        """Return the parts; one secret alone is the part `key`."""
        one = OneSecret()
        if not isinstance(node, MapNode) or any(
            entry.name in _SOURCES for entry in node.entries
        ):
            secret = one.read(node, place)
            return None if secret is None else {"key": Value(secret, node.line, place)}
        if not node.entries:
            place.fault(node.line, "has no parts", f"{_SHAPES}, or one for each part")
            return None
        parts: dict[str, Value] = {}
        for entry in node.entries:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", entry.name):
                place.fault(
                    entry.line,
                    "a part has a name that is not in small letters and underscores",
                    "write e.g. access_key_id, or give one secret",
                )
                continue
            here = place.of(entry.name)
            secret = one.read(entry.node, here)
            if secret is not None:
                parts[entry.name] = Value(secret, entry.line, here)
        if len(parts) == len(node.entries) and not is_known(
            {name: value.content for name, value in parts.items()}
        ):
            place.fault(
                node.line,
                "has parts that make no credential of any kind",
                f"write {shapes()}",
            )
        return parts


@dataclass(frozen=True, slots=True)
class NamedCredentials:
    """Several credentials of one provider, by names that are no secrets."""

    words: str = "mapping of names to credentials"

    def read(self, node: Node, place: Place) -> dict[str, Value] | None:
        """Return the credentials that are right; the others are reported."""
        if not isinstance(node, MapNode) or not node.entries:
            place.fault(
                node.line,
                "is no mapping of names to credentials",
                "write a name, a colon and a credential for each",
            )
            return None
        credentials: dict[str, Value] = {}
        for entry in node.entries:
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", entry.name):
                place.fault(
                    entry.line,
                    "a credential has a name that cannot be one",
                    "write small letters, digits, hyphens and underscores, 40 at most",
                )
                continue
            here = place.of(entry.name)
            parts = CredentialParts().read(entry.node, here)
            if parts is not None:
                credentials[entry.name] = Value(parts, entry.line, here)
        return credentials
