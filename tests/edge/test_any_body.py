"""Whatever a body holds: it is served, or refused with what is wrong with it."""

import json
import urllib.parse
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.administration import ADMIN_KEY
from fakes.resource_documents import SAMPLES
from fakes.services import KEY, MODEL, AnsweringExecutor
from holdfast.api.ledger.v1 import ledger_service_pb2 as ledger_pb
from holdfast_edge.errors import RESPONSES
from holdfast_edge.openapi import document

from .conftest import Edge, start_edge, stop_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODES = {response.code for response in RESPONSES.values()}

WITH_BODY = sorted(
    (method, path)
    for path, item in document()["paths"].items()
    for method, operation in item.items()
    if method != "parameters" and "requestBody" in operation
)

WITHOUT_BODY = sorted(
    (method, path)
    for path, item in document()["paths"].items()
    for method, operation in item.items()
    if method != "parameters" and "requestBody" not in operation
)

IN_PATHS = sorted(
    {
        part[1:-1]
        for path in document()["paths"]
        for part in path.split("/")
        if "{" in part
    }
)
"""Every parameter of a path that there is."""

NAMES = sorted(
    {
        name
        for schema in document()["components"]["schemas"].values()
        for name in schema.get("properties", ())
    }
    | {"model", "messages", "role", "content", "input", "stream", "tools"}
)
"""Every field that there is."""

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**70), max_value=2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from([MODEL, "eu", "user", "openai/m", "10", "2026-01-01T00:00:00Z"]),
)

VALUES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(
            st.sampled_from(NAMES) | st.text(max_size=3), below, max_size=4
        ),
    ),
    max_leaves=12,
)

OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)

QUICK = settings(
    deadline=None,
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


USER = {"role": "user", "content": "Hi"}

ITEMS: list[Any] = [
    {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
    {"type": "function_call", "call_id": "c", "name": "w", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "Sunny"},
    {"type": "custom_tool_call", "call_id": "d", "name": "x", "input": "ls"},
    {"type": "custom_tool_call_output", "call_id": "d", "output": "a.txt"},
    {"type": "web_search_call", "id": "ws", "action": {"query": "q"}},
]

GOOD: dict[str, Any] = {
    "/v1/chat/completions": {"model": MODEL, "messages": [USER], "stream": False},
    "/v1/embeddings": {"model": MODEL, "input": ["a", "b"]},
    "/v1/messages": {"model": MODEL, "max_tokens": 5, "messages": [USER]},
    "/v1/messages/count_tokens": {"model": MODEL, "messages": [USER]},
    "/v1/responses": {"model": MODEL, "input": ITEMS},
    "/v1/responses/input_tokens": {"model": MODEL, "input": ITEMS},
    "/v1/responses/compact": {
        "model": MODEL,
        "instructions": "Be brief.",
        "input": ITEMS,
    },
    "/v2/explain": {"model": MODEL, "session": "s"},
    "/v2/projects/{project}/keys/{id}/rotate": {"overlap_s": 1},
    **{
        path: sample.body
        for sample in SAMPLES
        for path in document()["paths"]
        if path.startswith(sample.collection.replace("web", "{project}"))
        and not path.endswith("/rotate")
    },
}
"""For each path a body that is served, with nothing wrong with it."""


@st.composite
def with_one_thing_wrong(draw: st.DrawFn, path: str) -> Any:
    """Make a body of which one value, at any depth, is something else."""
    body = json.loads(json.dumps(GOOD[path]))
    at: Any = body
    while True:
        places = sorted(at) if isinstance(at, dict) else range(len(at))
        place = draw(st.sampled_from(list(places)))
        if isinstance(at[place], (dict, list)) and at[place] and draw(st.booleans()):
            at = at[place]
            continue
        at[place] = draw(VALUES)
        return body


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge() -> AsyncIterator[Edge]:
    """Give one edge for all: nothing that comes in may bring it down."""
    edge = await start_edge(AnsweringExecutor())
    known = ledger_pb.GetTraceResponse()
    known.requests.add()
    edge.ledger.answers[type(known)] = known
    yield edge
    await stop_edge(edge)


def address(path: str, **parts: str) -> str:
    """Fill in a path's parameters; those that are not given are a word."""
    while "{" in path:
        name = path[path.index("{") + 1 : path.index("}")]
        value = urllib.parse.quote(parts.get(name, "web"), safe="")
        path = path.replace(f"{{{name}}}", value)
    return path


def key_for(path: str) -> dict[str, str]:
    admin = path.startswith("/v2/") and not path.startswith("/v2/explain")
    return {"authorization": f"Bearer {ADMIN_KEY if admin else KEY}"}


def is_told(response: httpx.Response) -> bool:
    """Say whether an answer is one, or says what is wrong in the shape of errors."""
    if response.is_success or response.status_code == 304:
        return True
    error: dict[str, Any] = response.json()["error"]
    return (
        400 <= response.status_code < 500
        and bool(error["message"])
        and error.get("code", "not_served") in CODES
    )


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@QUICK
@given(body=OBJECTS)
async def test_an_object(
    edge: Edge, method: str, path: str, body: dict[str, Any]
) -> None:
    """Of fields that there are, with anything in them."""
    response = await edge.http.request(
        method, address(path), json=body, headers=key_for(path)
    )

    assert is_told(response), response.text


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@QUICK
@given(data=st.data())
async def test_a_good_body_with_one_thing_wrong(
    edge: Edge, method: str, path: str, data: st.DataObject
) -> None:
    """What is read further than the first fault, and then is not as expected."""
    body = data.draw(with_one_thing_wrong(path))

    response = await edge.http.request(
        method, address(path), json=body, headers=key_for(path)
    )

    assert is_told(response), response.text


@pytest.mark.parametrize(("method", "path"), WITH_BODY)
@QUICK
@given(value=VALUES, spoilt=st.binary(max_size=4), at=st.integers(0, 40))
async def test_anything_else(
    edge: Edge, method: str, path: str, value: Any, spoilt: bytes, at: int
) -> None:
    """JSON that is no object, and what is no JSON."""
    written = json.dumps(value).encode()
    sent = written[:at] + spoilt + written[at:]

    response = await edge.http.request(
        method, address(path), content=sent, headers=key_for(path)
    )

    assert is_told(response), response.text


@pytest.mark.parametrize(("method", "path"), WITHOUT_BODY)
@QUICK
@given(
    parts=st.fixed_dictionaries(dict.fromkeys(IN_PATHS, st.text(max_size=6))),
    query=st.dictionaries(
        st.sampled_from(["offset", "limit", "organization", "project"]),
        st.text(max_size=6),
    ),
    etags=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8),
)
async def test_any_address_and_head(
    edge: Edge,
    method: str,
    path: str,
    parts: dict[str, str],
    query: dict[str, str],
    etags: str,
) -> None:
    """Any words in the path, the query and the conditions."""
    response = await edge.http.request(
        method,
        address(path, **parts),
        params=query,
        headers={**key_for(path), "if-match": etags, "if-none-match": etags},
    )

    assert is_told(response), response.text
