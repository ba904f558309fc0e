"""Everything a caller may name, as the resolver lists it."""

from dataclasses import dataclass

from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb
from holdfast.api.common.v1 import caller_pb2 as caller_pb
from holdfast.ports import Resolver

_PAGE_SIZE = 10_000
"""The largest page the resolver gives."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The models and the aliases of one caller, in the resolver's order."""

    models: tuple[catalog_pb.ListedModel, ...]
    aliases: tuple[catalog_pb.Alias, ...]


async def listing(
    resolver: Resolver, api_key_digest: bytes, *, include_excluded: bool
) -> Listing:
    """Ask the resolver for all of its pages.

    Args:
        resolver: Who knows.
        api_key_digest: Who asks.
        include_excluded: Whether deployments that the caller may not use are
            listed too.

    Raises:
        ApiKeyUnknownError: The key is unknown or disabled.
    """
    models: list[catalog_pb.ListedModel] = []
    aliases: list[catalog_pb.Alias] = []
    request = catalog_pb.ListModelsRequest(
        principal=caller_pb.Principal(api_key_digest=api_key_digest),
        include_excluded=include_excluded,
        page_size=_PAGE_SIZE,
    )
    while True:
        page = await resolver.list_models(request)
        models += page.models
        aliases += page.aliases
        if not page.next_page_token:
            return Listing(tuple(models), tuple(aliases))
        request.page_token = page.next_page_token
