"""What becomes of a connection that there is no way for."""

import errno
import socket
from collections.abc import Sequence

import pytest

from holdfast_executor.transport.dialing import AddressBook, Place, open_socket

NO_WAY = OSError(errno.EHOSTUNREACH, "No route to host")
REFUSED = OSError(errno.ECONNREFUSED, "Connection refused")
PLACE = Place(is_tls=False, host="provider.test", port=443, allow_private_network=True)


class Network:
    """Fails as it is told to, connection after connection."""

    def __init__(self, *failures: OSError) -> None:
        self._failures = list(failures)
        self.asked: list[str] = []

    async def connect(self, info) -> socket.socket:
        self.asked.append(info[4][0])
        if self._failures:
            raise self._failures.pop(0)
        return socket.socket()


async def dial(network: Network, addresses: Sequence[str] = ("192.0.2.1",)) -> None:
    async def resolve(_host: str) -> Sequence[str]:
        return addresses

    opened = await open_socket(PLACE, AddressBook(resolve, 60), network.connect)
    opened.close()


async def test_a_host_that_was_found_unreachable_for_others_is_asked_once_more():
    """Its network may have come back this moment, and the kernel asks anew."""
    network = Network(NO_WAY)

    await dial(network)

    assert network.asked == ["192.0.2.1"] * 2


async def test_a_host_that_stays_unreachable_is_given_up():
    """The next deployment has its turn."""
    network = Network(NO_WAY, NO_WAY)

    with pytest.raises(OSError, match="No route"):
        await dial(network)

    assert len(network.asked) == 2


async def test_a_connection_that_is_refused_is_not_asked_for_again():
    """The host is there and has said no."""
    network = Network(REFUSED)

    with pytest.raises(OSError, match="refused"):
        await dial(network)

    assert len(network.asked) == 1


async def test_each_of_several_addresses_is_asked_so():
    """An unreachable one does not keep the others from being tried."""
    network = Network(NO_WAY, NO_WAY)

    await dial(network, ["192.0.2.1", "192.0.2.2"])

    assert network.asked == ["192.0.2.1", "192.0.2.1", "192.0.2.2"]
