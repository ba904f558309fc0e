"""Administration of a running gateway: the published SDK, curl's call, and effects."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from opperai import Opper, errors

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

ADMIN_KEY = "hf-test-admin-key"
MESSAGES = [{"role": "user", "content": "Hello"}]
MEMBERS = ["claude-sonnet-4-5", "gpt-oss-120b"]


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway with two models, a runtime key and an admin key."""
    config = configuration(
        shared_sim,
        {
            "claude-sonnet-4-5": [
                {"id": "aws/claude-sonnet-4-5-eu", "provider": "aws", "geography": "eu"}
            ],
            "gpt-oss-120b": [
                {"id": "groq/gpt-oss-120b", "provider": "groq", "geography": "us"}
            ],
        },
        organizations=[
            {
                "id": "acme",
                "aliases": [{"name": "of-the-file", "fallback_models": MEMBERS}],
                "projects": [
                    {
                        "id": "web",
                        "keys": [
                            {"id": "web-1", "key": KEY},
                            {"id": "admin", "key": ADMIN_KEY, "admin": True},
                        ],
                    }
                ],
            }
        ],
    )
    with Gateway(
        config, tmp_path_factory.mktemp("gateway"), separate=separate
    ) as gateway:
        yield gateway


@pytest.fixture
def admin(gateway: Gateway) -> Iterator[httpx.Client]:
    """Give a client with the admin key."""
    with httpx.Client(
        base_url=gateway.base_url, headers={"x-api-key": ADMIN_KEY}, timeout=30
    ) as client:
        yield client


@pytest.fixture
def opper(gateway: Gateway) -> Iterator[Any]:
    """Give the published SDK's part for models, with only the base URL changed."""
    with Opper(http_bearer=KEY, server_url=f"{gateway.base_url}/v2") as client:
        yield client.language_models


class TestPublishedSdk:
    """`opperai`, as code that exists already uses it."""

    def test_aliases(self, opper: Any) -> None:
        """Made, listed, found by id and by name, changed and deleted."""
        made = opper.create_alias(
            name="sdk/default", fallback_models=MEMBERS, description="Two of them"
        )
        try:
            listed = opper.list_aliases(offset=0, limit=100)
            by_id = opper.get_alias(alias_id=made.id)
            by_name = opper.get_alias_by_name(name="sdk/default")
            changed = opper.update_alias(
                alias_id=made.id, fallback_models=MEMBERS[1:], description=None
            )
        finally:
            gone = opper.delete_alias(alias_id=made.id)

        assert (made.name, made.fallback_models) == ("sdk/default", MEMBERS)
        assert made.description == "Two of them"
        assert made.id in [each.id for each in listed.data]
        assert listed.meta.total_count == len(listed.data)
        assert by_id == by_name
        assert by_id.model_dump() == made.model_dump()
        assert (changed.id, changed.name) == (made.id, "sdk/default")
        assert (changed.fallback_models, changed.description) == (MEMBERS[1:], None)
        assert gone is None
        with pytest.raises(errors.NotFoundError):
            opper.get_alias(alias_id=made.id)

    def test_custom_models(self, opper: Any) -> None:
        """The same; and the credential comes back from nowhere."""
        extra = {"api_base": "https://models.example.com/v1", "region": "eu"}
        made = opper.register_custom(
            name="sdk/tuned",
            identifier="openai/tuned-7b",
            api_key="sk-of-the-endpoint",
            extra=extra,
        )
        try:
            listed = opper.list_custom()
            by_id = opper.get_custom(model_id=made.id)
            by_name = opper.get_custom_by_name(name="sdk/tuned")
            changed = opper.update_custom(model_id=made.id, name="sdk/renamed")
        finally:
            gone = opper.delete_custom(model_id=made.id)

        assert (made.name, made.identifier) == ("sdk/tuned", "openai/tuned-7b")
        assert made.extra == extra
        assert made.id in [each.id for each in listed.data]
        assert by_id == by_name
        assert by_id.model_dump() == made.model_dump()
        assert (changed.id, changed.name, changed.extra) == (
            made.id,
            "sdk/renamed",
            extra,
        )
        assert gone is None
        assert "sk-of-the-endpoint" not in str([made, listed, by_id, changed])

    async def test_both_asynchronously(self, gateway: Gateway) -> None:
        """By its other half."""
        async with Opper(
            http_bearer=KEY, server_url=f"{gateway.base_url}/v2"
        ) as client:
            models = client.language_models
            alias = await models.create_alias_async(
                name="sdk/async", fallback_models=MEMBERS
            )
            custom = await models.register_custom_async(
                name="sdk/async-tuned",
                identifier="openai/tuned-7b",
                extra={"api_base": "https://models.example.com/v1"},
            )
            aliases = await models.list_aliases_async()
            found = await models.get_alias_by_name_async(name="sdk/async")
            changed = await models.update_alias_async(
                alias_id=alias.id, name="sdk/async-2"
            )
            customs = await models.list_custom_async()
            recalled = await models.get_custom_by_name_async(name="sdk/async-tuned")
            moved = await models.update_custom_async(
                model_id=custom.id, identifier="openai/tuned-8b"
            )
            await models.delete_alias_async(alias_id=alias.id)
            await models.delete_custom_async(model_id=custom.id)
            with pytest.raises(errors.NotFoundError):
                await models.get_alias_async(alias_id=alias.id)
            with pytest.raises(errors.NotFoundError):
                await models.get_custom_async(model_id=custom.id)

        assert alias.id in [each.id for each in aliases.data]
        assert (found.id, changed.name) == (alias.id, "sdk/async-2")
        assert custom.id in [each.id for each in customs.data]
        assert (recalled.id, moved.identifier) == (custom.id, "openai/tuned-8b")

    def test_failures_are_its_own_exceptions(
        self, opper: Any, gateway: Gateway
    ) -> None:
        """With the gateway's words."""
        alias = opper.create_alias(name="sdk/once", fallback_models=MEMBERS)
        try:
            with pytest.raises(errors.ConflictError, match="sdk/once"):
                opper.create_alias(name="sdk/once", fallback_models=MEMBERS)
        finally:
            opper.delete_alias(alias_id=alias.id)
        with pytest.raises(errors.BadRequestError, match="claude-sonnet-4-5"):
            opper.create_alias(name="sdk/x", fallback_models=["claude-sonet-4-5"])
        with (
            Opper(http_bearer="nobody", server_url=f"{gateway.base_url}/v2") as nobody,
            pytest.raises(errors.UnauthorizedError),
        ):
            nobody.language_models.list_aliases()


class TestAliases:
    """An alias, from its making to its calls."""

    def test_the_call_of_the_manual_works_as_written(self, gateway: Gateway) -> None:
        """Made with a name, its members and a description, it is a model at once."""
        made = gateway.http.post(
            "/v2/models/aliases",
            json={
                "name": "default-llm",
                "fallback_models": MEMBERS,
                "description": "Sonnet, then open weights",
            },
        )

        answer = gateway.openai().chat.completions.create(
            model="default-llm", messages=MESSAGES
        )
        listed = gateway.http.get("/v1/models").json()["data"]
        gone = gateway.http.delete(f"/v2/models/aliases/{made.json()['id']}")
        after = gateway.http.post(
            "/v1/chat/completions", json={"model": "default-llm", "messages": MESSAGES}
        )

        assert made.status_code == 200
        assert answer.model == "claude-sonnet-4-5"
        assert "default-llm" in [each["id"] for each in listed]
        assert gone.status_code == 204
        assert after.status_code == 404

    def test_what_the_file_declares_is_shown_and_stays(self, gateway: Gateway) -> None:
        """It says so of itself."""
        shown = gateway.http.get("/v2/models/aliases/by-name/of-the-file").json()

        refused = gateway.http.patch(
            f"/v2/models/aliases/{shown['id']}", json={"fallback_models": MEMBERS[:1]}
        )

        assert shown["source"] == "file"
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "declared_in_file"

    def test_conflicts_are_told(self, gateway: Gateway) -> None:
        """With a name of the catalog, an unknown member, an alias in an alias."""
        taken = gateway.http.post(
            "/v2/models/aliases",
            json={"name": "gpt-oss-120b", "fallback_models": MEMBERS},
        )
        nested = gateway.http.post(
            "/v2/models/aliases",
            json={"name": "nested", "fallback_models": ["of-the-file"]},
        )

        assert (taken.status_code, taken.json()["error"]["code"]) == (
            409,
            "already_exists",
        )
        assert (nested.status_code, nested.json()["error"]["param"]) == (
            400,
            "fallback_models[0]",
        )


def test_a_key_is_made_used_rotated_and_shut_out(
    gateway: Gateway, admin: httpx.Client
) -> None:
    """Each at once."""

    def models(secret: str) -> int:
        return gateway.http.get("/v1/models", headers={"x-api-key": secret}).status_code

    made = admin.post("/v2/projects/web/keys", json={"id": "ci", "name": "For CI"})
    first = made.json()["secret"]
    assert (made.status_code, models(first)) == (201, 200)

    second = admin.post("/v2/projects/web/keys/ci/rotate", json={"overlap_s": 3600})
    assert (models(first), models(second.json()["secret"])) == (200, 200)

    third = admin.post("/v2/projects/web/keys/ci/rotate")
    assert models(third.json()["secret"]) == 200
    assert models(second.json()["secret"]) == 401

    admin.patch("/v2/projects/web/keys/ci", json={"disabled": True})
    assert models(third.json()["secret"]) == 401

    assert admin.delete("/v2/projects/web/keys/ci").status_code == 204
    assert "secret" not in admin.get("/v2/projects/web/keys").text.replace(
        '"secrets"', ""
    )


def test_a_policy_holds_from_the_next_call_on(
    gateway: Gateway, admin: httpx.Client
) -> None:
    """And no longer once it is gone."""
    chat = {"model": "gpt-oss-120b", "messages": MESSAGES}

    made = admin.put("/v2/policies/projects/web", json={"geographies": ["eu"]})
    again = admin.put("/v2/policies/projects/web", json={"geographies": ["eu"]})
    refused = gateway.http.post("/v1/chat/completions", json=chat)
    admin.delete(
        "/v2/policies/projects/web", headers={"if-match": made.headers["etag"]}
    )
    served = gateway.http.post("/v1/chat/completions", json=chat)

    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["etag"] == again.json()["etag"]
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "model_not_allowed"
    assert served.status_code == 200


def test_two_editors_lose_nothing(admin: httpx.Client) -> None:
    """Whoever was second looks again."""
    made = admin.post(
        "/v2/guardrails", json={"name": "no-cards", "presets": ["credit_card"]}
    )
    at, seen = made.headers["location"], made.headers["etag"]
    try:
        first = admin.patch(at, json={"action": "redact"}, headers={"if-match": seen})
        second = admin.patch(at, json={"action": "block"}, headers={"if-match": seen})
        known = admin.get(at, headers={"if-none-match": first.headers["etag"]})
    finally:
        admin.delete(at)

    assert first.status_code == 200
    assert (second.status_code, second.json()["error"]["code"]) == (
        412,
        "edit_conflict",
    )
    assert (known.status_code, known.content) == (304, b"")


def test_what_was_done_is_listed_compared_and_undone(admin: httpx.Client) -> None:
    """By whom, before and after; going back is a generation of its own."""
    made = admin.post("/v2/projects", json={"id": "batch", "name": "Nightly"})
    admin.patch("/v2/projects/batch", json={"name": "Daily"})
    edits = admin.get("/v2/generations", params={"limit": 2}).json()["data"]
    newest, oldest = edits[0]["generation"], edits[1]["generation"]

    compared = admin.get(f"/v2/generations/{oldest}/compare/{newest}").json()
    rolled = admin.post(f"/v2/generations/{oldest}/rollback")
    project = admin.get("/v2/projects/batch").json()
    admin.delete("/v2/projects/batch")

    assert made.json()["generation"] == oldest
    assert edits[0]["actor"] == "acme/web/admin"
    (change,) = compared["changes"]
    assert (change["before"]["name"], change["after"]["name"]) == ("Nightly", "Daily")
    assert rolled.json()["generation"] == newest + 1
    assert rolled.json()["action"] == "roll_back"
    assert project["name"] == "Nightly"


def test_organizations_are_apart(gateway: Gateway, admin: httpx.Client) -> None:
    """One that was made is administered by who made it, and seen by no other key."""
    made = admin.post("/v2/organizations", json={"id": "acme-labs", "name": "Labs"})
    labs = {"organization": "acme-labs"}
    admin.post("/v2/projects", json={"id": "p"}, params=labs)
    key = admin.post("/v2/projects/p/keys", json={"id": "k"}, params=labs).json()
    with httpx.Client(
        base_url=gateway.base_url, headers={"x-api-key": key["secret"]}
    ) as other:
        alias = other.post(
            "/v2/models/aliases", json={"name": "mine", "fallback_models": MEMBERS}
        )
        elsewhere = other.get("/v2/models/aliases", params={"organization": "acme"})
        seen = gateway.http.get("/v2/models/aliases/by-name/mine")
        by_admin = admin.get("/v2/models/aliases/by-name/mine", params=labs)
        refused = other.get("/v2/projects")

    assert (made.status_code, made.json()["parent"]) == (201, "acme")
    assert alias.json()["organization"] == "acme-labs"
    assert elsewhere.status_code == seen.status_code == 404
    assert by_admin.json() == alias.json()
    assert refused.json()["error"]["code"] == "admin_key_required"


def test_kinds_of_keys_do_not_do_each_others_work(
    gateway: Gateway, admin: httpx.Client
) -> None:
    """One calls models, the other administrates."""
    chat = {"model": "gpt-oss-120b", "messages": MESSAGES}

    called = admin.post("/v1/chat/completions", json=chat)
    administrated = gateway.http.get("/v2/budgets")

    assert called.json()["error"]["code"] == "runtime_key_required"
    assert administrated.json()["error"]["code"] == "admin_key_required"
    assert (called.status_code, administrated.status_code) == (403, 403)
