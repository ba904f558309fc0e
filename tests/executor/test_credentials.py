"""The secrets that deployments are called with, as they are at the time."""

import asyncio

import pytest

from fakes.patience import until
from fakes.plans import deployment, model
from holdfast.model import ScopedPolicy
from holdfast.sealing import SealingKeys
from holdfast.settings import (
    CustomModelSettings,
    OrganizationSettings,
    ProviderSettings,
    Secret,
    Settings,
)
from holdfast.signing import new_key, parse_keys
from holdfast_executor.auth import Authentication, NoProofError
from holdfast_executor.chat import Encoded
from holdfast_executor.credentials import Credentials

NOTHING = Encoded("/x", b"{}")


def holding(**named: Secret) -> Credentials:
    return Credentials({"provider:a": {n: {"key": s} for n, s in named.items()}})


def keys(credentials: Credentials, credential_id: str = "provider:a") -> list[str]:
    return [each.parts["key"] for each in credentials.held(credential_id)]


def test_secrets_are_found_by_what_the_plan_calls_them():
    """All that a provider has, by their names, and nothing else."""
    credentials = holding(one=Secret("k-1"), two=Secret("k-2"))

    assert [each.name for each in credentials.held("provider:a")] == ["one", "two"]
    assert keys(credentials) == ["k-1", "k-2"]
    assert keys(credentials, "provider:b") == []


def test_a_credential_of_which_a_part_is_missing_is_not_held():
    """Half an access key opens nothing."""
    parts = {
        "access_key_id": Secret("AKIA"),
        "secret_access_key": Secret(env="HOLDFAST_TEST_IS_NOT_SET"),
    }

    assert Credentials({"provider:a": {"one": parts}}).held("provider:a") == ()


async def test_a_file_that_changes_goes_and_comes_back_is_followed(tmp_path):
    """A rotated key is used without a restart; while it is away there is none."""
    path = tmp_path / "key"
    path.write_text("old\n")
    credentials = holding(one=Secret(file=path))
    following = asyncio.create_task(credentials.follow())
    await asyncio.sleep(0)
    first = keys(credentials)

    path.write_text("newer\n")
    await until(lambda: keys(credentials) == ["newer"])
    path.unlink()
    await until(lambda: keys(credentials) == [])
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)

    assert first == ["old"]


def test_what_did_not_change_stays_the_same_object(tmp_path):
    """So that what was made of it can be kept."""
    path = tmp_path / "key"
    path.write_text("old")
    credentials = holding(one=Secret(file=path), two=Secret("k-2"))
    one, two = credentials.held("provider:a")

    path.write_text("new")
    credentials.reread()

    assert credentials.held("provider:a")[0] is not one
    assert credentials.held("provider:a")[1] is two


def test_all_credentials_of_a_configuration_are_collected():
    """Providers' by their names, custom models' by the deployment's own word."""
    own = model("t", deployment("t", credential_id="custom:acme/t"), custom=True)
    settings = Settings(
        providers={
            "a": ProviderSettings("a", {"one": {"key": Secret("k-a")}}),
            "b": ProviderSettings("b"),
        },
        organizations=(
            OrganizationSettings(
                "acme",
                ScopedPolicy("organization acme"),
                custom_models=(
                    CustomModelSettings(own, {"key": Secret("k-t")}),
                    CustomModelSettings(own),
                ),
            ),
        ),
    )

    credentials = Credentials.of(settings)

    assert keys(credentials, "provider:a") == ["k-a"]
    assert keys(credentials, "provider:b") == []
    assert keys(credentials, "custom:acme/t") == ["k-t"]


SEALING = SealingKeys(parse_keys(new_key()))


async def test_a_credential_that_the_plan_bears_is_opened_and_shown():
    """The executor holds nothing but the key to it."""
    sealed = SEALING.seal({"key": "k-t"}, "custom:acme/t")
    place = deployment(
        "t", auth="bearer", credential_id="custom:acme/t", sealed_credential=sealed
    )

    identity = await Authentication(Credentials({}, SEALING)).identity(place)

    assert identity.prove(place, "", NOTHING) == (("authorization", "Bearer k-t"),)
    assert b"k-t" not in sealed
    assert "sealed" not in repr(place)


def test_a_sealed_credential_that_is_replaced_is_used_at_once():
    """The next plan bears the new one."""
    places = [
        deployment(
            "t",
            auth="bearer",
            credential_id="custom:acme/t",
            sealed_credential=SEALING.seal({"key": key}, "custom:acme/t"),
        )
        for key in ("old", "new")
    ]
    authentication = Authentication(Credentials({}, SEALING))

    shown = [
        authentication.ready(place).prove(place, "", NOTHING)[0][1] for place in places
    ]

    assert shown == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(
    ("auth", "parts"),
    [
        ("google", {"key": "/etc/operators-own.json"}),
        ("google", {"source": "default"}),
        ("sigv4", {"source": "default"}),
        ("sigv4", {"profile": "default"}),
        ("sigv4", {"role_arn": "r", "web_identity_token": "t"}),
        ("bearer", {"source": "managed_identity"}),
    ],
)
async def test_what_is_the_operators_is_no_sealed_credential(auth, parts):
    """Whoever made a custom model gets no file, role or identity of the machine's."""
    place = deployment(
        "t",
        auth=auth,
        credential_id="custom:acme/t",
        sealed_credential=SEALING.seal(parts, "custom:acme/t"),
    )

    with pytest.raises(NoProofError, match="no credential"):
        await Authentication(Credentials({}, SEALING)).identity(place)


@pytest.mark.parametrize(
    "keys", [None, SealingKeys(parse_keys(new_key()))], ids=["none", "others"]
)
async def test_what_cannot_be_opened_is_no_credential(keys):
    """The deployment is unusable here."""
    place = deployment(
        "t",
        auth="bearer",
        credential_id="custom:acme/t",
        sealed_credential=SEALING.seal({"key": "k-t"}, "custom:acme/t"),
    )

    with pytest.raises(NoProofError):
        await Authentication(Credentials({}, keys)).identity(place)


@pytest.mark.parametrize(
    ("way", "headers"),
    [
        ("bearer", (("authorization", "Bearer k-a"),)),
        ("x-api-key", (("x-api-key", "k-a"),)),
        ("api-key", (("api-key", "k-a"),)),
        ("x-goog-api-key", (("x-goog-api-key", "k-a"),)),
        ("sigv4", (("authorization", "Bearer k-a"),)),
        ("none", ()),
    ],
)
async def test_a_key_is_shown_as_the_deployment_wants_it(way, headers):
    """One header a way, and none where none is asked for."""
    place = deployment("a/m", auth=way, credential_id="provider:a")

    identity = await Authentication(holding(one=Secret("k-a"))).identity(place)

    assert identity.prove(place, "https://a.invalid/x", NOTHING) == headers


async def test_without_its_key_a_deployment_is_not_called():
    """No request goes out that shows no key."""
    place = deployment("a/m", auth="bearer", credential_id="provider:a")

    with pytest.raises(NoProofError) as raised:
        await Authentication(Credentials({})).identity(place)

    assert raised.value.message == "the executor has no credential for provider a"


async def test_a_credential_of_another_kind_is_not_shown():
    """An AWS access key is nobody's bearer token."""
    parts = {"access_key_id": Secret("AKIA"), "secret_access_key": Secret("s")}
    place = deployment("a/m", auth="bearer", credential_id="provider:a")
    authentication = Authentication(Credentials({"provider:a": {"one": parts}}))

    with pytest.raises(NoProofError):
        await authentication.identity(place)
