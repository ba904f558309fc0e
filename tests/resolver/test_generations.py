"""The last edits: what they did, what differs between two, and the way back."""

import pytest

from fakes.control import ADMIN, APP, OTHER, Room, digest_of
from holdfast.control.resources import Alias, ApiKey, CustomModel, Organization, Policy
from holdfast.errors import (
    ApiKeyUnknownError,
    GenerationGoneError,
    RequestMalformedError,
)
from holdfast.model import Caller

WEB = Caller("acme", "web")


def alias(name: str, *members: str) -> Alias:
    return Alias(organization="", name=name, fallback_models=members or ("sonnet",))


async def names_of(room: Room) -> list[str]:
    found = await room.administration.list(ADMIN, "alias")
    return [each.resource.name for each in found if each.source == "api"]


async def test_each_edit_says_who_did_what():
    """Newest first, with the states before and after."""
    room = Room()
    made = await room.administration.create(APP, "alias", alias("one"))
    await room.administration.replace(ADMIN, "alias", ["one"], alias("one", "opus"))
    await room.administration.delete(ADMIN, "alias", ["one"])
    edits = await room.administration.generations(ADMIN)

    assert [(each.number, each.actor, each.action) for each in edits] == [
        (3, "acme/web/admin", "delete"),
        (2, "acme/web/admin", "update"),
        (1, "acme/web/app", "create"),
    ]
    (change,) = edits[1].changes
    assert (change.kind, change.path) == ("alias", f"acme/{made.resource.id}")
    assert change.before.fallback_models == ("sonnet",)
    assert change.after.fallback_models == ("opus",)
    assert edits[0].changes[0].after is None
    assert len(await room.administration.generations(ADMIN, limit=1)) == 1


async def test_nobody_sees_the_edits_of_others():
    """The numbers are everybody's, what they did is not."""
    room = Room()
    await room.administration.create(ADMIN, "alias", alias("one"))
    await room.administration.create(OTHER, "alias", alias("theirs"))
    (own,) = await room.administration.generations(OTHER)

    assert own.number == 2
    assert await room.administration.compare(OTHER, 0, 1) == ()


async def test_what_differs_between_two_generations():
    """From the first to the second, whichever is later; what came and went is none."""
    room = Room()
    await room.administration.create(ADMIN, "alias", alias("one"))
    await room.administration.create(ADMIN, "alias", alias("two"))
    await room.administration.delete(ADMIN, "alias", ["two"])
    await room.administration.replace(ADMIN, "alias", ["one"], alias("one", "opus"))

    (change,) = await room.administration.compare(ADMIN, 1, 4)
    (back,) = await room.administration.compare(ADMIN, 4, 1)
    assert (change.before.fallback_models, change.after.fallback_models) == (
        ("sonnet",),
        ("opus",),
    )
    assert (back.before, back.after) == (change.after, change.before)
    assert await room.administration.compare(ADMIN, 1, 3) == ()


async def test_going_back_is_an_edit():
    """All of it as it was, in one new generation, which can be undone as well."""
    room = Room()
    await room.administration.create(ADMIN, "alias", alias("one"))
    await room.administration.create(ADMIN, "alias", alias("two"))
    policy = Policy(organization="", project="web", geographies=("eu",))
    await room.administration.create(ADMIN, "policy", policy)
    await room.administration.delete(ADMIN, "alias", ["one"])
    made = await room.administration.roll_back(ADMIN, 1)

    assert (made.number, made.action, len(made.changes)) == (5, "roll_back", 3)
    assert await names_of(room) == ["one"]
    assert len(room.directory.member(WEB).policies) == 1
    await room.administration.roll_back(ADMIN, 3)
    assert await names_of(room) == ["one", "two"]
    assert len(room.directory.member(WEB).policies) == 2


async def test_going_back_to_where_one_is_changes_nothing():
    """No generation is made for it."""
    room = Room()
    await room.administration.create(ADMIN, "alias", alias("one"))
    made = await room.administration.roll_back(ADMIN, 1)

    assert (made.number, made.changes) == (1, ())
    assert room.store.state.generation == 1


async def test_going_back_touches_no_other_organization():
    """What others have edited since stays."""
    room = Room()
    await room.administration.create(ADMIN, "alias", alias("one"))
    await room.administration.create(OTHER, "alias", alias("theirs"))
    await room.administration.roll_back(ADMIN, 0)

    assert await names_of(room) == []
    assert len(await room.administration.list(OTHER, "alias")) == 1


async def test_going_back_makes_no_secret_good_again():
    """A key that was shut for a reason stays shut, whatever it is undone for."""
    room = Room()
    keys = [
        await room.administration.create(
            ADMIN, "key", ApiKey(organization="", project="web", id=name)
        )
        for name in ("deleted", "disabled", "rotated", "kept")
    ]
    await room.administration.delete(ADMIN, "key", ["web", "deleted"])
    shut = ApiKey(organization="", project="web", id="disabled", disabled=True)
    await room.administration.replace(ADMIN, "key", ["web", "disabled"], shut)
    await room.administration.rotate(ADMIN, "web", "rotated")
    await room.administration.roll_back(ADMIN, 4)

    now_s = room.now.timestamp()
    for made in keys[:3]:
        with pytest.raises(ApiKeyUnknownError):
            room.directory.admit(digest_of(made.secret), now_s)
    assert room.directory.admit(digest_of(keys[3].secret), now_s)
    again = await room.administration.rotate(ADMIN, "web", "deleted")
    assert room.directory.admit(digest_of(again.secret), now_s)


async def test_going_back_brings_no_credential_back():
    """One that is there stays with its custom model; a deleted one has to be given."""
    room = Room()

    def custom(name: str, **more) -> CustomModel:
        extra = {"api_base": "https://tuned.example/v1"}
        return CustomModel(
            organization="", name=name, identifier="openai/x", extra=extra, **more
        )

    for name in ("kept", "deleted"):
        await room.administration.create(
            APP, "custom_model", custom(name), credential="k"
        )
    await room.administration.replace(
        APP, "custom_model", ["kept"], custom("kept", capabilities=("tools",))
    )
    await room.administration.delete(APP, "custom_model", ["deleted"])
    await room.administration.roll_back(ADMIN, 2)

    models = room.directory.member(WEB).names.custom_models
    assert models["kept"].deployments[0].sealed_credential
    assert not models["kept"].deployments[0].capabilities
    assert models["deleted"].deployments[0].auth == "none"


async def test_only_the_last_hundred_edits_are_kept():
    """What is older is gone, and said to be; no way leads there."""
    room = Room()
    for number in range(105):
        await room.administration.create(ADMIN, "alias", alias(f"a{number}"))
    edits = await room.administration.generations(ADMIN)

    assert [edits[0].number, edits[-1].number, len(edits)] == [105, 6, 100]
    for asked in (
        room.administration.compare(ADMIN, 4, 105),
        room.administration.compare(ADMIN, 100, 106),
        room.administration.roll_back(ADMIN, 4),
        room.administration.roll_back(ADMIN, -1),
    ):
        with pytest.raises(GenerationGoneError, match="from 5 to 105"):
            await asked
    await room.administration.roll_back(ADMIN, 5)
    assert await names_of(room) == [f"a{number}" for number in range(5)]


async def test_what_was_too_much_to_keep_cannot_be_gone_behind():
    """Its edit is listed without states, and later ones can be undone."""
    room = Room()
    for number in range(9):
        long = CustomModel(
            organization="",
            name=f"m{number}",
            identifier="openai/x",
            extra={"api_base": "https://tuned.example/v1", "note": "x" * 60_000},
        )
        await room.administration.create(ADMIN, "custom_model", long)
    await room.administration.roll_back(ADMIN, 0)
    await room.administration.create(ADMIN, "alias", alias("one"))

    edits = await room.administration.generations(ADMIN)
    assert {each.before for each in edits[1].changes} == {None}
    with pytest.raises(GenerationGoneError):
        await room.administration.roll_back(ADMIN, 9)
    await room.administration.roll_back(ADMIN, 10)
    assert await names_of(room) == []


async def test_an_organization_is_not_undone():
    """Going back to before it was made would delete all that is in it."""
    room = Room()
    await room.administration.create(ADMIN, "alias", alias("one"))
    await room.administration.create(
        ADMIN, "organization", Organization(organization="labs")
    )

    with pytest.raises(RequestMalformedError, match="was not there"):
        await room.administration.roll_back(ADMIN, 1, organization="labs")


async def test_a_plan_names_the_generation_and_the_file():
    """So that a response tells what it was decided on."""
    room = Room()
    before = room.directory.revision
    await room.administration.create(ADMIN, "alias", alias("one"))
    after = room.directory.revision

    assert (before.partition("-")[0], after.partition("-")[0]) == ("0", "1")
    assert before.partition("-")[2] == after.partition("-")[2]
