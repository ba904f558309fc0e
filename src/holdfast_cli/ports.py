"""Addresses on this machine for services that nobody gave one."""

import socket


def usual_or_free(port: int) -> str:
    """Return a loopback address with the usual port, or a free one if it is taken.

    Two gateways on one machine then do not fight over the ports that only
    internal clients use.
    """
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return f"127.0.0.1:{probe.getsockname()[1]}"
    raise OSError("no port is free on 127.0.0.1")
