"""API keys that administrators make: secrets, ends, and what holds for bearers."""

from datetime import UTC, datetime, timedelta

import pytest

from fakes.control import ADMIN, Room, digest_of
from holdfast.control.resources import ApiKey, Budget, Names, Policy
from holdfast.errors import (
    ApiKeyUnknownError,
    RequestMalformedError,
    ResourceExistsError,
)
from holdfast.model import Caller
from holdfast_resolver.directory import Membership


def key(**more) -> ApiKey:
    return ApiKey(**{"organization": "", "project": "web", "id": "k", **more})


def admitted(room: Room, secret: str) -> Membership:
    """Let the bearer of a secret in, as of now."""
    return room.directory.admit(digest_of(secret), room.now.timestamp())


async def test_a_key_lets_its_bearer_in_at_once():
    """Into its project, with what holds for the key itself."""
    room = Room()
    made = await room.administration.create(
        ADMIN, "key", key(requests_per_minute=5, tokens_per_minute=1000)
    )
    member = admitted(room, made.secret)

    assert member.caller == Caller("acme", "web", "k")
    assert (member.admin, member.requests_per_minute) == (False, 5)
    assert member.tokens_per_minute == 1000


async def test_a_secret_is_told_once():
    """Afterwards there are its last characters, by which people know it."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    shown = await room.administration.get(ADMIN, "key", ["web", "k"])
    everything = repr(room.store.state.__dict__) + repr(shown)

    assert made.secret.startswith("hf-")
    assert len(made.secret) == 46
    assert shown.secret == ""
    assert shown.resource.secrets[0].hint == made.secret[-4:]
    assert shown.resource.secrets[0].digest == ""
    assert made.secret not in everything
    assert made.secret not in repr(made)


async def test_a_secret_cannot_be_chosen():
    """What a caller sends as one is not what is kept."""
    room = Room()
    chosen = digest_of("hf-chosen").hex()
    made = await room.administration.create(
        ADMIN, "key", key(secrets=[{"digest": chosen}])
    )

    with pytest.raises(ApiKeyUnknownError):
        admitted(room, "hf-chosen")
    assert admitted(room, made.secret)


async def test_a_disabled_key_is_said_to_be():
    """And is good again when it is enabled."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    await room.administration.replace(ADMIN, "key", ["web", "k"], key(disabled=True))

    with pytest.raises(ApiKeyUnknownError, match="disabled"):
        admitted(room, made.secret)
    await room.administration.replace(ADMIN, "key", ["web", "k"], key())
    assert admitted(room, made.secret)


async def test_a_key_expires_without_an_edit():
    """At its moment, in every replica, and the message says so."""
    room = Room()
    end = room.now + timedelta(hours=1)
    made = await room.administration.create(ADMIN, "key", key(expires_at=end))
    room.passes(minutes=59)
    assert admitted(room, made.secret)
    room.passes(minutes=1)

    with pytest.raises(ApiKeyUnknownError, match="expired"):
        admitted(room, made.secret)


async def test_rotation_with_an_overlap():
    """Both secrets are good for a while, then the new one alone."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    rotated = await room.administration.rotate(ADMIN, "web", "k", overlap_s=3600)
    assert admitted(room, made.secret) == admitted(room, rotated.secret)
    room.passes(hours=1)

    with pytest.raises(ApiKeyUnknownError, match="expired"):
        admitted(room, made.secret)
    assert admitted(room, rotated.secret)
    again = await room.administration.rotate(ADMIN, "web", "k")
    shown = await room.administration.get(ADMIN, "key", ["web", "k"])
    assert [each.hint for each in shown.resource.secrets] == [again.secret[-4:]]


async def test_rotation_without_an_overlap_shuts_the_old_secret():
    """As after a leak."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    rotated = await room.administration.rotate(ADMIN, "web", "k")

    with pytest.raises(ApiKeyUnknownError, match="unknown"):
        admitted(room, made.secret)
    assert admitted(room, rotated.secret)


async def test_an_overlap_does_not_outlive_an_earlier_end():
    """Rotating twice makes no secret good for longer than it was."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    await room.administration.rotate(ADMIN, "web", "k", overlap_s=60)
    await room.administration.rotate(ADMIN, "web", "k", overlap_s=3600)
    room.passes(seconds=61)

    with pytest.raises(ApiKeyUnknownError):
        admitted(room, made.secret)


async def test_editing_a_key_keeps_its_secrets():
    """Whoever changes a limit does not shut its bearers out."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    await room.administration.replace(
        ADMIN, "key", ["web", "k"], key(name="The app", requests_per_minute=9)
    )

    assert admitted(room, made.secret).requests_per_minute == 9


async def test_the_policies_of_all_three_scopes_hold():
    """The file's for the organization, the API's for the project and the key."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    await room.administration.create(
        ADMIN, "policy", Policy(organization="", project="web", geographies=("eu",))
    )
    await room.administration.create(
        ADMIN,
        "policy",
        Policy(organization="", project="web", key="k", models=Names(deny=("opus",))),
    )
    of_key = admitted(room, made.secret)
    of_project = room.directory.member(Caller("acme", "web"))

    assert [each.scope for each in of_key.policies] == [
        "organization acme",
        "project web",
        "key k",
    ]
    assert of_key.policies[2].denied_models == {"opus"}
    assert of_project.policies == of_key.policies[:2]


async def test_the_budgets_of_all_three_scopes_hold():
    """The widest first, in millionths of a dollar."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    for scope, limit in (
        ({}, "500"),
        ({"project": "web"}, "12.5"),
        ({"project": "web", "key": "k"}, "1"),
    ):
        await room.administration.create(
            ADMIN,
            "budget",
            Budget(
                organization="", monthly_usd=limit, when_unreachable="deny", **scope
            ),
        )
    member = admitted(room, made.secret)

    assert [
        (each.project_id, each.api_key_id, each.limit_usd_micros, each.warn_at)
        for each in member.budgets
    ] == [
        ("", "", 500_000_000, 0.8),
        ("web", "", 12_500_000, 0.8),
        ("web", "k", 1_000_000, 0.8),
    ]
    assert all(each.denies_when_unreachable for each in member.budgets)


async def test_a_key_of_a_project_that_is_gone_lets_nobody_in():
    """Nor one whose organization the file declares no more."""
    room = Room()
    made = await room.administration.create(ADMIN, "key", key())
    room.declare("catalog: none")

    with pytest.raises(ApiKeyUnknownError):
        admitted(room, made.secret)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (key(project="nowhere"), "project"),
        (key(id="with/slash"), "id"),
        (key(id=""), "id"),
        (key(requests_per_minute=0), "requests_per_minute"),
        (key(tokens_per_minute=2**40), "tokens_per_minute"),
        (key(expires_at=datetime(2020, 1, 1, tzinfo=UTC)), "expires_at"),
        (key(expires_at=datetime(2030, 1, 1)), "expires_at"),  # noqa: DTZ001 - that is the fault
    ],
)
async def test_what_a_key_may_not_be(wrong, field):
    """Each fault is said by its field."""
    room = Room()

    with pytest.raises(RequestMalformedError) as raised:
        await room.administration.create(ADMIN, "key", wrong)
    assert raised.value.metadata["field"] == field


async def test_a_key_is_there_once():
    """By the API or in the file."""
    room = Room()
    await room.administration.create(ADMIN, "key", key())

    with pytest.raises(ResourceExistsError, match="has been made"):
        await room.administration.create(ADMIN, "key", key())
    with pytest.raises(ResourceExistsError, match="configuration file declares it"):
        await room.administration.create(ADMIN, "key", key(id="app"))


@pytest.mark.parametrize("overlap_s", [-1, 1e9, float("nan"), float("inf")])
async def test_an_overlap_is_bounded(overlap_s):
    """A secret that is to end has an end."""
    room = Room()
    await room.administration.create(ADMIN, "key", key())

    with pytest.raises(RequestMalformedError, match="overlap_s"):
        await room.administration.rotate(ADMIN, "web", "k", overlap_s=overlap_s)
