"""`Administration` in another process, of which there may be several."""

import asyncio
from collections.abc import Sequence

from holdfast.api.admin.v1 import admin_service_pb2 as pb
from holdfast.control.administration import Change, Generation, Stored
from holdfast.control.resources import Any as AnyResource
from holdfast.errors import DeadlineExceededError, ServiceUnavailableError
from holdfast.rpc.clients import Remote
from holdfast.rpc.messages import principal_to_wire
from holdfast.rpc.methods import (
    COMPARE_GENERATIONS,
    CREATE_RESOURCE,
    DELETE_RESOURCE,
    GET_RESOURCE,
    LIST_GENERATIONS,
    LIST_RESOURCES,
    ROLL_BACK,
    ROTATE_API_KEY,
    UPDATE_RESOURCE,
    Method,
    Request,
    Response,
)
from holdfast.rpc.replica import ReplicaGoneError
from holdfast.rpc.resources import (
    change_from_wire,
    generation_from_wire,
    resource_to_wire,
    stored_from_wire,
)

_PATIENCE_S = 10.0
"""For one call, in seconds. An edit looks a custom model's name up for three, and
waits for etcd for two."""

_PATIENCE_WITH_EACH_S = 3.0
"""For one replica where others may be asked, in seconds: a list of ten thousand keys
takes less than one."""


class RemoteAdministration(Remote):
    """An `Administration` with one or more replicas.

    What a key asks for goes to the same replica as long as that is there, so that it
    reads what it has written. Reading goes on to another one where that is gone; an
    edit is asked of one alone, for it may have been made all the same.
    """

    _service = "resolver"

    async def create(
        self,
        principal: bytes,
        kind: str,
        resource: AnyResource,
        *,
        credential: str = "",
    ) -> Stored:
        """Make a resource."""
        request = pb.CreateResourceRequest(
            principal=principal_to_wire(principal),
            resource=resource_to_wire(kind, resource),
            credential=credential,
        )
        answer = await self._edit(CREATE_RESOURCE, request, principal)
        return stored_from_wire(answer.resource)

    async def get(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
    ) -> Stored:
        """Show one."""
        request = pb.GetResourceRequest(
            principal=principal_to_wire(principal),
            kind=kind,
            names=names,
            organization=organization,
        )
        answer = await self._read(GET_RESOURCE, request, principal)
        return stored_from_wire(answer.resource)

    async def list(
        self, principal: bytes, kind: str, *, organization: str = "", project: str = ""
    ) -> Sequence[Stored]:
        """Show all of a kind."""
        request = pb.ListResourcesRequest(
            principal=principal_to_wire(principal),
            kind=kind,
            organization=organization,
            project=project,
        )
        answer = await self._read(LIST_RESOURCES, request, principal)
        return tuple(map(stored_from_wire, answer.resources))

    async def replace(  # noqa: PLR0913 - as the port has it
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        resource: AnyResource,
        *,
        etag: str = "",
        credential: str | None = None,
    ) -> Stored:
        """Change one."""
        request = pb.UpdateResourceRequest(
            principal=principal_to_wire(principal),
            names=names,
            resource=resource_to_wire(kind, resource),
            etag=etag,
            credential=credential,
        )
        answer = await self._edit(UPDATE_RESOURCE, request, principal)
        return stored_from_wire(answer.resource)

    async def delete(
        self,
        principal: bytes,
        kind: str,
        names: Sequence[str],
        *,
        organization: str = "",
        etag: str = "",
    ) -> None:
        """Delete one."""
        request = pb.DeleteResourceRequest(
            principal=principal_to_wire(principal),
            kind=kind,
            names=names,
            organization=organization,
            etag=etag,
        )
        await self._edit(DELETE_RESOURCE, request, principal)

    async def rotate(
        self,
        principal: bytes,
        project: str,
        key: str,
        *,
        organization: str = "",
        overlap_s: float = 0,
    ) -> Stored:
        """Give a key another secret."""
        request = pb.RotateApiKeyRequest(
            principal=principal_to_wire(principal),
            organization=organization,
            project=project,
            key=key,
            overlap_s=overlap_s,
        )
        answer = await self._edit(ROTATE_API_KEY, request, principal)
        return stored_from_wire(answer.resource)

    async def generations(
        self, principal: bytes, *, organization: str = "", limit: int = 100
    ) -> Sequence[Generation]:
        """Show the last edits."""
        request = pb.ListGenerationsRequest(
            principal=principal_to_wire(principal),
            organization=organization,
            limit=max(0, min(limit, _MOST)),
        )
        answer = await self._read(LIST_GENERATIONS, request, principal)
        return tuple(map(generation_from_wire, answer.generations))

    async def compare(
        self, principal: bytes, first: int, second: int, *, organization: str = ""
    ) -> Sequence[Change]:
        """Say what differs between two generations."""
        request = pb.CompareGenerationsRequest(
            principal=principal_to_wire(principal),
            first=first,
            second=second,
            organization=organization,
        )
        answer = await self._read(COMPARE_GENERATIONS, request, principal)
        return tuple(map(change_from_wire, answer.changes))

    async def roll_back(
        self, principal: bytes, to: int, *, organization: str = ""
    ) -> Generation:
        """Make an organization what it was."""
        request = pb.RollBackRequest(
            principal=principal_to_wire(principal), to=to, organization=organization
        )
        answer = await self._edit(ROLL_BACK, request, principal)
        return generation_from_wire(answer.generation)

    async def _read(
        self, method: Method[Request, Response], request: Request, principal: bytes
    ) -> Response:
        return await self._replicas.ask(
            method,
            request,
            asyncio.get_running_loop().time() + _PATIENCE_S,
            affinity=principal,
            patience_with_each_s=_PATIENCE_WITH_EACH_S,
        )

    async def _edit(
        self, method: Method[Request, Response], request: Request, principal: bytes
    ) -> Response:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        try:
            return await self._replicas.ask_one(
                method, request, deadline, affinity=principal
            )
        except (ReplicaGoneError, DeadlineExceededError) as error:
            raise ServiceUnavailableError(
                "The resolver gave no answer, and the edit may have been made or not: "
                "look, before you try again.",
                service="resolver",
            ) from error


_MOST = 2**31 - 1
"""What the contract has room for; far more than are kept."""
