"""What cannot be served is refused by name, and the services stay up."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fakes.gateway import KEY, Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

CHAT: dict[str, Any] = {
    "model": "gpt-oss-120b",
    "messages": [{"role": "user", "content": "Hello"}],
}
PATH = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
KEYED = {**JSON, "x-api-key": KEY}


@pytest.fixture(scope="module")
def client(
    shared_sim: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Give a client of one gateway for all: nothing may bring it down."""
    config = configuration(
        shared_sim,
        {
            "gpt-oss-120b": [{"provider": "openai"}],
            "claude-sonnet-4-5": [{"provider": "anthropic"}],
        },
        dialects={"anthropic": "anthropic-messages"},
    )
    folder = tmp_path_factory.mktemp("bad-input")
    with (
        Gateway(config, folder) as gateway,
        httpx.Client(base_url=gateway.base_url, timeout=30) as client,
    ):
        yield client
        assert gateway.process is not None
        assert gateway.process.poll() is None


@pytest.fixture(autouse=True)
def alive(client: httpx.Client) -> Iterator[None]:
    """See that a good request is answered after each bad one."""
    yield
    answer = client.post(PATH, json=CHAT, headers=KEYED)
    assert answer.status_code == 200, answer.text


def told(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Return the status, code and field of an error in OpenAI's shape."""
    error = answer.json()["error"]
    assert error.keys() == {
        *("message", "type", "param", "code", "trace_id", "attempts")
    }
    assert error["message"]
    return answer.status_code, error["code"], error["param"]


class TestBodies:
    """What is no chat request."""

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            (b"", (400, "invalid_json", None)),
            (b'{"model": "gpt-oss-120b", "messages": [', (400, "invalid_json", None)),
            (
                b'{"model": "m", "messages": [{"role": "user"}], "user": "\xff"}',
                (400, "invalid_json", None),
            ),
            (b"[1, 2]", (400, "invalid_request", "body")),
            (b'"text"', (400, "invalid_request", "body")),
            (b'{"messages": []}', (400, "invalid_request", "model")),
            (b'{"model": "gpt-oss-120b"}', (400, "invalid_request", "messages")),
            (
                b'{"model": "gpt-oss-120b", "messages": "Hello"}',
                (400, "invalid_request", "messages"),
            ),
            (
                b'{"model": "gpt-oss-120b", "messages": [7]}',
                (400, "invalid_request", "messages[0]"),
            ),
        ],
        ids=[
            *("empty", "broken", "no-utf-8", "list", "text", "no-model"),
            *("no-messages", "messages-text", "message-number"),
        ],
    )
    def test_says_what_is_wrong_and_where(
        self, client: httpx.Client, body: bytes, expected: tuple[int, str, str | None]
    ) -> None:
        """A 400 with the field at fault."""
        answer = client.post(PATH, content=body, headers=KEYED)

        assert told(answer) == expected

    def test_a_body_of_50_mb_is_too_large(self, client: httpx.Client) -> None:
        """The client, which sends all of it first, finds the refusal."""
        body = json.dumps({**CHAT, "padding": "x" * 50_000_000})

        answer = client.post(PATH, content=body, headers=KEYED)

        assert told(answer) == (413, "request_too_large", None)

    @pytest.mark.parametrize(
        "media_type", ["text/plain", "multipart/form-data; boundary=x", "image/png"]
    )
    def test_only_json_is_read(self, client: httpx.Client, media_type: str) -> None:
        """Whatever else a body says it is, is refused by the header's name."""
        answer = client.post(
            PATH,
            content=json.dumps(CHAT),
            headers={"x-api-key": KEY, "content-type": media_type},
        )

        assert told(answer) == (415, "not_served", "content-type")

    def test_what_only_translation_finds_is_told_by_its_place(
        self, client: httpx.Client
    ) -> None:
        """The edge lets it pass, and no provider is to see it."""
        wrong = {"role": "user", "content": [{"type": "text", "text": 7}]}

        answer = client.post(
            PATH,
            json={"model": "claude-sonnet-4-5", "messages": [wrong]},
            headers=KEYED,
        )

        assert told(answer) == (400, "invalid_request", "messages[0].content[0].text")


class TestHeads:
    """What is wrong before the body."""

    @pytest.mark.parametrize(
        "headers",
        [JSON, {**JSON, "x-api-key": "hf-nobodys"}, {**JSON, "x-api-key": "-"}],
        ids=["none", "unknown", "blank"],
    )
    def test_a_key_that_is_none_is_a_401(
        self, client: httpx.Client, headers: dict[str, str]
    ) -> None:
        """Whether it is missing or unknown."""
        answer = client.post(PATH, json=CHAT, headers=headers)

        assert told(answer) == (401, "invalid_api_key", None)

    @pytest.mark.parametrize(
        ("name", "near"),
        [("gpt-oss-12b", "gpt-oss-120b"), ("claude-sonnet-4.6", "claude-sonnet-4-5")],
    )
    def test_an_unknown_model_is_a_404_with_a_name_that_is_near(
        self, client: httpx.Client, name: str, near: str
    ) -> None:
        """Most of them are typing errors."""
        answer = client.post(PATH, json={**CHAT, "model": name}, headers=KEYED)

        assert told(answer) == (404, "model_not_found", "model")
        assert near in answer.json()["error"]["message"]

    def test_a_header_that_contradicts_itself_is_refused(
        self, client: httpx.Client
    ) -> None:
        """Which of two keys is meant would be a guess."""
        headers = [*JSON.items(), ("x-api-key", KEY), ("x-api-key", "hf-other")]

        answer = client.post(PATH, json=CHAT, headers=headers)

        assert told(answer) == (400, "invalid_request", "x-api-key")

    @pytest.mark.parametrize("told_time", ["soon", "-1", "0", "nan"])
    def test_a_time_that_is_none_is_refused(
        self, client: httpx.Client, told_time: str
    ) -> None:
        """Better than to wait for ever, or not at all."""
        headers = {**KEYED, "x-request-timeout": told_time}

        answer = client.post(PATH, json=CHAT, headers=headers)

        assert told(answer) == (400, "invalid_request", "x-request-timeout")

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", PATH, 405), ("DELETE", "/v1/models", 405), ("POST", "/v1/nope", 404)],
    )
    def test_what_is_not_served_says_what_is(
        self, client: httpx.Client, method: str, path: str, status: int
    ) -> None:
        """Paths and methods, in the same shape as every error."""
        answer = client.request(method, path, headers=KEYED)

        assert told(answer) == (status, "not_served", None)


class TestSockets:
    """What no HTTP client would send."""

    @pytest.mark.parametrize(
        "sent",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / SMTP/9\r\n\r\n",
            b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
            b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ],
        ids=["tls", "other-protocol", "length-words", "two-lengths", "no-chunk"],
    )
    def test_what_is_no_http_gets_a_400(
        self, client: httpx.Client, sent: bytes
    ) -> None:
        """In OpenAI's shape, and the connection is closed."""
        head, _, body = exchange(client, sent).partition(b"\r\n\r\n")

        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["error"]["code"] == "invalid_request"

    def test_a_caller_that_leaves_within_its_body_is_forgotten(
        self, client: httpx.Client
    ) -> None:
        """Half a request is none."""
        received = exchange(
            client,
            f"POST {PATH} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n"
            'content-length: 100\r\n\r\n{"model'.encode(),
        )

        assert received == b""


def exchange(client: httpx.Client, sent: bytes) -> bytes:
    """Send bytes, say that there are no more, and return all that comes back."""
    received = b""
    with socket.create_connection(
        (client.base_url.host, client.base_url.port or 80), timeout=10
    ) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while block := connection.recv(65536):
            received += block
    return received


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal"])},
    optional={
        "text": st.text(max_size=8) | VALUES,
        "image_url": st.fixed_dictionaries({"url": st.text(max_size=8) | VALUES})
        | VALUES,
        "file": VALUES,
    },
)
CALLS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=8) | VALUES,
        "type": st.just("function") | VALUES,
        "function": st.fixed_dictionaries(
            {}, optional={"name": VALUES, "arguments": st.just("{}") | VALUES}
        )
        | VALUES,
    },
)
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(
            ["system", "developer", "user", "assistant", "tool", "function", "nobody"]
        )
    },
    optional={
        "content": st.text(max_size=8) | st.lists(PARTS | VALUES, max_size=3) | VALUES,
        "tool_calls": st.lists(CALLS | VALUES, max_size=2) | VALUES,
        "tool_call_id": st.text(max_size=8) | VALUES,
        "name": VALUES,
    },
)
REQUESTS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["gpt-oss-120b", "claude-sonnet-4-5"]),
        "messages": st.lists(MESSAGES | VALUES, max_size=4) | VALUES,
    },
    optional={
        "tools": st.lists(VALUES, max_size=2) | VALUES,
        "tool_choice": st.sampled_from(["auto", "required", "none"]) | VALUES,
        "response_format": st.fixed_dictionaries({"type": VALUES}) | VALUES,
        "stop": VALUES,
        "stream": st.booleans() | VALUES,
        "stream_options": VALUES,
        "max_tokens": VALUES,
        "temperature": VALUES,
        "n": VALUES,
        "reasoning_effort": VALUES,
        "prompt_cache_key": VALUES,
        "metadata": VALUES,
        "user": VALUES,
        "thinking": VALUES,
        "unheard_of": VALUES,
    },
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example({**CHAT, "max_tokens": -1000})
@example({**CHAT, "max_tokens": 10**18})
@example({**CHAT, "n": 10**6})
@example({"model": "\ud800", "messages": [{"role": "user", "content": "\ud800"}]})
@given(request=REQUESTS | VALUES)
def test_whatever_the_json_says_it_is_no_fault_of_the_gateways(
    client: httpx.Client, request: Any
) -> None:
    """Any JSON is either answered or refused as the caller's."""
    body = json.dumps(request).encode()

    answer = client.post(PATH, content=body, headers=KEYED)

    assert answer.status_code < 500, (answer.text, body)
    if answer.status_code != 200:
        told(answer)
