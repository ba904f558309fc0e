"""Addresses and URIs in a configuration file."""

import re
from dataclasses import dataclass

from holdfast.addresses import uri_fault
from holdfast.config_file.document import Node
from holdfast.config_file.faults import Place
from holdfast.config_file.kinds import scalar_text


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port."""

    words: str
    least_port: int

    def read(self, node: Node, place: Place) -> str | None:
        """Return the address as it is written."""
        text = scalar_text(node, place)
        if text is None:
            return None
        host, colon, port = text.rpartition(":")
        literal = host.startswith("[") and host.endswith("]")
        if (
            not colon
            or not re.fullmatch(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+", host)
            or (":" in host and not literal)
            or not re.fullmatch(r"[0-9]{1,5}", port)
        ):
            place.fault(
                node.line,
                "is not an address",
                "write HOST:PORT, e.g. 127.0.0.1:8080",
            )
            return None
        if not self.least_port <= int(port) <= 65535:
            place.fault(
                node.line,
                f"port {port} is out of range",
                f"write a port from {self.least_port} to 65535",
            )
            return None
        return text


_PLACE = re.compile(r"\$?\{[A-Za-z_][A-Za-z0-9_]*\}")


def filled(base_uri: str) -> str:
    """Put a name of the public internet in place of what is filled in later."""
    return _PLACE.sub("x.example", base_uri)


@dataclass(frozen=True, slots=True)
class Uri:
    """Where a provider is, without a slash at the end of its path.

    It may have a query: Azure's classic endpoints name their `api-version` there.

    Attributes:
        has_places: Whether it may hold `{NAME}`, to be filled in later.
    """

    words: str = "absolute `http://` or `https://` URI"
    has_places: bool = False

    def read(self, node: Node, place: Place) -> str | None:
        """Return the URI, without a slash at the end of its path."""
        text = scalar_text(node, place)
        if text is None:
            return None
        fault = uri_fault(filled(text) if self.has_places else text)
        if fault is not None:
            place.fault(node.line, fault.problem, fault.remedy)
            return None
        path, mark, query = text.partition("?")
        return path.rstrip("/") + (mark + query if query else "")
