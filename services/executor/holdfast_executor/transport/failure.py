"""How a call can fail, for whoever decides what to do next."""

from enum import Enum


class FailureKind(Enum):
    """How a request failed, as far as what to do next depends on it."""

    CONNECT = "connect"
    """Refused, unreachable, unknown host, or a request that cannot be sent."""
    TLS = "tls"
    """No TLS was agreed on, or the certificate is not to be trusted."""
    TIMEOUT_CONNECT = "timeout_connect"
    """No connection in time, TLS included."""
    TIMEOUT_RESPONSE = "timeout_response"
    """No status and headers in time."""
    RESET = "reset"
    """The peer closed before its answer was whole, or what it sent is no HTTP."""
    ADDRESS_REFUSED = "address_refused"
    """The host's address is not public, and the request may not go elsewhere."""


class TransportError(Exception):
    """A request that got no answer, or not all of it.

    Attributes:
        message: What happened, with the host. Never a path, header or body.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
