"""The secrets that deployments are called with, as they are at the time."""

import os

import pytest

from fakes.plans import deployment, model
from holdfast.model import ScopedPolicy
from holdfast.settings import (
    CustomModelSettings,
    OrganizationSettings,
    ProviderSettings,
    Secret,
    Settings,
)
from holdfast_executor import auth
from holdfast_executor.credentials import Credentials


def holding(secret: Secret) -> Credentials:
    return Credentials({"provider:a": {"key": secret}})


def test_a_secret_is_found_by_what_the_plan_calls_it():
    """And nothing else is."""
    credentials = holding(Secret("k-a"))

    assert credentials.key("provider:a") == "k-a"
    assert credentials.key("provider:b") is None
    assert credentials.key("provider:a", "region") is None


def test_a_file_is_read_again_when_it_changes(tmp_path):
    """A rotated key is used from the next attempt on."""
    path = tmp_path / "key"
    path.write_text("old\n")
    credentials = holding(Secret(file=path))
    first = credentials.key("provider:a")

    path.write_text("new\n")
    os.utime(path, ns=(1, 1))

    assert (first, credentials.key("provider:a")) == ("old", "new")


def test_a_file_that_goes_and_comes_back_is_followed(tmp_path):
    """While it is away there is no key; no error, and no stale one."""
    path = tmp_path / "key"
    credentials = holding(Secret(file=path))
    before = credentials.key("provider:a")
    path.write_text("k")
    held = credentials.key("provider:a")

    path.unlink()

    assert (before, held, credentials.key("provider:a")) == (None, "k", None)


def test_all_credentials_of_a_configuration_are_collected():
    """Providers' by their names, custom models' by the deployment's own word."""
    own = model("t", deployment("t", credential_id="custom:acme/t"), custom=True)
    settings = Settings(
        providers={
            "a": ProviderSettings("a", {"key": Secret("k-a")}),
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

    assert credentials.key("provider:a") == "k-a"
    assert credentials.key("provider:b") is None
    assert credentials.key("custom:acme/t") == "k-t"


@pytest.mark.parametrize(
    ("way", "headers"),
    [
        ("bearer", (("authorization", "Bearer k-a"),)),
        ("x-api-key", (("x-api-key", "k-a"),)),
        ("api-key", (("api-key", "k-a"),)),
        ("none", ()),
    ],
)
def test_a_key_is_shown_as_the_deployment_wants_it(way, headers):
    """One header a way, and none where none is asked for."""
    place = deployment("a/m", auth=way, credential_id="provider:a")

    assert auth.headers(place, holding(Secret("k-a"))) == headers


def test_without_its_key_a_deployment_is_not_called():
    """No request goes out that shows no key."""
    place = deployment("a/m", auth="bearer", credential_id="provider:a")

    assert auth.headers(place, Credentials({})) is None
