"""The administration at the other end of a gRPC channel, as if it were here."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from grpc import aio

from fakes.control import ADMIN, APP, FILE, OTHER, Room, digest_of
from fakes.plans import CALLER
from fakes.tenancy import BY_API, KINDS
from holdfast.api.admin.v1 import admin_service_pb2 as pb
from holdfast.api.admin.v1 import admin_service_pb2_grpc as rpc
from holdfast.control.administration import Administration
from holdfast.control.resources import Alias, ApiKey, CustomModel, Guardrail, Judge
from holdfast.errors import (
    AliasTargetUnknownError,
    ApiKeyUnknownError,
    DeclaredInFileError,
    EditConflictError,
    GatewayError,
    GenerationGoneError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceUnavailableError,
)
from holdfast.rpc.administration import RemoteAdministration
from holdfast.rpc.messages import principal_to_wire
from holdfast.rpc.resources import resource_from_wire, resource_to_wire
from holdfast.rpc.server import GrpcServer
from holdfast_resolver.admin_servicer import AdminServicer

SERVICE = "holdfast.api.admin.v1.AdminService"


def alias(name: str = "best", *members: str, **more: str) -> Alias:
    return Alias(
        organization="", name=name, fallback_models=members or ("sonnet",), **more
    )


@contextlib.asynccontextmanager
async def served(
    administration: Administration,
) -> AsyncIterator[tuple[str, GrpcServer]]:
    server = GrpcServer([SERVICE])
    rpc.add_AdminServiceServicer_to_server(AdminServicer(administration), server.grpc)
    address = await server.start("127.0.0.1:0")
    try:
        yield address, server
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def remote(administration: Administration) -> AsyncIterator[RemoteAdministration]:
    async with served(administration) as (address, _):
        client = RemoteAdministration([address])
        try:
            yield client
        finally:
            await client.close()


@pytest.mark.parametrize("resource", BY_API, ids=lambda each: type(each).__name__)
def test_every_field_of_every_kind_arrives(resource):
    """The messages have the same fields under the same names."""
    kind = KINDS[type(resource)]
    written = resource_to_wire(kind, resource).SerializeToString()

    read = type(resource_to_wire(kind, resource)).FromString(written)
    assert resource_from_wire(read) == (kind, resource)


def test_what_is_empty_is_not_what_is_absent():
    """Moments, empty replacements and small numbers come through as they are."""
    guardrail = Guardrail(
        organization="acme",
        name="g",
        replacement="",
        judge=Judge(model="m", prompt="p"),
    )
    key = ApiKey(
        organization="acme",
        project="web",
        id="k",
        expires_at=datetime(2027, 1, 2, 3, 4, 5, 678000, UTC),
        requests_per_minute=1,
    )

    for kind, resource in (("guardrail", guardrail), ("key", key)):
        assert resource_from_wire(resource_to_wire(kind, resource)) == (kind, resource)


async def test_everything_is_made_shown_changed_and_deleted():
    """And looks just as it does where it is kept."""
    room = Room()
    async with remote(room.administration) as far:
        for resource in BY_API:
            made = await far.create(ADMIN, KINDS[type(resource)], resource)
            assert made.resource.organization == "labs"
            assert bool(made.secret) == isinstance(resource, ApiKey)
        for kind in KINDS.values():
            here = await room.administration.list(ADMIN, kind, organization="labs")
            assert await far.list(ADMIN, kind, organization="labs") == tuple(here)
        found = await far.get(ADMIN, "alias", ["best"], organization="labs")
        changed = await far.replace(
            ADMIN,
            "alias",
            [found.resource.id],
            Alias(organization="labs", name="better", fallback_models=("opus",)),
            etag=found.etag,
        )
        rotated = await far.rotate(
            ADMIN, "web", "key", organization="labs", overlap_s=60
        )
        await far.delete(ADMIN, "alias", ["better"], organization="labs")

        assert changed.resource.fallback_models == ("opus",)
        assert len(rotated.resource.secrets) == 2
        assert digest_of(rotated.secret) in room.directory.entrances
        here = await room.administration.generations(ADMIN, organization="labs")
        there = await far.generations(ADMIN, organization="labs")
        assert [(e.number, e.at, e.actor, e.action) for e in there] == [
            (e.number, e.at, e.actor, e.action) for e in here
        ]
        assert [list(each.changes) for each in there] == [
            list(each.changes) for each in here
        ]
        made = len(BY_API)
        differing = await far.compare(ADMIN, made, made + 3, organization="labs")
        assert [(each.kind, each.after is None) for each in differing] == [
            ("alias", True),
            ("key", False),
        ]
        back = await far.roll_back(ADMIN, made, organization="labs")
        assert back.action == "roll_back"
        restored = await far.get(ADMIN, "alias", ["best"], organization="labs")
        assert restored.resource.id == found.resource.id


async def test_a_credential_is_given_kept_and_taken_away():
    """To leave it, to empty it and to replace it are three things."""
    room = Room()
    custom = CustomModel(
        organization="",
        name="acme/tuned",
        identifier="openai/x",
        extra={"api_base": "https://tuned.example/v1", "depth": 2.0},
    )

    def sealed() -> bool:
        models = room.directory.tenants["acme"].names.custom_models
        return bool(models["acme/tuned"].deployments[0].sealed_credential)

    async with remote(room.administration) as far:
        made = await far.create(APP, "custom_model", custom, credential="k")
        assert made.resource.sealed_credential == ""
        assert made.resource.extra == custom.extra
        seen = [sealed()]
        for credential in (None, ""):
            await far.replace(
                APP,
                "custom_model",
                ["acme/tuned"],
                CustomModel(
                    organization="",
                    name="acme/tuned",
                    identifier=f"openai/{credential}x",
                    extra=custom.extra,
                ),
                credential=credential,
            )
            seen.append(sealed())

    assert seen == [True, True, False]


async def test_failures_arrive_with_what_they_say():
    """Their kind, their message and their metadata."""
    room = Room()
    async with remote(room.administration) as far:
        made = await far.create(ADMIN, "alias", alias())

        async def failure(asked) -> GatewayError:
            with pytest.raises(GatewayError) as raised:
                await asked
            return raised.value

        unknown = await failure(far.create(ADMIN, "alias", alias("n", "sonet")))
        assert isinstance(unknown, AliasTargetUnknownError)
        assert unknown.metadata == {"field": "fallback_models[0]", "target": "sonet"}
        conflict = await failure(
            far.replace(ADMIN, "alias", ["best"], alias("best", "opus"), etag="9")
        )
        assert isinstance(conflict, EditConflictError)
        assert conflict.metadata["etag"] == made.etag
        for kind, asked in (
            (ResourceExistsError, far.create(ADMIN, "alias", alias())),
            (DeclaredInFileError, far.delete(ADMIN, "alias", ["declared"])),
            (ResourceNotFoundError, far.get(OTHER, "alias", ["best"])),
            (GenerationGoneError, far.compare(ADMIN, 0, 99)),
            (GenerationGoneError, far.roll_back(ADMIN, -1)),
            (ApiKeyUnknownError, far.list(b"who", "alias")),
        ):
            error = await failure(asked)
            assert isinstance(error, kind)
        room.store.away = True
        away = await failure(far.delete(ADMIN, "alias", ["best"]))
        assert isinstance(away, ServiceUnavailableError)


async def test_who_asks_is_a_key():
    """A project that an internal client names administers nothing, nor does nobody."""
    async with served(Room().administration) as (address, _):
        channel = aio.insecure_channel(address)
        ask = channel.unary_unary(
            f"/{SERVICE}/ListResources",
            pb.ListResourcesRequest.SerializeToString,
            pb.ListResourcesResponse.FromString,
        )
        for principal in (principal_to_wire(CALLER), None):
            with pytest.raises(Exception, match="digest of one"):
                await ask(pb.ListResourcesRequest(principal=principal, kind="alias"))
        await channel.close()


class Hanging:
    """An administration that answers nothing, and counts who asks."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.count = 0

    async def _hang(self, *_: object, **__: object) -> None:
        self.count += 1
        self.asked.set()
        await asyncio.Event().wait()

    create = get = list = replace = delete = rotate = _hang
    generations = compare = roll_back = _hang


async def test_an_edit_is_asked_of_one_replica_alone():
    """It may have been made, though nobody said so. Who reads is answered elsewhere."""
    hanging, room = Hanging(), Room(FILE)
    async with (
        served(hanging) as (first, server),
        served(room.administration) as (
            second,
            _,
        ),
    ):
        alone = RemoteAdministration([first])
        await alone.connected()
        editing = asyncio.create_task(alone.create(ADMIN, "alias", alias()))
        await hanging.asked.wait()
        both = RemoteAdministration([first, second])
        await server.stop(0)

        with pytest.raises(ServiceUnavailableError, match="may have been made"):
            await editing
        assert hanging.count == 1
        assert await both.list(ADMIN, "alias")
        made = await both.create(ADMIN, "alias", alias())
        assert made.generation == 1
        await alone.close()
        await both.close()
