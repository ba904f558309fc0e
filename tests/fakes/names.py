"""Names that lead wherever a test says, and servers behind them.

Every address below 127 is this machine's own, so that several replicas may have
the same port, as pods do.
"""

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from holdfast.rpc.link.server import serve_link
from holdfast.rpc.server import GrpcServer


class ScriptedNames:
    """A lookup: each name leads where it was last told to.

    Attributes:
        asked: Every name that was looked up.
    """

    def __init__(self, **hosts: Sequence[str]) -> None:
        self._hosts = dict(hosts)
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._hosts:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._hosts[host]

    def lead(self, host: str, *addresses: str) -> None:
        """Have a name lead to some addresses from now on."""
        self._hosts[host] = addresses

    def forget(self, host: str) -> None:
        """Have a name lead nowhere."""
        del self._hosts[host]


def port_of(*addresses: str) -> int:
    """Return a port that is free at each of some addresses."""
    while True:
        with contextlib.ExitStack() as stack:
            first, *rest = (stack.enter_context(socket.socket()) for _ in addresses)
            first.bind((addresses[0], 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError):
                for each, address in zip(rest, addresses[1:], strict=True):
                    each.bind((address, port))
                return port


@contextlib.asynccontextmanager
async def replicas(
    port: int, offers: Mapping[str, Any]
) -> AsyncIterator[dict[str, GrpcServer]]:
    """Serve what is offered at each of some addresses, over links without lanes."""
    servers: dict[str, GrpcServer] = {}
    try:
        for address, offered in offers.items():
            server = servers[address] = GrpcServer([])
            serve_link(server, offered, lanes=False)
            await server.start(f"{address}:{port}")
        yield servers
    finally:
        for server in servers.values():
            await server.stop(0)
