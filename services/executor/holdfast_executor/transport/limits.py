"""Bounds on what the executor keeps of connections and takes of answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Bounds on what is kept and taken.

    How many connections are in use has no bound: the executor's own admission
    is the bound, and a request that waits here would look like a slow provider.

    Attributes:
        keepalive_s: How long an idle connection is kept, in seconds; less where
            the provider says so. Five below the 60 after which common load
            balancers close theirs, so that it is seldom the peer who closes.
        idle_connections: How many are kept of one place after a burst. One over
            TLS holds 50 KB, without it 9, and a load that needs more at a time has them
            in use and not idle.
        dns_ttl_s: How long an address is remembered, in seconds. Below the 60
            for which the clouds' load balancers publish theirs.
        header_line_bytes: One header or the status line. Twice the 8 KiB that
            servers commonly send at most, for the policies and tracing that
            content networks add.
        head_bytes: What may arrive without any body among it: a head, that of
            interim answers, trailers, chunks' extensions. Eight of the longest
            lines; looked at after each read, so one read more may pass.
    """

    keepalive_s: float = 55
    idle_connections: int = 512
    dns_ttl_s: float = 30
    header_line_bytes: int = 16 * 1024
    head_bytes: int = 128 * 1024
