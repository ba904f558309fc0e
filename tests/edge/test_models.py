"""What a caller can find out about models."""

import pytest

from fakes.services import DEPLOYMENT, KEY, MODEL, PINNED, AnsweringExecutor
from holdfast.api.catalog.v1 import catalog_pb2
from holdfast.api.catalog.v1 import catalog_service_pb2 as catalog_pb

from .conftest import Edge, Serve

TUNED = catalog_pb.ListedModel(
    model_id="acme/tuned",
    custom=True,
    deployments=[
        catalog_pb.ListedDeployment(
            deployment=catalog_pb2.Deployment(
                deployment_id="acme/tuned", model_id="acme/tuned", provider_id="acme"
            )
        )
    ],
)


@pytest.fixture
async def edge(serve: Serve) -> Edge:
    """Give an edge whose organization has a custom model."""
    edge = await serve(AnsweringExecutor())
    edge.resolver.models.append(TUNED)
    return edge


async def test_lists_every_name_to_the_sdk(edge: Edge) -> None:
    """Aliases, plain names, custom models and pinned ids, each once."""
    async with edge.openai() as client:
        listed = await client.models.list()

    assert [model.id for model in listed.data] == [
        "default-llm",
        MODEL,
        "acme/tuned",
        PINNED,
    ]
    assert {model.object for model in listed.data} == {"model"}
    assert [model.owned_by for model in listed.data] == [
        "organization",
        "anthropic",
        "organization",
        "aws",
    ]
    assert listed.data[1].context_length == 200_000


@pytest.mark.parametrize("name", [MODEL, PINNED, "default-llm", "acme/tuned"])
async def test_shows_one_name_to_the_sdk(edge: Edge, name: str) -> None:
    """A name is found by its id, slashes and all."""
    async with edge.openai() as client:
        model = await client.models.retrieve(name)

    assert model.id == name


async def test_hints_at_the_name_that_was_meant(edge: Edge) -> None:
    """An unknown id is a 404 with names that are near."""
    response = await edge.http.get("/v1/models/claude-sonet-4-5")

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (404, "model_not_found")
    assert f"Did you mean {MODEL}" in error["message"]


async def test_does_not_show_what_the_key_may_not_use(edge: Edge) -> None:
    """A deployment that policy excludes is no model of this caller's."""
    response = await edge.http.get("/v1/models/lab/claude-sonnet-4-5")

    assert response.status_code == 404


async def test_lists_a_row_for_each_deployment(edge: Edge) -> None:
    """Prices per token and per million, and where it runs."""
    response = await edge.http.get("/v2/models")

    assert response.json()["meta"] == {"total_count": 3}
    assert response.json()["data"][0] == {
        "name": PINNED,
        "model": MODEL,
        "hosting_provider": "Amazon Bedrock",
        "provider": "aws",
        "region": "eu-north-1",
        "location": "eu",
        "geography": "eu",
        "data": {"trains_on_data": False, "retention_days": 0},
        "input_cost_per_token": 3e-06,
        "output_cost_per_token": 1.5e-05,
        "pricing": {
            "input": 3.0,
            "output": 15.0,
            "cache_read": 0.3,
            "cache_creation": 3.75,
        },
        "capabilities": ["tools", "image_input"],
        "context_window_tokens": 200_000,
        "max_output_tokens": 64_000,
        "allowed": True,
        "blocked_by": None,
        "health": {"state": "healthy", "cooldown_seconds": None},
    }


async def test_says_why_a_deployment_may_not_be_used(edge: Edge) -> None:
    """An excluded deployment is listed with the rule, and nothing is made up."""
    row = (await edge.http.get("/v2/models")).json()["data"][1]

    assert row["name"] == "lab/claude-sonnet-4-5"
    assert not row["allowed"]
    assert row["blocked_by"] == "project web policy: geography unknown not in [eu]"
    assert row["geography"] == "unknown"
    assert row["data"] == {"trains_on_data": None, "retention_days": None}
    assert row["pricing"] is None
    assert row["input_cost_per_token"] is None


async def test_says_how_long_a_deployment_is_left_aside(edge: Edge) -> None:
    """A deployment that cools down says for how much longer."""
    cooling = edge.resolver.models[0].deployments[0]
    cooling.cooldown.FromMilliseconds(1_500)
    cooling.state = catalog_pb.DEPLOYMENT_STATE_COOLING_DOWN

    row = (await edge.http.get("/v2/models")).json()["data"][0]

    assert row["health"] == {"state": "cooling-down", "cooldown_seconds": 1.5}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("offset=1", ["lab/claude-sonnet-4-5", "acme/tuned"]),
        ("limit=1", [PINNED]),
        ("offset=1&limit=1", ["lab/claude-sonnet-4-5"]),
        ("offset=9", []),
        ("limit=0", []),
    ],
)
async def test_pages_through_the_rows(edge: Edge, query: str, names: list[str]) -> None:
    """Rows are skipped and counted off; the total stays."""
    listed = (await edge.http.get(f"/v2/models?{query}")).json()

    assert [row["name"] for row in listed["data"]] == names
    assert listed["meta"]["total_count"] == 3


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=9999999999", "limit=%FF"]
)
async def test_wants_numbers_to_page_by(edge: Edge, query: str) -> None:
    """What is no whole number is refused by its name."""
    response = await edge.http.get(f"/v2/models?{query}")

    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "limit")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/v2/models"])
async def test_wants_a_key(edge: Edge, path: str) -> None:
    """Nothing is listed to who has no key, or an unknown one."""
    without = await edge.http.get(path, headers={"authorization": ""})
    unknown = await edge.http.get(path, headers={"authorization": "Bearer x"})

    assert [without.status_code, unknown.status_code] == [401, 401]


async def test_explains_every_candidate_once(edge: Edge) -> None:
    """The plan as data: each deployment placed or excluded, with why."""
    response = await edge.http.post("/v2/explain", json={"model": MODEL})

    assert response.json() == {
        "requested_model": MODEL,
        "session_affinity": "none",
        "bound_deployment": None,
        "revision": "7",
        "trace_id": response.headers["x-holdfast-trace-id"],
        "steps": [
            {
                "place": 1,
                "deployment": PINNED,
                "model": MODEL,
                "provider": "aws",
                "geography": "eu",
                "region": DEPLOYMENT.region,
                "reason": "hashed",
                "cooldown_seconds": None,
            }
        ],
        "exclusions": [
            {
                "deployment": "lab/claude-sonnet-4-5",
                "provider": "lab",
                "geography": "unknown",
                "reason": "policy",
                "rule": "project web policy: geography unknown not in [eu]",
            }
        ],
    }


async def test_changes_nothing_by_explaining(edge: Edge) -> None:
    """The resolver is asked to explain, for the session named, and to bind nothing."""
    response = await edge.http.post(
        "/v2/explain", json={"model": MODEL, "session": "s-1"}
    )

    asked = edge.resolver.asked[0]
    assert asked.explain
    assert asked.validate_only
    assert asked.session_id == "s-1"
    assert response.json()["session_affinity"] == "new"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "model"),
        ({"model": " "}, 400, "model"),
        ({"model": MODEL, "session": 1}, 400, "session"),
        ({"model": "nothing-like-it"}, 404, "model"),
    ],
)
async def test_says_what_is_wrong_with_the_question(
    edge: Edge, body: dict[str, object], status: int, param: str
) -> None:
    """A question that cannot be answered names its field."""
    response = await edge.http.post("/v2/explain", json=body)

    assert response.status_code == status
    assert response.json()["error"]["param"] == param


async def test_explains_to_nobody_without_a_key(edge: Edge) -> None:
    """The plan is the key's own."""
    response = await edge.http.post(
        "/v2/explain", json={"model": MODEL}, headers={"authorization": ""}
    )

    assert response.status_code == 401
    assert KEY not in response.text
