"""What a request names by its address, once somebody has fetched it."""

import asyncio
import functools
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is at an address.

    Attributes:
        media_type: By its own first bytes, e.g. `image/png`.
        data: The whole of it, in base64.
    """

    media_type: str
    data: str


@dataclass(frozen=True, slots=True)
class Unfetched:
    """An address of which nothing is had, and why not.

    Attributes:
        why: In words that hold nothing of the address.
    """

    why: str


class Media(dict[str, Fetched | Unfetched]):
    """What was fetched for one request, by address."""

    @functools.cached_property
    def gate(self) -> asyncio.Lock:
        """Lets one attempt fetch at a time: two may be under way at once."""
        return asyncio.Lock()
