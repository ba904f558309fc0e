"""Who may see and edit what: admin keys, runtime keys, and other organizations'."""

import pytest

from fakes.control import ADMIN, APP, FILE, OTHER, Room, digest_of
from holdfast.control.resources import (
    Alias,
    ApiKey,
    Budget,
    Guardrail,
    Organization,
    Policy,
    Project,
)
from holdfast.errors import (
    AdminKeyRequiredError,
    ApiKeyUnknownError,
    DeclaredInFileError,
    ResourceInUseError,
    ResourceNotFoundError,
)

FOR_ADMINS = {
    "organization": Organization(organization="labs"),
    "project": Project(organization="", id="app"),
    "key": ApiKey(organization="", project="web", id="k1"),
    "policy": Policy(organization="", project="web", geographies=("eu",)),
    "budget": Budget(organization="", monthly_usd="10"),
    "guardrail": Guardrail(organization="", name="cards", presets=("credit_card",)),
}


def alias(name: str = "best", organization: str = "") -> Alias:
    return Alias(organization=organization, name=name, fallback_models=("sonnet",))


@pytest.mark.parametrize("kind", FOR_ADMINS)
async def test_what_is_for_administrators(kind):
    """An admin key makes it, and a runtime key neither makes nor lists it."""
    room = Room()
    made = await room.administration.create(ADMIN, kind, FOR_ADMINS[kind])

    assert (made.source, made.generation) == ("api", 1)
    with pytest.raises(AdminKeyRequiredError):
        await room.administration.create(APP, kind, FOR_ADMINS[kind])
    with pytest.raises(AdminKeyRequiredError):
        await room.administration.list(APP, kind)


async def test_history_is_for_administrators():
    """Who calls models sees no audit trail, and goes nowhere back."""
    room = Room()
    await room.administration.create(ADMIN, "alias", alias())

    for asked in (
        room.administration.generations(APP),
        room.administration.compare(APP, 0, 1),
        room.administration.roll_back(APP, 0),
    ):
        with pytest.raises(AdminKeyRequiredError):
            await asked


async def test_runtime_keys_edit_aliases():
    """Whoever calls models makes names for them, too."""
    room = Room()
    made = await room.administration.create(APP, "alias", alias())
    await room.administration.delete(APP, "alias", [made.resource.id])

    listed = await room.administration.list(APP, "alias")
    assert [each.resource.name for each in listed] == ["declared"]


async def test_an_organization_may_leave_aliases_to_its_administrators():
    """Then runtime keys see them and edit none."""
    room = Room(FILE.replace("  - id: acme", "  - id: acme\n    aliases_by: admin_key"))
    await room.administration.create(ADMIN, "alias", alias())

    assert len(await room.administration.list(APP, "alias")) == 2
    with pytest.raises(AdminKeyRequiredError, match="administrators alone"):
        await room.administration.create(APP, "alias", alias("mine"))


@pytest.mark.parametrize("principal", [OTHER, digest_of("hf-other-app")])
async def test_nothing_of_another_organization_is_there(principal):
    """By whatever name it is asked for, and whatever is to be done."""
    room = Room()
    made = await room.administration.create(ADMIN, "alias", alias())
    names = [made.resource.id]
    asked = [
        room.administration.get(principal, "alias", names),
        room.administration.get(principal, "alias", names, organization="acme"),
        room.administration.list(principal, "alias", organization="acme"),
        room.administration.create(principal, "alias", alias(organization="acme")),
        room.administration.replace(
            principal, "alias", names, alias(organization="acme")
        ),
        room.administration.delete(principal, "alias", names, organization="acme"),
    ]

    for one in asked:
        with pytest.raises(ResourceNotFoundError):
            await one
    assert (await room.administration.get(ADMIN, "alias", names)).generation == 1


async def test_an_organization_that_is_made_belongs_to_who_made_it():
    """Its maker's administrators administer it, and so do its own; no others."""
    room = Room()
    labs = Organization(organization="labs", parent="other")
    made = await room.administration.create(ADMIN, "organization", labs)
    await room.administration.create(
        ADMIN, "project", Project(organization="labs", id="p")
    )
    key = await room.administration.create(
        ADMIN, "key", ApiKey(organization="labs", project="p", id="k", admin=True)
    )
    own = digest_of(key.secret)
    await room.administration.create(own, "alias", alias())

    assert made.resource.parent == "acme"
    assert len(await room.administration.list(ADMIN, "alias", organization="labs")) == 1
    listed = await room.administration.list(ADMIN, "organization")
    assert [each.resource.organization for each in listed] == ["acme", "labs"]
    with pytest.raises(ResourceNotFoundError):
        await room.administration.list(OTHER, "alias", organization="labs")
    with pytest.raises(ResourceNotFoundError):
        await room.administration.list(own, "alias", organization="acme")
    with pytest.raises(AdminKeyRequiredError, match="that the configuration file"):
        await room.administration.create(
            own, "organization", Organization(organization="more")
        )


async def test_what_the_file_declares_is_shown_and_not_edited():
    """It says where it comes from; changing it is for whoever writes the file."""
    room = Room()
    (declared,) = await room.administration.list(ADMIN, "alias")
    names = [declared.resource.id]

    assert (declared.source, declared.etag) == ("file", "file")
    with pytest.raises(DeclaredInFileError):
        await room.administration.replace(ADMIN, "alias", names, alias("declared"))
    with pytest.raises(DeclaredInFileError):
        await room.administration.delete(ADMIN, "alias", ["declared"])
    with pytest.raises(DeclaredInFileError):
        await room.administration.rotate(ADMIN, "web", "app")
    with pytest.raises(DeclaredInFileError):
        await room.administration.replace(
            ADMIN, "organization", [], Organization(organization="acme", name="Acme")
        )


async def test_an_unknown_key_learns_nothing():
    """Not even whether there is an organization of that name."""
    room = Room()

    for organization in ("acme", "nobody"):
        with pytest.raises(ApiKeyUnknownError):
            await room.administration.list(
                b"0" * 32, "alias", organization=organization
            )


async def test_an_administrator_keeps_the_key_he_uses():
    """He neither deletes nor shuts nor demotes it, by whatever edit."""
    room = Room()
    first = await room.administration.create(
        ADMIN, "key", ApiKey(organization="", project="web", id="boss", admin=True)
    )
    boss = digest_of(first.secret)
    own = ApiKey(organization="", project="web", id="boss", admin=True)
    before = room.now.replace(year=2020)

    for wanted in (
        {"disabled": True},
        {"admin": False},
        {"expires_at": before},
    ):
        changed = {each: getattr(own, each) for each in own.__struct_fields__} | wanted
        with pytest.raises(ResourceInUseError, match="the key that asks"):
            await room.administration.replace(
                boss, "key", ["web", "boss"], ApiKey(**changed)
            )
    with pytest.raises(ResourceInUseError, match="the key that asks"):
        await room.administration.delete(boss, "key", ["web", "boss"])
    with pytest.raises(ResourceInUseError, match="the key that asks"):
        await room.administration.roll_back(boss, 0)
    await room.administration.delete(ADMIN, "key", ["web", "boss"])


async def test_somebody_can_always_administer():
    """Where the file declares no admin key, the last one cannot take itself away."""
    room = Room()
    made = [
        await room.administration.create(
            ADMIN, "key", ApiKey(organization="", project="web", id=each, admin=True)
        )
        for each in ("one", "two")
    ]
    one, two = (digest_of(each.secret) for each in made)
    room.declare(FILE.replace("admin: true", "admin: false", 1))

    await room.administration.delete(one, "key", ["web", "two"])
    with pytest.raises(ResourceInUseError):
        await room.administration.delete(one, "key", ["web", "one"])
    with pytest.raises(ApiKeyUnknownError):
        await room.administration.list(two, "key")


async def test_a_key_that_was_shut_while_its_edit_waited_makes_none():
    """Who may is asked again at the moment the edit is made."""
    room = Room()
    made = await room.administration.create(
        ADMIN, "key", ApiKey(organization="", project="web", id="boss", admin=True)
    )
    boss = digest_of(made.secret)
    room.store.meanwhile = room.administration.delete(ADMIN, "key", ["web", "boss"])

    with pytest.raises(ApiKeyUnknownError):
        await room.administration.create(boss, "alias", alias())


async def test_an_organization_is_deleted_when_it_is_empty():
    """What is still in it is listed, and nothing is deleted along with it."""
    room = Room()
    labs = Organization(organization="labs")
    await room.administration.create(ADMIN, "organization", labs)
    project = Project(organization="labs", id="p")
    await room.administration.create(ADMIN, "project", project)

    with pytest.raises(ResourceInUseError, match="project labs/p"):
        await room.administration.delete(ADMIN, "organization", [], organization="labs")
    await room.administration.delete(ADMIN, "project", ["p"], organization="labs")
    await room.administration.delete(ADMIN, "organization", [], organization="labs")
    with pytest.raises(ResourceNotFoundError):
        await room.administration.list(ADMIN, "project", organization="labs")


async def test_a_project_is_deleted_when_nothing_needs_it():
    """Neither a key of its, nor a rule, nor a guardrail that names it."""
    room = Room()
    await room.administration.create(
        ADMIN, "project", Project(organization="", id="app")
    )
    await room.administration.create(
        ADMIN, "key", ApiKey(organization="", project="app", id="k")
    )
    await room.administration.create(
        ADMIN,
        "guardrail",
        Guardrail(
            organization="", name="g", presets=("credit_card",), projects=("app",)
        ),
    )

    with pytest.raises(ResourceInUseError, match=r"guardrail acme/g, key acme/app/k"):
        await room.administration.delete(ADMIN, "project", ["app"])


async def test_a_keys_own_rules_go_with_it():
    """So that shutting a key for good is one edit, and leaves nothing behind."""
    room = Room()
    await room.administration.create(
        ADMIN, "key", ApiKey(organization="", project="web", id="k")
    )
    scope = {"organization": "", "project": "web", "key": "k"}
    await room.administration.create(
        ADMIN, "policy", Policy(**scope, geographies=("eu",))
    )
    await room.administration.create(ADMIN, "budget", Budget(**scope, monthly_usd="1"))
    await room.administration.delete(ADMIN, "key", ["web", "k"])

    (made, *_) = await room.administration.generations(ADMIN)
    assert sorted(each.kind for each in made.changes) == ["budget", "key", "policy"]
    assert not await room.administration.list(ADMIN, "budget")
