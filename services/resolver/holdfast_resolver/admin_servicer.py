"""The gRPC face of the administration: messages in, messages out, nothing decided."""

from holdfast.api.admin.v1 import admin_service_pb2 as pb
from holdfast.api.admin.v1 import admin_service_pb2_grpc as rpc
from holdfast.api.common.v1 import caller_pb2
from holdfast.control.administration import Administration
from holdfast.errors import ApiKeyUnknownError
from holdfast.rpc.errors import Context
from holdfast.rpc.messages import principal_from_wire
from holdfast.rpc.resources import (
    change_to_wire,
    generation_to_wire,
    resource_from_wire,
    stored_to_wire,
)
from holdfast_resolver.servicer import answer


class AdminServicer(rpc.AdminServiceServicer):
    """Serves `holdfast.api.admin.v1.AdminService`."""

    def __init__(self, administration: Administration) -> None:
        """Serve an administration."""
        self._administration = administration

    async def CreateResource(  # noqa: N802 - gRPC's name
        self, request: pb.CreateResourceRequest, context: Context
    ) -> pb.CreateResourceResponse:
        """Make a resource."""

        async def create() -> pb.CreateResourceResponse:
            kind, resource = resource_from_wire(request.resource)
            stored = await self._administration.create(
                _key(request.principal), kind, resource, credential=request.credential
            )
            return pb.CreateResourceResponse(resource=stored_to_wire(stored))

        return await answer(create(), context)

    async def GetResource(  # noqa: N802 - gRPC's name
        self, request: pb.GetResourceRequest, context: Context
    ) -> pb.GetResourceResponse:
        """Show one."""

        async def get() -> pb.GetResourceResponse:
            stored = await self._administration.get(
                _key(request.principal),
                request.kind,
                tuple(request.names),
                organization=request.organization,
            )
            return pb.GetResourceResponse(resource=stored_to_wire(stored))

        return await answer(get(), context)

    async def ListResources(  # noqa: N802 - gRPC's name
        self, request: pb.ListResourcesRequest, context: Context
    ) -> pb.ListResourcesResponse:
        """Show all of a kind."""

        async def show() -> pb.ListResourcesResponse:
            found = await self._administration.list(
                _key(request.principal),
                request.kind,
                organization=request.organization,
                project=request.project,
            )
            return pb.ListResourcesResponse(resources=map(stored_to_wire, found))

        return await answer(show(), context)

    async def UpdateResource(  # noqa: N802 - gRPC's name
        self, request: pb.UpdateResourceRequest, context: Context
    ) -> pb.UpdateResourceResponse:
        """Change one."""

        async def update() -> pb.UpdateResourceResponse:
            kind, resource = resource_from_wire(request.resource)
            stored = await self._administration.replace(
                _key(request.principal),
                kind,
                tuple(request.names),
                resource,
                etag=request.etag,
                credential=request.credential
                if request.HasField("credential")
                else None,
            )
            return pb.UpdateResourceResponse(resource=stored_to_wire(stored))

        return await answer(update(), context)

    async def DeleteResource(  # noqa: N802 - gRPC's name
        self, request: pb.DeleteResourceRequest, context: Context
    ) -> pb.DeleteResourceResponse:
        """Delete one."""

        async def delete() -> pb.DeleteResourceResponse:
            await self._administration.delete(
                _key(request.principal),
                request.kind,
                tuple(request.names),
                organization=request.organization,
                etag=request.etag,
            )
            return pb.DeleteResourceResponse()

        return await answer(delete(), context)

    async def RotateApiKey(  # noqa: N802 - gRPC's name
        self, request: pb.RotateApiKeyRequest, context: Context
    ) -> pb.RotateApiKeyResponse:
        """Give a key another secret."""

        async def rotate() -> pb.RotateApiKeyResponse:
            stored = await self._administration.rotate(
                _key(request.principal),
                request.project,
                request.key,
                organization=request.organization,
                overlap_s=request.overlap_s,
            )
            return pb.RotateApiKeyResponse(resource=stored_to_wire(stored))

        return await answer(rotate(), context)

    async def ListGenerations(  # noqa: N802 - gRPC's name
        self, request: pb.ListGenerationsRequest, context: Context
    ) -> pb.ListGenerationsResponse:
        """Show the last edits."""

        async def show() -> pb.ListGenerationsResponse:
            asked = {"limit": request.limit} if request.limit else {}
            found = await self._administration.generations(
                _key(request.principal), organization=request.organization, **asked
            )
            return pb.ListGenerationsResponse(
                generations=map(generation_to_wire, found)
            )

        return await answer(show(), context)

    async def CompareGenerations(  # noqa: N802 - gRPC's name
        self, request: pb.CompareGenerationsRequest, context: Context
    ) -> pb.CompareGenerationsResponse:
        """Say what differs between two generations."""

        async def compare() -> pb.CompareGenerationsResponse:
            changes = await self._administration.compare(
                _key(request.principal),
                request.first,
                request.second,
                organization=request.organization,
            )
            return pb.CompareGenerationsResponse(changes=map(change_to_wire, changes))

        return await answer(compare(), context)

    async def RollBack(  # noqa: N802 - gRPC's name
        self, request: pb.RollBackRequest, context: Context
    ) -> pb.RollBackResponse:
        """Make an organization what it was."""

        async def roll_back() -> pb.RollBackResponse:
            made = await self._administration.roll_back(
                _key(request.principal), request.to, organization=request.organization
            )
            return pb.RollBackResponse(generation=generation_to_wire(made))

        return await answer(roll_back(), context)


def _key(principal: caller_pb2.Principal) -> bytes:
    """Return the digest of the key that asks: what counts is what the key may do."""
    found = principal_from_wire(principal)
    if not isinstance(found, bytes) or not found:
        raise ApiKeyUnknownError(
            "Resources are for the bearers of API keys; give the digest of one."
        )
    return found
