"""Vectors through OpenAI's own SDK, and what is wrong with a request for them."""

import json

import httpx
import pytest

from fakes.services import KEY, MODEL, PINNED, AnsweringExecutor
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.model import Capability
from holdfast_edge.embeddings_request import embeddings_requirements, parse_embeddings

from .conftest import Edge, Serve

VECTORS = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 0, "embedding": "AAAAPwAAgD8="},
    ],
    "model": MODEL,
    "usage": {"prompt_tokens": 3, "total_tokens": 3, "cost": 0.0021},
}


@pytest.fixture
async def edge(serve: Serve) -> Edge:
    """Give an edge whose executor answers with a vector."""
    return await serve(AnsweringExecutor(completion=json.dumps(VECTORS).encode()))


async def post(edge: Edge, body: object, path: str = "/v1") -> httpx.Response:
    return await edge.http.post(f"{path}/embeddings", json=body)


async def test_answers_the_sdk(edge: Edge) -> None:
    """Which asks for base64, and reads numbers from it."""
    async with edge.openai() as client:
        answer = await client.embeddings.create(model=MODEL, input="Hi")

    assert answer.data[0].embedding == [0.5, 1.0]
    assert answer.usage.cost == 0.0021
    (asked,) = edge.executor.asked
    assert asked.surface == pb.SURFACE_OPENAI_EMBEDDINGS
    assert json.loads(asked.body)["encoding_format"] == "base64"


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/compat/openai",
        "/compat/openai/v1",
        "/v3/compat",
        "/session/s-1/v1",
        "/v3/session/s-1",
    ],
)
async def test_is_served_below_every_base(edge: Edge, path: str) -> None:
    """With who served in the headers; a session is the one in the path."""
    response = await post(edge, {"model": MODEL, "input": "Hi"}, path)

    assert response.status_code == 200
    assert response.headers["x-holdfast-deployment"] == PINNED
    assert response.headers["x-holdfast-cost-usd"] == "0.0021"
    (asked,) = edge.resolver.asked
    assert asked.session_id == ("s-1" if "session" in path else "")
    assert asked.requirements.capabilities == {Capability.EMBEDDINGS}


async def test_the_body_goes_on_byte_for_byte(edge: Edge) -> None:
    """Fields that nobody here has heard of among it."""
    body = b'{ "model": "%b", "input": ["a"], "new": 1.0 }' % MODEL.encode()

    await edge.http.post(
        "/v1/embeddings", content=body, headers={"content-type": "application/json"}
    )

    assert edge.executor.asked[0].body == body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "Hi"}, "model"),
        ({"model": " ", "input": "Hi"}, "model"),
        ({"model": MODEL}, "input"),
        ({"model": MODEL, "input": None}, "input"),
        ({"model": MODEL, "input": ""}, "input"),
        ({"model": MODEL, "input": []}, "input"),
        ({"model": MODEL, "input": {"text": "Hi"}}, "input"),
        ({"model": MODEL, "input": ["a", ""]}, "input[1]"),
        ({"model": MODEL, "input": ["a", 1]}, "input[1]"),
        ({"model": MODEL, "input": [1, -1]}, "input[1]"),
        ({"model": MODEL, "input": [[1], []]}, "input[1]"),
        ({"model": MODEL, "input": ["a"] * 2_049}, "input"),
        ({"model": MODEL, "input": "Hi", "encoding_format": "hex"}, "encoding_format"),
        ({"model": MODEL, "input": "Hi", "dimensions": 0}, "dimensions"),
        ({"model": MODEL, "input": "Hi", "dimensions": "8"}, "dimensions"),
        ({"model": MODEL, "input": "Hi", "user": 7}, "user"),
    ],
)
async def test_names_the_field_that_is_wrong(
    edge: Edge, body: object, param: str
) -> None:
    """And asks nobody."""
    response = await post(edge, body)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "invalid_request")
    assert error["param"] == param
    assert edge.executor.asked == []


async def test_wants_a_key(edge: Edge) -> None:
    """As every surface does."""
    response = await edge.http.post(
        "/v1/embeddings",
        json={"model": MODEL, "input": "Hi"},
        headers={"authorization": f"Bearer not-{KEY}"},
    )

    assert response.status_code == 401


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        ("x" * 400, 100),
        (["x" * 400, "x" * 40], 100),
        ([1] * 50, 50),
        ([[1] * 50, [1] * 70], 70),
    ],
)
def test_a_window_is_each_inputs_own(given: object, tokens: int) -> None:
    """So the longest says whether a deployment takes the request."""
    asked = parse_embeddings(json.dumps({"model": "m", "input": given}).encode())

    assert embeddings_requirements(asked).input_tokens == tokens
