"""What the head of every administrative request says: whose key, whose resources."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Scope

from holdfast_edge.auth import api_key_digest
from holdfast_edge.headers import Head
from holdfast_edge.paging import query_of


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and of what.

    Attributes:
        principal: The digest of the API key.
        path: The parameters of the path, by the field that each is.
        organization: Which one; empty: the key's own, or what the body says.
    """

    head: Head
    principal: bytes
    path: Mapping[str, str]
    query: Mapping[str, str]
    organization: str

    @classmethod
    def of(cls, scope: Scope) -> "Asking":
        """Read the head of a request.

        Raises:
            ApiKeyUnknownError: There is no key.
        """
        head = Head.of(scope)
        principal = api_key_digest(head)
        query = query_of(scope)
        return cls(
            head,
            principal,
            scope["path_params"],
            query,
            query.get("organization", ""),
        )
