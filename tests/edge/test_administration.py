"""What administrators see of organizations and all that is theirs, over HTTP."""

from typing import Any

import pytest

from fakes.administration import NOW
from fakes.resource_documents import SAMPLES, Sample
from fakes.services import KEY

from .conftest import Edge, told

ABOUT = {"source", "etag", "generation", "created_at", "updated_at", "shadowed"}

TUNED = {"name": "acme/tuned", "identifier": "openai/tuned-7b"}

every_kind = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind)


@pytest.fixture
async def edge(admin_edge: Edge) -> Edge:
    """Give an edge, and a client with an admin key."""
    return admin_edge


async def made(edge: Edge, sample: Sample) -> dict[str, Any]:
    """Make a sample, and return what is said of it."""
    response = await edge.http.post(sample.collection, json=sample.body)
    assert response.is_success, response.text
    return response.json()


class TestEveryKind:
    """What goes for all of them alike."""

    @every_kind
    async def test_makes_one(self, edge: Edge, sample: Sample) -> None:
        """It is answered as it is kept, with where it is and which state it is."""
        response = await edge.http.post(sample.collection, json=sample.body)

        shown = response.json()
        assert response.status_code == (200 if "/models/" in sample.collection else 201)
        assert response.headers["location"] == sample.location(shown)
        assert response.headers["etag"] == f'"{shown["etag"]}"'
        assert shown["organization"] in ("acme", "acme-children")
        assert shown["source"] == "api"
        assert shown["generation"] == 1
        assert shown["created_at"] == NOW.isoformat().replace("+00:00", "Z")
        for name, value in sample.body.items():
            given = shown[name]
            if isinstance(value, dict):
                given = {key: given[key] for key in value}
            if name == "patterns":
                value[0]["flags"] = ""
            assert given == value

    @every_kind
    async def test_shows_it(self, edge: Edge, sample: Sample) -> None:
        """By its address, and in the list of its kind."""
        shown = await made(edge, sample)
        shown.pop("secret", None)

        alone = await edge.http.get(sample.location(shown))
        listed = await edge.http.get(sample.collection)

        if sample.kind == "budget":
            shown["this_month"] = None
        assert alone.json() == shown
        assert alone.headers["etag"] == f'"{shown["etag"]}"'
        assert shown in listed.json()["data"]
        assert listed.json()["meta"]["total_count"] == len(listed.json()["data"])

    @every_kind
    async def test_changes_fields_of_it(self, edge: Edge, sample: Sample) -> None:
        """What is not mentioned stays."""
        before = await made(edge, sample)
        before.pop("secret", None)

        after = await edge.http.patch(sample.location(before), json=sample.change)

        assert after.status_code == 200
        changed = {"etag", "generation"}
        assert {**before, **sample.change} | {
            name: after.json()[name] for name in changed
        } == after.json()
        assert after.json()["etag"] != before["etag"]

    @every_kind
    async def test_replaces_it(self, edge: Edge, sample: Sample) -> None:
        """What is not given goes back to what it is without being given."""
        before = await made(edge, sample)
        whole = {**sample.body, **sample.change}
        whole.pop("description", None)

        after = await edge.http.put(sample.location(before), json=whole)

        assert after.status_code == 200
        assert after.json().get("description") is None
        for name, value in sample.change.items():
            assert after.json()[name] == value

    @every_kind
    async def test_takes_back_what_it_has_shown(
        self, edge: Edge, sample: Sample
    ) -> None:
        """What a caller may not choose is left alone; nothing has to be cut out."""
        before = await made(edge, sample)

        after = await edge.http.put(sample.location(before), json=before)

        assert after.status_code == 200
        assert {n: v for n, v in after.json().items() if n not in ABOUT} == {
            n: v for n, v in before.items() if n not in ABOUT | {"secret"}
        }

    @every_kind
    async def test_deletes_it(self, edge: Edge, sample: Sample) -> None:
        """With no word, and it is gone."""
        shown = await made(edge, sample)

        gone = await edge.http.delete(sample.location(shown))
        after = await edge.http.get(sample.location(shown))

        assert (gone.status_code, gone.content) == (204, b"")
        assert "content-length" not in gone.headers
        assert "transfer-encoding" not in gone.headers
        assert told(after)[:2] == (404, "not_found")

    @every_kind
    async def test_is_not_made_twice(self, edge: Edge, sample: Sample) -> None:
        """A name that is taken is a conflict."""
        await made(edge, sample)

        again = await edge.http.post(sample.collection, json=sample.body)

        assert told(again)[:2] == (409, "already_exists")

    @every_kind
    async def test_names_a_field_that_there_is_not(
        self, edge: Edge, sample: Sample
    ) -> None:
        """And those that are near."""
        name = next(iter(sample.change))
        wrong = {**sample.body, f"{name}x": 1}

        posted = await edge.http.post(sample.collection, json=wrong)
        await made(edge, sample)

        assert told(posted) == (400, "invalid_request", f"{name}x")
        assert f"did you mean {name}" in posted.json()["error"]["message"]

    @every_kind
    async def test_names_a_field_of_the_wrong_type(
        self, edge: Edge, sample: Sample
    ) -> None:
        """When it is made and when it is changed."""
        name = next(iter(sample.change))
        shown = await made(edge, sample)

        posted = await edge.http.post(
            sample.collection, json={**sample.body, name: {"no": "such"}}
        )
        patched = await edge.http.patch(sample.location(shown), json={name: 7.5})

        assert told(posted) == (400, "invalid_request", name)
        assert told(patched) == (400, "invalid_request", name)

    @every_kind
    async def test_wants_a_key(self, edge: Edge, sample: Sample) -> None:
        """Before anything else is looked at."""
        without = {"authorization": ""}

        posted = await edge.http.post(sample.collection, content="{", headers=without)
        listed = await edge.http.get(sample.collection, headers=without)
        unknown = await edge.http.get(
            sample.collection, headers={"authorization": "Bearer nobody"}
        )

        for response in (posted, listed, unknown):
            assert told(response)[:2] == (401, "invalid_api_key")

    @every_kind
    async def test_a_key_that_is_no_admin_key_may_edit_models_alone(
        self, edge: Edge, sample: Sample
    ) -> None:
        """Aliases and custom models; all else is for admin keys."""
        headers = {"authorization": f"Bearer {KEY}"}

        response = await edge.http.post(
            sample.collection, json=sample.body, headers=headers
        )

        if "/models/" in sample.collection:
            assert response.status_code == 200
        else:
            assert told(response)[:2] == (403, "admin_key_required")

    @every_kind
    async def test_what_the_file_declares_is_only_shown(
        self, edge: Edge, sample: Sample
    ) -> None:
        """It says so of itself, and does not change."""
        shown = await made(edge, sample)
        (place,) = [p for p, s in edge.administration.kept.items() if s.source == "api"]
        declared = edge.administration.kept.pop(place)
        edge.administration.declare(sample.kind, declared.resource)
        at = sample.location(shown)

        patched = await edge.http.patch(at, json=sample.change)
        deleted = await edge.http.delete(at)

        assert (await edge.http.get(at)).json()["source"] == "file"
        assert told(patched)[:2] == (409, "declared_in_file")
        assert told(deleted)[:2] == (409, "declared_in_file")

    @every_kind
    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 9999])
    async def test_wants_an_object(
        self, edge: Edge, sample: Sample, body: bytes
    ) -> None:
        """In JSON."""
        response = await edge.http.post(sample.collection, content=body)

        assert response.status_code == 400

    @pytest.mark.parametrize(
        "sample",
        [s for s in SAMPLES if s.kind not in ("organization", "key")],
        ids=lambda sample: sample.kind,
    )
    async def test_another_organization_is_named_in_the_query_or_the_body(
        self, edge: Edge, sample: Sample
    ) -> None:
        """The key's own if none is; and not two."""
        labs = {"organization": "acme-labs"}

        queried = await edge.http.post(sample.collection, json=sample.body, params=labs)
        said = await edge.http.post(sample.collection, json={**sample.body, **labs})
        both = await edge.http.post(
            sample.collection,
            json={**sample.body, "organization": "acme"},
            params=labs,
        )
        listed = await edge.http.get(sample.collection)
        of_labs = await edge.http.get(sample.collection, params=labs)

        assert queried.json()["organization"] == "acme-labs"
        assert queried.json()["etag"] == of_labs.json()["data"][0]["etag"]
        assert told(said)[:2] == (409, "already_exists")
        assert told(both) == (400, "invalid_request", "organization")
        assert [row["organization"] for row in of_labs.json()["data"]] == ["acme-labs"]
        assert "acme-labs" not in {row["organization"] for row in listed.json()["data"]}


@pytest.mark.parametrize(
    ("at", "body", "field"),
    [
        ("policies", {"geographys": None}, "geographys"),
        ("policies", {"providers": {"alow": None}}, "providers.alow"),
        ("policies", {"providers": {"alow": []}}, "providers.alow"),
        (
            "policies",
            {"data": {"max_retention_days": 10**19}},
            "data.max_retention_days",
        ),
        ("guardrails", {"name": "a", "patterns": [{"name": "b"}]}, "patterns[0].regex"),
        ("guardrails", {"name": "a", "patterns": [{"rx": 1}]}, "patterns[0].rx"),
        (
            "projects",
            {"id": "a", "defaults": {"attempt": {"x": None}}},
            "defaults.attempt.x",
        ),
        ("projects", {"id": "a", "organization": {}}, "organization"),
        ("organizations", {"name": "Nobody"}, "id"),
        ("models/custom", {**TUNED, "extra": {"a": [-(10**19)]}}, "extra.a[0]"),
    ],
)
async def test_says_where_the_fault_is(
    edge: Edge, at: str, body: dict[str, Any], field: str
) -> None:
    """Field by field, also for what would do nothing."""
    response = await edge.http.post(f"/v2/{at}", json=body)

    assert told(response) == (400, "invalid_request", field)


async def test_wants_bodies_that_everybody_can_read(edge: Edge) -> None:
    """What is free in its form is not nested without end."""
    extra: dict[str, Any] = {}
    for _ in range(40):
        extra = {"x": extra}

    response = await edge.http.post("/v2/models/custom", json={**TUNED, "extra": extra})

    assert told(response)[:2] == (400, "invalid_json")
    assert "nested" in response.json()["error"]["message"]


async def test_says_what_is_wrong_as_the_sdk_of_that_api_reads_it(edge: Edge) -> None:
    """Beside what is said everywhere."""
    refused = (await edge.http.get("/v2/models/aliases/none")).json()
    conflict = (await edge.http.post("/v2/organizations", json={"id": "acme"})).json()

    assert refused["type"] == "NotFoundError"
    assert refused["message"] == refused["error"]["message"]
    assert refused["detail"] == {"code": "not_found", "param": None}
    assert conflict["type"] == "ConflictError"


async def test_what_a_replacement_leaves_out_is_as_it_is_without(edge: Edge) -> None:
    """It is the whole of the resource."""
    at = "/v2/policies/organization"
    await edge.http.put(at, json={"geographies": ["eu"], "models": {"deny": ["m"]}})

    response = await edge.http.put(at, json={"geographies": ["us"]})

    assert response.json()["geographies"] == ["us"]
    assert response.json()["models"] == {"allow": [], "deny": []}
