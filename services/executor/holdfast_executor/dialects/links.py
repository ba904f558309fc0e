"""Addresses in a request, where the provider takes content alone.

A dialect calls nobody. It writes the request as far as it can, says which
addresses it wants the content of, and writes it again once that is there.
"""

from collections.abc import Mapping

from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.media import Fetched, Unfetched


class MediaWantedError(Exception):
    """A request cannot be written before what is at some addresses is fetched.

    Attributes:
        addresses: As the caller wrote them, each once.
    """

    def __init__(self, addresses: tuple[str, ...]) -> None:
        super().__init__("content at an address is wanted")
        self.addresses = addresses


class Links:
    """The addresses that come up while one request is written."""

    def __init__(self, media: Mapping[str, Fetched | Unfetched]) -> None:
        """Begin with none.

        Args:
            media: What has been fetched.
        """
        self._media = media
        self._wanted: dict[str, None] = {}

    def content(self, address: str, field: str, stand_in: str) -> Fetched:
        """Return what is at an address.

        Where that is not known yet, something stands in for it, and `settle`
        will say that it is wanted.

        Args:
            address: As the caller wrote it.
            field: Where the caller wrote it.
            stand_in: A media type that may stand in this place.

        Raises:
            CapabilityMissingError: It was not to be had.
        """
        found = self._media.get(address)
        if found is None:
            self._wanted[address] = None
            return Fetched(stand_in, "")
        if isinstance(found, Unfetched):
            raise CapabilityMissingError(
                "The provider takes content itself and fetches nothing, and for the "
                f"gateway it was not to be had: {found.why}.",
                field,
            )
        return found

    def settle(self) -> None:
        """End the request.

        Raises:
            MediaWantedError: Something stands in for what is to be fetched.
        """
        if self._wanted:
            raise MediaWantedError(tuple(self._wanted))
