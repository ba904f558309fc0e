"""Changing a resource, as RFC 7396 has it."""

import pytest

from holdfast.control import resources

from .conftest import Edge, told


@pytest.fixture
async def edge(admin_edge: Edge) -> Edge:
    """Give an edge, and a client with an admin key."""
    return admin_edge


@pytest.fixture
async def policy(edge: Edge) -> str:
    """Make a policy and say where it is."""
    body = {"providers": {"allow": ["aws"], "deny": ["openai"]}}
    await edge.http.post("/v2/policies", json={**body, "geographies": ["eu"]})
    return "/v2/policies/organization"


async def test_merges_objects(edge: Edge, policy: str) -> None:
    """Fields within fields, too."""
    response = await edge.http.patch(policy, json={"providers": {"deny": ["x"]}})

    assert response.json()["providers"] == {"allow": ["aws"], "deny": ["x"]}
    assert response.json()["geographies"] == ["eu"]


async def test_null_takes_a_field_back(edge: Edge, policy: str) -> None:
    """To what it is without being given, at any depth."""
    response = await edge.http.patch(
        policy, json={"providers": {"deny": None}, "geographies": None}
    )

    assert response.json()["providers"] == {"allow": ["aws"], "deny": []}
    assert response.json()["geographies"] == []


async def test_a_field_that_must_be_given_stays(edge: Edge) -> None:
    """The published SDK sends null for what its caller leaves out."""
    made = await edge.http.post(
        "/v2/models/aliases", json={"name": "a", "fallback_models": ["m"]}
    )
    at = f"/v2/models/aliases/{made.json()['id']}"

    response = await edge.http.patch(
        at, json={"name": None, "fallback_models": None, "description": "D"}
    )

    assert response.status_code == 200
    assert response.json()["name"] == "a"
    assert response.json()["fallback_models"] == ["m"]
    assert response.json()["description"] == "D"


async def test_takes_the_media_type_of_patches(edge: Edge, policy: str) -> None:
    """`application/merge-patch+json` is JSON."""
    response = await edge.http.patch(
        policy,
        content=b'{"geographies": ["us"]}',
        headers={"content-type": "application/merge-patch+json"},
    )

    assert response.json()["geographies"] == ["us"]


async def test_loses_no_edit_made_meanwhile(edge: Edge, policy: str) -> None:
    """A change bound to no state is made upon what the other one has made."""
    others = [
        resources.Policy(organization="acme", models=resources.Names(deny=("m",)))
    ]

    def edited_by_another() -> None:
        if others:
            edge.administration._keep("policy", others.pop(), "update")

    edge.administration.before_replacing = edited_by_another
    response = await edge.http.patch(policy, json={"geographies": ["us"]})

    assert response.status_code == 200
    assert response.json()["models"]["deny"] == ["m"]
    assert response.json()["geographies"] == ["us"]


async def test_gives_up_against_one_that_never_stops(edge: Edge, policy: str) -> None:
    """With a conflict, rather than trying for ever."""

    def edited_by_another() -> None:
        now = resources.Policy(organization="acme")
        edge.administration._keep("policy", now, "update")

    edge.administration.before_replacing = edited_by_another
    response = await edge.http.patch(policy, json={"geographies": ["us"]})

    assert told(response)[:2] == (412, "edit_conflict")
