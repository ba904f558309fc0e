"""Models that keep to a form half of the time, whatever API it is asked for in.

Each answer that a caller gets fits, or the caller is told that none did. That goes for
faults that are switched on in simulated providers of two formats, one after the other.
"""

import json
import random
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from fakes import event_stream
from fakes.gateway import Gateway, configuration
from fakes.message_reader import MessageReader
from fakes.provider import SimulatedProviders
from fakes.response_reader import ResponseReader

pytestmark = pytest.mark.system

CALLS = 8
PARSE_RETRIES = 1
PLACES = {"coin-a": "openai-chat", "coin-b": "anthropic-messages"}
MOST_ATTEMPTS = len(PLACES) * (1 + PARSE_RETRIES)
SAID = "What will the weather be?"

SCHEMA = {
    "type": "object",
    "properties": {
        "place": {"type": "string"},
        "degrees": {"type": "integer"},
    },
    "required": ["place", "degrees"],
    "additionalProperties": False,
}
XML = {"type": "xml", "xml": {"root": "forecast"}}


@dataclass(frozen=True, slots=True)
class Api:
    """How an API asks for a form, and is read.

    Attributes:
        asked: What a request has beside its form.
        placed: Puts a form of Chat Completions where the API has it.
        field: What an error calls it.
        text: Reads the text of a whole answer.
        streamed: Reads the text of a streamed one.
    """

    path: str
    asked: Mapping[str, Any]
    placed: Callable[[dict[str, Any]], dict[str, Any]]
    field: str
    text: Callable[[Any], str]
    streamed: Callable[[bytes], str]


def _chat_streamed(stream: bytes) -> str:
    *events, done = event_stream.events(stream.decode())
    assert done == event_stream.DONE
    return "".join(
        choice["delta"].get("content") or ""
        for event in events
        for choice in json.loads(event)["choices"]
    )


def _message_streamed(stream: bytes) -> str:
    reader = MessageReader()
    reader.read(stream)
    assert reader.is_whole
    return _message(reader.message)


def _response_streamed(stream: bytes) -> str:
    reader = ResponseReader()
    reader.read(stream)
    assert reader.last is not None
    return _response(reader.last)


def _message(message: Any) -> str:
    return "".join(block.get("text", "") for block in message["content"])


def _response(response: Any) -> str:
    assert response["status"] == "completed"
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    )


def _in_text(form: dict[str, Any]) -> dict[str, Any]:
    named = form.pop("json_schema", {})
    return {"text": {"format": form | named}}


APIS = {
    "chat": Api(
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": SAID}]},
        lambda form: {"response_format": form},
        "response_format",
        lambda answer: str(answer["choices"][0]["message"]["content"]),
        _chat_streamed,
    ),
    "messages": Api(
        "/v1/messages",
        {"messages": [{"role": "user", "content": SAID}], "max_tokens": 500},
        lambda form: {"output_config": _in_text(form)["text"]},
        "output_config.format",
        _message,
        _message_streamed,
    ),
    "responses": Api(
        "/v1/responses",
        {"input": SAID},
        _in_text,
        "text.format",
        _response,
        _response_streamed,
    ),
}


def _schema_fits(text: str) -> bool:
    value = json.loads(text)
    return isinstance(value, dict) and value == {"place": "example", "degrees": 0}


FORMS: dict[str, tuple[dict[str, Any], Callable[[str], bool]]] = {
    "json_schema": (
        {"type": "json_schema", "json_schema": {"name": "f", "schema": SCHEMA}},
        _schema_fits,
    ),
    "json_object": (
        {"type": "json_object"},
        lambda text: isinstance(json.loads(text), dict),
    ),
    "xml": (XML, lambda text: ET.fromstring(text).tag == "forecast"),
}

ASKED = [(api, form) for api in APIS for form in FORMS]


@pytest.fixture(scope="module")
def luck() -> random.Random:
    """Give what chance is drawn from."""
    return random.Random()


@pytest.fixture(scope="module")
def coin(luck: random.Random) -> Iterator[SimulatedProviders]:
    """Give providers that it decides over."""
    with SimulatedProviders(chance=luck.random) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def gateway(
    coin: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory, separate: bool
) -> Iterator[Gateway]:
    """Give a gateway in front of a model that two providers have."""
    deployments = [
        {"id": f"{provider}/m", "provider": provider, "provider_model": model}
        for provider, model in zip(PLACES, ("m", "claude-sonnet-4-5"), strict=True)
    ]
    config = configuration(
        coin,
        {"m": deployments},
        dialects=PLACES,
        defaults={"parse_retries": PARSE_RETRIES},
    )
    folder = tmp_path_factory.mktemp("unfit")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture(autouse=True)
def _alike(coin: SimulatedProviders, luck: random.Random) -> None:
    """Begin each test with nothing wrong, and with the same luck."""
    coin.recover()
    luck.seed(8)


def _ask(gateway: Gateway, api: Api, form: str, *, stream: bool) -> httpx.Response:
    wanted = json.loads(json.dumps(FORMS[form][0]))
    body = {"model": "m", **api.asked, **api.placed(wanted), "stream": stream}
    return gateway.http.post(api.path, json=body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("name", "form"), ASKED)
def test_what_is_delivered_fits_or_the_caller_is_told(
    gateway: Gateway, coin: SimulatedProviders, name: str, form: str, stream: bool
) -> None:
    """Four chances each, so about one in 16 fails; the trace has every attempt."""
    api, fits = APIS[name], FORMS[form][1]
    coin.fail("coin-a", "misfit", share=0.5)
    coin.fail("coin-b", "broken", share=0.5)
    refused = attempts = 0
    for _ in range(CALLS):
        answer = _ask(gateway, api, form, stream=stream)
        attempts += _attempts(gateway, answer)
        if answer.status_code == 422:
            refused += 1
            error = answer.json()["error"]
            assert error["code"] == "structured_output_invalid"
            assert error["param"] == api.field
            assert error["validation_errors"]
            continue
        assert answer.status_code == 200, answer.text
        text = api.streamed(answer.content) if stream else api.text(answer.json())
        assert fits(text), text

    assert refused < CALLS / 2
    assert attempts > CALLS
    assert _nobody_rests(gateway)


@pytest.mark.parametrize("fault", ["fenced", "prose"])
@pytest.mark.parametrize(("name", "form"), ASKED)
def test_what_stands_around_an_answer_is_left_out(
    gateway: Gateway, coin: SimulatedProviders, name: str, form: str, fault: str
) -> None:
    """Nobody is asked again for it."""
    api = APIS[name]
    for provider in PLACES:
        coin.fail(provider, fault)

    answer = _ask(gateway, api, form, stream=False)

    assert FORMS[form][1](api.text(answer.json()))
    assert _attempts(gateway, answer) == 1


@pytest.mark.parametrize("fault", ["broken", "misfit"])
@pytest.mark.parametrize(("name", "form"), ASKED)
def test_where_nobody_ever_fits_every_attempt_is_told(
    gateway: Gateway, coin: SimulatedProviders, name: str, form: str, fault: str
) -> None:
    """As many as `parse_retries` says of each, and nobody is thought ill of for it."""
    api = APIS[name]
    for provider in PLACES:
        coin.fail(provider, fault)

    answer = _ask(gateway, api, form, stream=False)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (422, api.field)
    assert [each["outcome"] for each in error["attempts"]] == [
        "parse-failed"
    ] * MOST_ATTEMPTS
    assert _attempts(gateway, answer) == MOST_ATTEMPTS
    assert _nobody_rests(gateway)


def _attempts(gateway: Gateway, answer: httpx.Response) -> int:
    """Count the attempts on the trace: all but one that answers failed to fit."""
    shown = gateway.http.get(f"/v2/traces/{answer.headers['x-holdfast-trace-id']}")
    _, *attempts = shown.json()["spans"]
    outcomes = [
        span["meta"]["outcome"]
        for span in sorted(attempts, key=lambda span: span["meta"]["attempt"])
    ]
    unfit = len(outcomes) - (answer.status_code == httpx.codes.OK)
    assert outcomes[:unfit] == ["parse-failed"] * unfit
    assert outcomes[unfit:] in ([], ["succeeded"])
    assert len(outcomes) <= MOST_ATTEMPTS
    return len(outcomes)


def _nobody_rests(gateway: Gateway) -> bool:
    explained = gateway.http.post("/v2/explain", json={"model": "m"}).json()
    steps = explained["steps"]
    return len(steps) == len(PLACES) and not any(
        step["cooldown_seconds"] for step in steps
    )
