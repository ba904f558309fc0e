"""Where resources are: what the address says, and what the body says."""

from typing import Any

import pytest

from .conftest import Edge, told


@pytest.fixture
async def edge(admin_edge: Edge) -> Edge:
    """Give an edge, and a client with an admin key."""
    return admin_edge


@pytest.mark.parametrize(
    ("at", "body"),
    [
        ("/v2/projects/web", {"id": "other"}),
        ("/v2/projects/web/keys/k", {"project": "other"}),
        ("/v2/policies/organization", {"project": "web"}),
        ("/v2/policies/projects/web", {"key": "k"}),
        ("/v2/budgets/projects/web/keys/k", {"monthly_usd": "1", "key": "other"}),
        ("/v2/organizations/acme", {"id": "other"}),
        ("/v2/organizations/acme", {"organization": "other"}),
    ],
)
async def test_must_agree(edge: Edge, at: str, body: dict[str, Any]) -> None:
    """What a resource is told from others by does not change."""
    response = await edge.http.put(at, json=body)

    field = "organization" if "organizations" in at else next(reversed(body))
    assert told(response) == (400, "invalid_request", field)


@pytest.mark.parametrize("kind", ["policies", "budgets"])
@pytest.mark.parametrize(
    ("scope", "project", "key"),
    [
        ("organization", "", ""),
        ("projects/web", "web", ""),
        ("projects/web/keys/ci", "web", "ci"),
    ],
)
async def test_a_scope_has_one_address(
    edge: Edge, kind: str, scope: str, project: str, key: str
) -> None:
    """PUT there makes what there was not; POST says where it has made it."""
    body = {"monthly_usd": "5"} if kind == "budgets" else {"geographies": ["eu"]}

    put = await edge.http.put(f"/v2/{kind}/{scope}", json=body)
    again = await edge.http.put(f"/v2/{kind}/{scope}", json=body)
    await edge.http.delete(f"/v2/{kind}/{scope}")
    posted = await edge.http.post(
        f"/v2/{kind}", json={**body, "project": project, "key": key}
    )

    assert (put.status_code, again.status_code) == (201, 200)
    assert (put.json()["project"], put.json()["key"]) == (project, key)
    assert posted.headers["location"] == f"/v2/{kind}/{scope}"


async def test_put_makes_nothing_else(edge: Edge) -> None:
    """A project that is not there is not made by a slip in its name."""
    response = await edge.http.put("/v2/projects/wbe", json={})

    assert told(response)[:2] == (404, "not_found")


async def test_a_guardrail_may_be_given_another_name(edge: Edge) -> None:
    """It is known by nothing else; where it is changes with it."""
    await edge.http.post("/v2/guardrails", json={"name": "cards"})

    renamed = await edge.http.patch("/v2/guardrails/cards", json={"name": "no-cards"})

    assert renamed.json()["name"] == "no-cards"
    assert (await edge.http.get("/v2/guardrails/no-cards")).status_code == 200
    assert (await edge.http.get("/v2/guardrails/cards")).status_code == 404


async def test_put_that_is_bound_to_a_state_makes_nothing(edge: Edge) -> None:
    """There is no state to be at."""
    response = await edge.http.put(
        "/v2/policies/organization", json={}, headers={"if-match": "*"}
    )

    assert told(response)[:2] == (404, "not_found")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("aliases", {"fallback_models": ["m"]}),
        ("custom", {"identifier": "openai/m"}),
    ],
)
@pytest.mark.parametrize("name", ["a", "acme/a", "a b", "a%2Fb", "ä/ö", "a?b#c"])
async def test_a_name_may_hold_anything(
    edge: Edge, kind: str, body: dict[str, Any], name: str
) -> None:
    """Slashes as they are or percent-encoded, and all that has to be encoded."""
    made = await edge.http.post(f"/v2/models/{kind}", json={**body, "name": name})

    quoted = name.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    plain = await edge.http.get(f"/v2/models/{kind}/by-name/{quoted}")
    encoded = await edge.http.get(
        f"/v2/models/{kind}/by-name/{quoted.replace('/', '%2F')}"
    )

    assert plain.json() == encoded.json() == made.json()


async def test_a_name_is_no_id(edge: Edge) -> None:
    """By name and by id are two addresses."""
    made = await edge.http.post(
        "/v2/models/aliases", json={"name": "a", "fallback_models": ["m"]}
    )

    by_name = await edge.http.get("/v2/models/aliases/a")
    by_id = await edge.http.get(f"/v2/models/aliases/by-name/{made.json()['id']}")

    assert told(by_name)[:2] == (404, "not_found")
    assert told(by_id)[:2] == (404, "not_found")


async def test_lists_what_belongs_to_a_project(edge: Edge) -> None:
    """Where a kind is of projects, and pages by rows."""
    for project in ("web", "batch"):
        await edge.http.put(f"/v2/policies/projects/{project}", json={})

    of_one = await edge.http.get("/v2/policies", params={"project": "web"})
    page = await edge.http.get("/v2/policies", params={"offset": 1, "limit": 1})

    assert [row["project"] for row in of_one.json()["data"]] == ["web"]
    assert page.json()["meta"] == {"total_count": 2}
    assert len(page.json()["data"]) == 1
