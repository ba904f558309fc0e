"""What a caller is told of a request that cannot be served."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fakes.services import KEY, MODEL, AnsweringExecutor

from .conftest import CHAT, Edge, start_edge, stop_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge() -> AsyncIterator[Edge]:
    """Give one edge for all: nothing that comes in may bring it down."""
    edge = await start_edge(AnsweringExecutor())
    yield edge
    await stop_edge(edge)


USER = {"role": "user", "content": "Hi"}
JSON = {"content-type": "application/json"}


def told(response: httpx.Response) -> tuple[int, str, str | None]:
    """Return the status, code and field of an error in OpenAI's shape."""
    error = response.json()["error"]
    assert error.keys() == {
        "message",
        "type",
        "param",
        "code",
        "trace_id",
        "attempts",
    }
    assert error["message"]
    assert error["trace_id"] == response.headers["x-holdfast-trace-id"]
    assert response.headers["x-should-retry"] == "false"
    return response.status_code, error["code"], error["param"]


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "ends too early"),
        (b'{"model": "m", "messages": [}', "byte 28"),
        (b'{"model": "m"} x', "byte 16"),
        (b"not json", "byte 4"),
        (b"\xef\xbb\xbf{}", "byte 0"),
        (b'{"x": "\xff", "model": "m", "messages": []}', "byte 7"),
        (b'{"model": "\xff", "messages": []}', "byte 11"),
        (b'{"model": "m", "messages": [{"role": "user", "content": "\xc3"}]}', "57"),
        (b'{"x": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"x": NaN}', "byte 6"),
    ],
)
async def test_names_where_json_is_broken(edge: Edge, body: bytes, offset: str) -> None:
    """What is no JSON in UTF-8 is refused, with the place where it breaks."""
    response = await edge.chat(json=None, content=body, headers=JSON)

    assert told(response) == (400, "invalid_json", None)
    assert offset in response.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
async def test_wants_an_object(edge: Edge, body: bytes) -> None:
    """JSON that is no object is refused."""
    response = await edge.chat(json=None, content=body, headers=JSON)

    assert told(response) == (400, "invalid_request", "body")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"model": None}, "model"),
        ({"model": ...}, "model"),
        ({"model": ""}, "model"),
        ({"model": "  "}, "model"),
        ({"model": 7}, "model"),
        ({"model": ["a", "b"]}, "model"),
        ({"messages": ...}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [None]}, "messages[0]"),
        ({"messages": [USER, {"content": "Hi"}]}, "messages[1].role"),
        ({"messages": [{"role": 1}]}, "messages[0].role"),
        ({"messages": [{"role": None}]}, "messages[0].role"),
        ({"stream": "true"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream_options": True}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"max_tokens": "10"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": []}, "max_completion_tokens"),
        ({"n": "1"}, "n"),
        ({"tools": {}}, "tools"),
        ({"tools": ["t"]}, "tools[0]"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": 1}}, "response_format.type"),
        ({"prompt_cache_key": 1}, "prompt_cache_key"),
    ],
)
async def test_names_the_field_that_is_wrong(
    edge: Edge, changed: dict[str, Any], field: str
) -> None:
    """A missing field or one of the wrong type is refused by its name."""
    body = {
        name: value for name, value in {**CHAT, **changed}.items() if value is not ...
    }

    response = await edge.chat(json=body)

    assert told(response) == (400, "invalid_request", field)
    assert f"`{field}`" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "changed",
    [
        {"max_tokens": 10**30},
        {"max_tokens": -(10**30)},
        {"n": 10**30},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": [7, "image_url", None]}]},
        {"messages": [{"role": "user", "content": [{"type": ["image_url"]}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "wizard"}]},
        {"temperature": "hot"},
        {"tools": []},
        {"model": MODEL, "prompt_cache_key": "k" * 5000},
    ],
)
async def test_leaves_to_the_provider_what_it_does_not_act_upon(
    edge: Edge, changed: dict[str, Any]
) -> None:
    """What only a provider can judge is carried to it, however odd."""
    response = await edge.chat(json={**CHAT, **changed})

    assert response.status_code == 200
    assert json.loads(edge.executor.asked[-1].body) == {**CHAT, **changed}


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"content-type": "text/plain"}, "content-type"),
        ({"content-type": "application/x-www-form-urlencoded"}, "content-type"),
        ({"content-type": "application/json; charset=latin-1"}, "content-type"),
        ({"content-type": "multipart/form-data; boundary=x"}, "content-type"),
        ({**JSON, "content-encoding": "gzip"}, "content-encoding"),
        ({**JSON, "content-encoding": "deflate"}, "content-encoding"),
    ],
)
async def test_refuses_what_says_it_is_no_json(
    edge: Edge, headers: dict[str, str], field: str
) -> None:
    """A media type or encoding that is not taken is a 415 that names the header."""
    response = await edge.chat(
        json=None, content=json.dumps(CHAT).encode(), headers=headers
    )

    assert told(response) == (415, "not_served", field)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/vnd.api+json",
        "",
    ],
)
async def test_takes_json_by_any_of_its_names(edge: Edge, content_type: str) -> None:
    """JSON is JSON with a charset, with a vendor's name, and without a name."""
    response = await edge.chat(
        json=None,
        content=json.dumps(CHAT).encode(),
        headers={"content-type": content_type} if content_type else {},
    )

    assert response.status_code == 200


async def test_takes_a_body_without_a_content_type(edge: Edge) -> None:
    """Who says nothing of the body's type is taken to send JSON."""
    request = edge.http.build_request(
        "POST", "/v1/chat/completions", content=json.dumps(CHAT).encode()
    )
    assert "content-type" not in request.headers

    response = await edge.http.send(request)

    assert response.status_code == 200


async def test_hints_at_the_name_that_was_meant(edge: Edge) -> None:
    """An unknown model is a 404 that passes the resolver's hint on."""
    response = await edge.chat(json={**CHAT, "model": "claude-sonet-4-5"})

    assert told(response) == (404, "model_not_found", "model")
    assert MODEL in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer -"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": "", "x-api-key": ""},
        {"authorization": "Bearer unknown"},
        {"x-api-key": "unknown"},
        {"x-opper-api-key": "unknown", "x-api-key": KEY},
    ],
)
async def test_wants_a_key_that_is_known(edge: Edge, headers: dict[str, str]) -> None:
    """No key, a blank one and an unknown one are a 401."""
    response = await edge.chat(headers=headers)

    assert told(response) == (401, "invalid_api_key", None)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-opper-api-key": KEY, "authorization": "Bearer -"},
        {"x-opper-api-key": KEY, "x-api-key": "other", "authorization": "Bearer o"},
        {"x-api-key": KEY, "authorization": "Bearer other"},
        {"x-api-key": "-", "authorization": f"bearer   {KEY}"},
        {"x-opper-api-key": "", "authorization": f"Bearer {KEY}"},
    ],
)
async def test_finds_the_key_where_it_is(edge: Edge, headers: dict[str, str]) -> None:
    """Of several keys the most particular header wins; a dash is none."""
    response = await edge.chat(headers=headers)

    assert response.status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "x-api-key",
        "x-opper-api-key",
        "x-holdfast-session",
        "x-session-id",
        "x-session-affinity",
        "x-opper-trace-id",
        "session_id",
        "x-request-timeout",
        "content-type",
    ],
)
async def test_refuses_a_header_that_contradicts_itself(edge: Edge, name: str) -> None:
    """Two values for one header leave open which is meant."""
    response = await edge.http.post(
        "/v1/chat/completions",
        content=json.dumps(CHAT).encode(),
        headers=[(name, "1"), (name, "2")],
    )

    assert told(response) == (400, "invalid_request", name)


async def test_takes_a_header_that_repeats_itself(edge: Edge) -> None:
    """The same value twice leaves nothing open."""
    response = await edge.chat(
        headers=[("x-session-id", "s"), ("x-session-id", "s"), ("x-other", "1")]
    )

    assert response.status_code == 200
    assert edge.resolver.asked[-1].session_id == "s"


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf", "1e400", "1_0"])
async def test_wants_a_timeout_that_is_one(edge: Edge, seconds: str) -> None:
    """A timeout that is no positive number is refused by its header's name."""
    response = await edge.chat(headers={"x-request-timeout": seconds})

    assert told(response) == (400, "invalid_request", "x-request-timeout")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completion"),
        ("POST", "/v1/chat/completions/"),
        ("GET", "/"),
        ("GET", "/v1/%FF%00"),
        ("POST", "/v2/models/alias"),
    ],
)
async def test_says_what_is_served_instead(edge: Edge, method: str, path: str) -> None:
    """A path that is not served is a 404 that says where those are that are."""
    response = await edge.http.request(method, path)

    assert told(response) == (404, "not_served", None)
    assert "/docs" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v2/model/aliases", "/v2/models/aliases"),
        ("/v1/embedding", "/v1/embeddings"),
    ],
)
async def test_names_paths_that_are_near(edge: Edge, path: str, near: str) -> None:
    """Who mistypes a path, or forgets the base, finds it in the refusal."""
    response = await edge.http.post(path, json={})

    assert near in response.json()["error"]["message"].replace(",", "").split()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET, HEAD"),
        ("OPTIONS", "/compat/openai/chat/completions", "POST"),
        ("PUT", "/v2/explain", "POST"),
    ],
)
async def test_names_the_methods_that_are_served(
    edge: Edge, method: str, path: str, allow: str
) -> None:
    """A method that is not served is a 405 that says which are."""
    response = await edge.http.request(method, path)

    assert told(response) == (405, "not_served", None)
    assert response.headers["allow"] == allow
