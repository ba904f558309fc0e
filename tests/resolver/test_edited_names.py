"""Aliases and custom models that callers make: what they may name, and be called."""

import pytest

from fakes.control import ADMIN, APP, FILE, SEALING, Room
from holdfast.control.resources import (
    Alias,
    Attempting,
    CustomModel,
    Guardrail,
    Judge,
    Overrides,
    Prices,
)
from holdfast.credential_kinds import kind_of
from holdfast.errors import (
    AliasNestedError,
    AliasTargetUnknownError,
    EditConflictError,
    RequestMalformedError,
    ResourceExistsError,
    ResourceInUseError,
    ResourceNotFoundError,
)
from holdfast.model import Caller
from holdfast.sealing import SealBrokenError, SealingKeys
from holdfast.settings import Secret
from holdfast.signing import PlanKey
from holdfast_resolver.expansion import expand

WEB = Caller("acme", "web")


def alias(name: str = "best", *members: str, **more) -> Alias:
    return Alias(
        organization="", name=name, fallback_models=members or ("sonnet",), **more
    )


def custom(name: str = "acme/tuned", **more) -> CustomModel:
    told = {
        "identifier": "openai/tuned",
        "extra": {"api_base": "https://tuned.example/v1"},
        **more,
    }
    return CustomModel(organization="", name=name, **told)


def served(room: Room, name: str) -> list[str]:
    """Say which deployments a name stands for."""
    names = room.directory.member(WEB).names
    return [d.id for member in expand(name, names).members for d in member.deployments]


async def test_members_of_every_kind_in_their_order():
    """Plain names, pinned ids and custom models, as they are tried."""
    room = Room()
    await room.administration.create(APP, "custom_model", custom())
    await room.administration.create(
        APP, "alias", alias("best", "a/opus", "acme/tuned", "sonnet")
    )

    assert served(room, "best") == ["a/opus", "acme/tuned", "a/sonnet"]


async def test_a_plain_name_in_an_alias_picks_up_new_deployments():
    """Nobody edits the alias for that."""
    room = Room()
    await room.administration.create(APP, "alias", alias())
    more = "deployments: [{id: b/sonnet, provider: a}, {id: a/sonnet,"
    room.declare(FILE.replace("deployments: [{id: a/sonnet,", more))

    assert served(room, "best") == ["b/sonnet", "a/sonnet"]


@pytest.mark.parametrize(
    ("member", "hint"),
    [("sonet", "Did you mean 'sonnet'"), ("a/sonet", "Did you mean 'a/sonnet'")],
)
async def test_an_unknown_member_is_refused_with_what_is_near(member, hint):
    """By the place in the list where it stands."""
    room = Room()

    with pytest.raises(AliasTargetUnknownError, match=hint) as raised:
        await room.administration.create(APP, "alias", alias("best", "opus", member))
    assert raised.value.metadata == {"field": "fallback_models[1]", "target": member}


async def test_an_alias_holds_no_alias():
    """Neither another one nor itself."""
    room = Room()

    for member in ("declared", "best"):
        with pytest.raises(AliasNestedError, match=member):
            await room.administration.create(APP, "alias", alias("best", member))


@pytest.mark.parametrize("name", ["declared", "sonnet", "a/opus", "acme/tuned", "mine"])
async def test_a_name_that_means_something_is_taken(name):
    """Whatever it means: to an alias and to a custom model alike."""
    room = Room()
    await room.administration.create(APP, "custom_model", custom())
    await room.administration.create(APP, "alias", alias("mine"))

    with pytest.raises(ResourceExistsError, match="taken"):
        await room.administration.create(APP, "alias", alias(name))
    with pytest.raises(ResourceExistsError, match="taken"):
        await room.administration.create(APP, "custom_model", custom(name))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (alias("with space"), "name"),
        (alias("x" * 256), "name"),
        (Alias(organization="", name="n", fallback_models=()), "fallback_models"),
        (alias("n", *["sonnet"] * 33), "fallback_models"),
        (alias("n", description="x" * 1001), "description"),
        (alias("n", defaults=Overrides(max_attempts=0)), "defaults.max_attempts"),
        (
            alias("n", defaults=Overrides(attempt=Attempting(idle_timeout_s=-1))),
            "defaults.attempt.idle_timeout_s",
        ),
    ],
)
async def test_what_an_alias_may_not_be(wrong, field):
    """The bounds are the configuration file's, and the message names the field."""
    room = Room()

    with pytest.raises(RequestMalformedError) as raised:
        await room.administration.create(APP, "alias", wrong)
    assert raised.value.metadata["field"] == field


async def test_an_alias_has_defaults_of_its_own():
    """Over what the project says, for requests that name it."""
    room = Room()
    told = Overrides(max_attempts=2, attempt=Attempting(idle_timeout_s=7))
    await room.administration.create(APP, "alias", alias(defaults=told))
    member = room.directory.member(WEB)

    limits = member.defaults_for("best").limits
    assert (limits.max_attempts, limits.idle_timeout.total_seconds()) == (2, 7)
    assert member.defaults_for("sonnet").limits.max_attempts == 6


async def test_names_are_changed_and_found_by():
    """The id stays; the old name is free, and an etag from before is refused."""
    room = Room()
    made = await room.administration.create(APP, "alias", alias())
    changed = await room.administration.replace(
        APP, "alias", [made.resource.id], alias("better", "opus"), etag=made.etag
    )
    found = await room.administration.get(APP, "alias", ["better"])

    assert found.resource.id == changed.resource.id == made.resource.id
    assert served(room, "better") == ["a/opus"]
    with pytest.raises(ResourceNotFoundError):
        await room.administration.get(APP, "alias", ["best"])
    with pytest.raises(EditConflictError) as raised:
        await room.administration.delete(APP, "alias", ["better"], etag=made.etag)
    assert raised.value.metadata["etag"] == changed.etag


async def test_an_edit_that_changes_nothing_is_none():
    """No generation is made, and the etag stays good."""
    room = Room()
    made = await room.administration.create(APP, "alias", alias())
    same = await room.administration.replace(APP, "alias", ["best"], alias())

    assert (same.etag, room.store.state.generation) == (made.etag, 1)


async def test_what_an_alias_or_a_guardrail_uses_stays():
    """A custom model keeps its name as long as something goes by it."""
    room = Room()
    await room.administration.create(APP, "custom_model", custom())
    await room.administration.create(APP, "alias", alias("best", "acme/tuned"))
    judge = Judge(model="best", prompt="Is this about weapons?")
    await room.administration.create(
        ADMIN, "guardrail", Guardrail(organization="", name="g", judge=judge)
    )

    with pytest.raises(ResourceInUseError, match="alias best"):
        await room.administration.delete(APP, "custom_model", ["acme/tuned"])
    with pytest.raises(ResourceInUseError, match="alias best"):
        await room.administration.replace(
            APP, "custom_model", ["acme/tuned"], custom("acme/other")
        )
    with pytest.raises(ResourceInUseError, match="guardrail g"):
        await room.administration.delete(APP, "alias", ["best"])


async def test_a_custom_model_is_called_as_the_file_would_have_it():
    """Where it is, what it costs, what it can do, and how it treats data."""
    room = Room()
    await room.administration.create(
        APP,
        "custom_model",
        custom(
            identifier="azure/dep",
            extra={
                "api_base": "https://x.openai.azure.com/",
                "api_version": "2024-06-01",
                "region": "eu",
                "note": {"ours": True},
            },
            pricing=Prices(input="2.5", output="10"),
            capabilities=("tools", "json-schema"),
            context_window_tokens=128_000,
            max_output_tokens=4_096,
            data={"trains_on_data": False, "retention_days": 0.0},
        ),
        credential="k-azure",
    )
    (place,) = room.directory.member(WEB).names.custom_models["acme/tuned"].deployments

    assert place.base_uri == "https://x.openai.azure.com?api-version=2024-06-01"
    assert (place.dialect, place.auth, place.geography) == (
        "openai-chat",
        "api-key",
        "eu",
    )
    assert (place.pricing.input, place.pricing.cache_read) == (2_500_000, 2_500_000)
    assert sorted(place.capabilities) == ["json_schema", "tools"]
    assert (place.context_window_tokens, place.max_output_tokens) == (128_000, 4_096)
    assert (place.trains_on_data, place.retention_days) == (False, 0)
    assert type(place.retention_days) is int


async def test_a_credential_is_for_executors_alone():
    """It is sealed under the custom model's own name, and shown to nobody."""
    room = Room()
    made = await room.administration.create(
        APP, "custom_model", custom(), credential="k-secret"
    )
    (place,) = room.directory.member(WEB).names.custom_models["acme/tuned"].deployments
    (edit,) = await room.administration.generations(ADMIN)

    assert place.credential_id == f"custom:acme/{made.resource.id}"
    assert SEALING.open(place.sealed_credential, place.credential_id) == {
        "key": "k-secret"
    }
    with pytest.raises(SealBrokenError):
        SEALING.open(place.sealed_credential, "custom:other/x")
    assert made.resource.sealed_credential == ""
    assert edit.changes[0].after.sealed_credential == ""
    assert "k-secret" not in repr(room.store.state.__dict__)


async def test_a_credential_stays_is_replaced_and_is_taken_away():
    """Unless something is said of it, it stays as it was."""
    room = Room()
    await room.administration.create(APP, "custom_model", custom(), credential="one")

    async def becomes(credential: str | None) -> str:
        wanted = custom(description_of := "acme/tuned", capabilities=("tools",))
        await room.administration.replace(
            APP, "custom_model", [description_of], wanted, credential=credential
        )
        model = room.directory.member(WEB).names.custom_models["acme/tuned"]
        (place,) = model.deployments
        if not place.sealed_credential:
            return place.auth
        return SEALING.open(place.sealed_credential, place.credential_id)["key"]

    assert [await becomes(each) for each in (None, "two", "")] == ["one", "two", "none"]


async def test_a_credential_is_not_led_to_another_host():
    """Who may edit the custom model does not get to read it that way."""
    room = Room()
    elsewhere = custom(extra={"api_base": "https://attacker.example/v1"})
    await room.administration.create(APP, "custom_model", custom(), credential="one")

    with pytest.raises(RequestMalformedError, match="another host"):
        await room.administration.replace(
            APP, "custom_model", ["acme/tuned"], elsewhere
        )
    other_path = custom(extra={"api_base": "https://tuned.example/v2"})
    await room.administration.replace(APP, "custom_model", ["acme/tuned"], other_path)
    await room.administration.replace(
        APP, "custom_model", ["acme/tuned"], elsewhere, credential="theirs"
    )


@pytest.mark.parametrize(
    "api_base",
    [
        "http://169.254.169.254/latest",
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1",
        "http://[::1]/v1",
        "http://10.0.0.6/v1",
        "http://llm.internal/v1",
        "https://user:pw@tuned.example/v1",
        "https://tuned.example/v1#x",
        "ftp://tuned.example",
        "tuned.example/v1",
        "http://named.example/v1",
    ],
)
async def test_where_a_custom_model_may_not_be(api_base):
    """Not in the operator's network, by address or by a name that leads there."""
    room = Room(addresses={"named.example": "10.1.2.3"})

    with pytest.raises(RequestMalformedError) as raised:
        await room.administration.create(
            APP, "custom_model", custom(extra={"api_base": api_base})
        )
    assert raised.value.metadata["field"] == "extra.api_base"
    assert not room.store.state.generation


@pytest.mark.parametrize(
    "api_base",
    ["http://10.0.0.5/v1", "http://10.0.0.5:81/v1", "http://llm.internal:9000"],
)
async def test_hosts_that_the_file_names_are_private_and_allowed(api_base):
    """They are called, and so is nothing else of that network."""
    room = Room()
    await room.administration.create(
        APP, "custom_model", custom(extra={"api_base": api_base})
    )

    (place,) = room.directory.member(WEB).names.custom_models["acme/tuned"].deployments
    assert place.allow_private_network


@pytest.mark.parametrize(
    ("wrong", "credential", "field"),
    [
        (custom(identifier="nothing"), "", "identifier"),
        (custom(extra={}), "", "api_key"),
        (custom(identifier="nobody/x", extra={}), "k", "extra.api_base"),
        (
            custom(extra={"api_base": "https://a.example", "region": "a/b"}),
            "",
            "extra.region",
        ),
        (custom(pricing=Prices(input="-1", output="1")), "", "pricing.input"),
        (custom(capabilities=("flying",)), "", "capabilities[0]"),
        (custom(data={"trains_on_data": "no"}), "", "data.trains_on_data"),
        (custom(data={"sells": True}), "", "data.sells"),
        (custom(), "line\nbreak", "api_key"),
        (custom(), " k", "api_key"),
        (custom(identifier="vertex/gemini-2"), "/var/run/gcp.json", "api_key"),
        (
            custom(identifier="vertex/gemini-2"),
            '{"type": "external_account"}',
            "api_key",
        ),
        (custom(identifier="bedrock/x"), '{"profile": "default"}', "api_key"),
        (
            custom(extra={"api_base": "https://a.example", "x": "y" * 70_000}),
            "",
            "custom_model",
        ),
    ],
)
async def test_what_a_custom_model_may_not_be(wrong, credential, field):
    """Each fault is said by its field, and nothing of a credential is repeated."""
    room = Room()

    with pytest.raises(RequestMalformedError) as raised:
        await room.administration.create(
            APP, "custom_model", wrong, credential=credential
        )
    assert raised.value.metadata["field"] == field
    assert not credential or credential not in raised.value.message


@pytest.mark.parametrize(
    ("identifier", "credential", "auth", "parts"),
    [
        ("anthropic/claude", "k", "x-api-key", {"key"}),
        ("gemini/flash", "k", "x-goog-api-key", {"key"}),
        ("bedrock/x", "k", "sigv4", {"key"}),
        (
            "bedrock/x",
            '{"access_key_id": "a", "secret_access_key": "s"}',
            "sigv4",
            {"access_key_id", "secret_access_key"},
        ),
        (
            "vertex/gemini-2",
            (
                '{"type": "service_account", "client_email": "e", "private_key": "p",'
                ' "token_uri": "http://169.254.169.254/"}'
            ),
            "google",
            {"service_account"},
        ),
    ],
)
async def test_credentials_of_every_format(identifier, credential, auth, parts):
    """What executors need to authenticate, and nothing that leads them elsewhere."""
    room = Room()
    wanted = custom(identifier=identifier)
    await room.administration.create(APP, "custom_model", wanted, credential=credential)
    (place,) = room.directory.member(WEB).names.custom_models["acme/tuned"].deployments
    held = SEALING.open(place.sealed_credential, place.credential_id)

    assert place.auth == auth
    assert held.keys() == parts
    assert "169.254" not in str(held)
    sealed = {name: Secret(text) for name, text in held.items()}
    assert kind_of(sealed, auth, is_entrusted=True) is not None


async def test_without_sealing_keys_no_credential_is_taken():
    """Rather than keeping it in plain; the message says what an operator does."""
    room = Room(sealing=None)

    with pytest.raises(RequestMalformedError, match="HOLDFAST_SEALING_KEYS"):
        await room.administration.create(APP, "custom_model", custom(), credential="k")
    await room.administration.create(APP, "custom_model", custom())


async def test_sealing_keys_rotate_by_themselves():
    """What an older key sealed is sealed with the first, once, and opens still."""
    room = Room()
    await room.administration.create(APP, "custom_model", custom(), credential="k")
    fresh = PlanKey("s2", b"2" * 32)
    room.sealing = SealingKeys([fresh, PlanKey("s1", b"1" * 32)])
    room.declare(FILE)
    await room.sealed.seal_anew(room.store)
    await room.sealed.seal_anew(room.store)

    (place,) = room.directory.member(WEB).names.custom_models["acme/tuned"].deployments
    alone = SealingKeys([fresh])
    assert alone.open(place.sealed_credential, place.credential_id) == {"key": "k"}
    actions = [each.action for each in await room.administration.generations(ADMIN)]
    assert actions == ["reseal", "create"]
