"""GET /v2/me: whose key it is, and what it may do."""

from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.common.v1 import caller_pb2 as caller_pb
from holdfast.ports import Resolver
from holdfast_edge.auth import api_key_digest
from holdfast_edge.headers import Head
from holdfast_edge.reply import send_json


@dataclass(frozen=True, slots=True)
class Me:
    """The key that asks."""

    resolver: Resolver
    surface: str = "me"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with whose it is."""
        await send_json(
            send, await identity_of(self.resolver, api_key_digest(Head.of(scope)))
        )


async def identity_of(resolver: Resolver, digest: bytes) -> dict[str, Any]:
    """Say whose a key is.

    Raises:
        ApiKeyUnknownError: It is nobody's.
    """
    listed = await resolver.list_models(
        catalog_pb.ListModelsRequest(
            principal=caller_pb.Principal(api_key_digest=digest), page_size=1
        )
    )
    caller = listed.caller
    return {
        "organization": caller.organization_id,
        "project": caller.project_id,
        "key": caller.api_key_id,
        "admin": listed.is_admin,
    }
