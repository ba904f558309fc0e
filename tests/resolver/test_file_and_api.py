"""What the file declares and what the API made: the same effect, and the file first."""

from datetime import timedelta

import pytest
import structlog

from fakes.control import ADMIN, FILE, Room, digest_of
from fakes.tenancy import BY_API, BY_FILE, KINDS
from holdfast.control.resources import (
    Alias,
    ApiKey,
    Budget,
    Guardrail,
    KeySecret,
    Policy,
)
from holdfast.errors import (
    ApiKeyUnknownError,
    DeclaredInFileError,
    ResourceExistsError,
    ServiceUnavailableError,
)
from holdfast.model import Caller
from holdfast_resolver.control.records import Kept, Path, path_of, read, write
from holdfast_resolver.directory import Membership


async def made(room: Room) -> str:
    """Make all of it by the API, and return the key's secret."""
    secret = ""
    for resource in BY_API:
        stored = await room.administration.create(
            ADMIN, KINDS[type(resource)], resource
        )
        secret = stored.secret or secret
    return secret


def seen(member: Membership) -> dict[str, object]:
    """Return what a membership entitles to, but for what all of them share."""
    names = member.names
    return {
        "caller": member.caller,
        "policies": member.policies,
        "defaults": member.defaults,
        "alias": member.defaults_for("best"),
        "days": member.content_days,
        "budgets": member.budgets,
        "limits": (member.requests_per_minute, member.tokens_per_minute),
        "guardrails": member.guardrails,
        "aliases": {name: each.fallback_models for name, each in names.aliases.items()},
        "custom": names.custom_models,
    }


async def test_either_way_it_is_the_same():
    """Every kind of resource, down to the last field, for a key and for a project."""
    by_file, by_api = Room(FILE + BY_FILE), Room()
    secret = await made(by_api)
    one = by_file.directory.admit(digest_of("hf-labs"), 0)
    two = by_api.directory.admit(digest_of(secret), 0)

    assert seen(one) == seen(two)
    assert len(one.policies) == len(one.budgets) == 3
    assert [each.name for each in one.guardrails] == ["cards"]
    assert one.defaults.limits.first_token_timeout == timedelta(seconds=2.5)
    assert one.defaults_for("best").limits.max_attempts == 2
    for project in ("web", "app"):
        caller = Caller("labs", project)
        assert seen(by_file.directory.member(caller)) == seen(
            by_api.directory.member(caller)
        )


async def test_either_way_it_is_shown_the_same():
    """An administrator reads of the file's what the API would have been told."""
    room = Room(FILE + BY_FILE)
    by_api = Room()
    await made(by_api)
    own = {"id", "secrets", "sealed_credential", "parent"}

    def fields(resource: object) -> dict[str, object]:
        names = set(type(resource).__struct_fields__) - own
        return {each: getattr(resource, each) for each in names}

    for kind in KINDS.values():
        declared = room.tenants.declared.of(kind, "labs")
        kept = by_api.store.state.of(kind, "labs").values()
        shown = [fields(each) for each in declared]
        assert len(shown) == len(kept)
        for each in kept:
            assert fields(each.resource) in shown


async def test_what_the_file_declares_later_wins():
    """The API's is kept and counts for nothing: the log names it, and so do lists."""
    room = Room()
    secret = await made(room)
    with structlog.testing.capture_logs() as logs:
        room.declare(
            FILE + BY_FILE.replace("id: key\n", "id: key\n            admin: true\n")
        )
        await room.administration.create(
            ADMIN,
            "alias",
            Alias(organization="", name="n", fallback_models=("sonnet",)),
        )

    shadowed = [each for each in logs if each["event"] == "resource_shadowed"]
    assert len(shadowed) == len(room.tenants.shadowed) == len(BY_API)
    assert {each["log_level"] for each in shadowed} == {"error"}
    with pytest.raises(ApiKeyUnknownError):
        room.directory.admit(digest_of(secret), 0)
    boss = digest_of("hf-labs")
    listed = await room.administration.list(boss, "key")
    assert [(each.source, each.shadowed) for each in listed] == [
        ("file", False),
        ("api", True),
    ]


async def test_what_is_shadowed_can_be_cleared_away():
    """Deleting it deletes the API's; changing it would change nothing."""
    room = Room()
    await room.administration.create(
        ADMIN, "key", ApiKey(organization="", project="web", id="later")
    )
    room.declare(
        FILE.replace("{id: app,", "{id: later, key: k}\n          - {id: app,")
    )

    with pytest.raises(DeclaredInFileError):
        await room.administration.rotate(ADMIN, "web", "later")
    await room.administration.delete(ADMIN, "key", ["web", "later"])
    assert not room.tenants.shadowed
    with pytest.raises(DeclaredInFileError):
        await room.administration.delete(ADMIN, "key", ["web", "later"])


async def test_an_alias_gives_way_to_a_model_of_the_file():
    """A plain name or a pinned id that the file declares means that from then on."""
    room = Room()
    for name in ("haiku", "b/haiku"):
        await room.administration.create(
            ADMIN, "alias", Alias(organization="", name=name, fallback_models=("opus",))
        )
    more = "models:\n  - {name: haiku, deployments: [{id: b/haiku, provider: a}]}"
    room.declare(FILE.replace("models:", more, 1))

    assert set(room.directory.member(Caller("acme", "web")).names.aliases) == {
        "declared"
    }
    assert len(room.tenants.shadowed) == 2


async def test_what_the_file_declares_is_taken():
    """Of every kind; the message says that it is the file's."""
    room = Room(FILE + BY_FILE)
    room.declare(
        FILE + BY_FILE.replace("id: key\n", "id: key\n            admin: true\n")
    )
    boss = digest_of("hf-labs")

    for resource in BY_API:
        kind = KINDS[type(resource)]
        asks = ADMIN if kind == "organization" else boss
        with pytest.raises(ResourceExistsError, match="configuration file"):
            await room.administration.create(asks, kind, resource)


async def test_a_rule_that_cannot_be_read_forbids():
    """A newer replica may have written it; not to understand it allows nothing."""
    room = Room()
    made = await room.administration.create(
        ADMIN, "policy", Policy(organization="", project="web", geographies=("eu",))
    )
    path = Path("policy", "acme", ("web", ""))
    kept = room.store.state.get(path)
    assert isinstance(kept, Kept)
    newer = write(kept).replace(b'"geographies"', b'"moons"')
    room.tenants.take(room.store.state.apply({path.key: read(newer)}))
    policies = room.directory.member(Caller("acme", "web")).policies

    assert made.generation == 1
    assert policies[-1].allowed_providers == {""}
    assert "cannot read" in policies[-1].scope


async def test_a_resource_that_makes_no_sense_does_not_stop_the_others():
    """It counts for nothing, and where it would forbid, everything is forbidden."""
    room = Room()
    alias = Alias(organization="", name="n", fallback_models=("sonnet",))
    budget = Budget(organization="acme", project="web", monthly_usd="a lot")
    guardrail = Guardrail(organization="acme", name="g", projects=(["web"],))
    for kind, wrong in (("budget", budget), ("guardrail", guardrail)):
        path = path_of(kind, wrong)
        await room.store.edit("newer", "create", lambda _, p=path, r=wrong: {p: r})
        kept = Kept(kind, wrong, 9, room.now, room.now)
        room.tenants.take(room.store.state.apply({path.key: kept}))
    await room.administration.create(ADMIN, "alias", alias)
    member = room.directory.member(Caller("acme", "web"))

    assert "n" in member.names.aliases
    assert not member.budgets
    assert member.policies[0].allowed_providers == {""}


async def test_a_secret_without_a_digest_is_nobodys():
    """As it is where one is shown."""
    room = Room()
    shown = ApiKey(
        organization="acme", project="web", id="k", secrets=(KeySecret(hint="abcd"),)
    )
    await room.store.edit("x", "create", lambda _: {path_of("key", shown): shown})

    with pytest.raises(ApiKeyUnknownError):
        room.directory.admit(b"", 0)


async def test_before_etcd_was_read_nobody_is_called_unknown():
    """What the file declares works; of the rest it is said that it cannot be known."""
    room = Room()
    room.declare(FILE, is_whole=False)

    assert room.directory.admit(ADMIN, 0).admin
    with pytest.raises(ServiceUnavailableError, match="etcd"):
        room.directory.admit(digest_of("hf-who"), 0)


async def test_while_etcd_is_away_things_are_read_and_not_edited():
    """The message says that the edit was not made, and that all goes on."""
    room = Room()
    made = await room.administration.create(
        ADMIN, "key", ApiKey(organization="", project="web", id="k")
    )
    room.store.away = True

    assert room.directory.admit(digest_of(made.secret), 0)
    assert await room.administration.get(ADMIN, "key", ["web", "k"])
    with pytest.raises(ServiceUnavailableError):
        await room.administration.delete(ADMIN, "key", ["web", "k"])
