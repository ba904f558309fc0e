"""What shows a provider who sends a request, and why there may be none."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.model import Deployment
from holdfast_executor.chat import Encoded

Header = tuple[str, str]

Parts = Mapping[str, str]
"""A credential as it is now: its secrets by the names of its parts."""

Proof = Callable[[Deployment, str, Encoded], tuple[Header, ...]]
"""Returns the headers that authenticate a request: to this deployment, at this
URL, with this body and these headers. All of them are final: what is signed is
what is sent. Raises `NoProofError`."""


class NoProofError(Exception):
    """Nothing can show who sends.

    Attributes:
        message: Why, and what would help. Never holds a secret.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """What a credential was exchanged for, and how long that is good.

    Attributes:
        expires: In Unix seconds. Infinite if it does not.
        is_fixed: Whether an exchange of the same credential gives the same.
    """

    prove: Proof
    expires: float = math.inf
    is_fixed: bool = False


Fetch = Callable[[Parts], Token]
"""Exchanges a credential for a token. Blocks, so it is called in a thread.
Raises `NoProofError`."""


def always(*headers: Header) -> Proof:
    """Return the proof that is the same headers for every request."""
    return lambda *_: headers
