"""Structured output as applications ask for it: by OpenAI's SDK, of every dialect."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel, ConfigDict, Field

from fakes import event_stream
from fakes.coin_tossing_provider import CoinTossingProvider
from fakes.every_dialect import MODELS
from fakes.gateway import Gateway, configuration
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

HELLO = [{"role": "user", "content": "What will the weather be?"}]
PRICES = {"input": "3.00", "output": "15.00"}
REQUESTS = 60

_CREDENTIALS = {
    "bedrock-converse": {"access_key_id": "demo", "secret_access_key": "demo"},
    "bedrock-invoke": {"access_key_id": "demo", "secret_access_key": "demo"},
}
_AUTHS = {"anthropic-vertex": "x-goog-api-key"}
"""Where the usual way needs an issuer of tokens, who is no part of this."""


class Gust(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")
    speed: float = Field(ge=0)


class Forecast(BaseModel):
    """What an answer is parsed into."""

    model_config = ConfigDict(extra="forbid")
    place: str
    degrees: int
    gusts: list[Gust]
    note: str | None


FORECAST = {
    "type": "json_schema",
    "json_schema": {
        "name": "forecast",
        "schema": {
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "degrees": {"type": "integer"},
            },
            "required": ["place", "degrees"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def coin() -> Iterator[CoinTossingProvider]:
    """Give a provider whose answers fit half of the time."""
    with CoinTossingProvider(seed=8) as tossing:
        yield tossing


@pytest.fixture(scope="module")
def stubborn() -> Iterator[CoinTossingProvider]:
    """Give a provider whose answers never fit."""
    with CoinTossingProvider(seed=8, share=0.0) as tossing:
        yield tossing


@pytest.fixture(scope="module")
def gateway(
    shared_sim: SimulatedProviders,
    coin: CoinTossingProvider,
    stubborn: CoinTossingProvider,
    tmp_path_factory: pytest.TempPathFactory,
    separate: bool,
) -> Iterator[Gateway]:
    """Give a gateway in front of them, and of a simulated provider of each dialect."""
    models: dict[str, list[dict[str, Any]]] = {}
    for dialect, (_, provider_model) in MODELS.items():
        models[dialect] = [
            {
                "provider": f"p-{dialect}",
                "provider_model": provider_model,
                "region": "eu-central-1",
                "max_output_tokens": 64_000,
            }
        ]
    models["wordy"] = [{"provider": "p-wordy", "capabilities": ["tools"]}]
    models["coin"] = [
        {"id": f"{name}/coin", "provider": name, "pricing": PRICES}
        for name in ("coin-a", "coin-b")
    ]
    models["stubborn"] = [{"provider": "stubborn"}]
    dialects = {f"p-{dialect}": dialect for dialect in MODELS}
    config = configuration(shared_sim, models, dialects=dialects)
    for provider, said in config["providers"].items():
        dialect = dialects.get(provider, "")
        said["credential"] = _CREDENTIALS.get(dialect, said["credential"])
        if dialect in _AUTHS:
            said["auth"] = _AUTHS[dialect]
        if provider.startswith("coin"):
            said["base_uri"] = coin.base_uri
        if provider == "stubborn":
            said["base_uri"] = stubborn.base_uri
    members = ["stubborn", "anthropic-messages"]
    config["organizations"][0]["aliases"] = [
        {"name": "either", "fallback_models": members}
    ]
    folder = tmp_path_factory.mktemp("structured")
    with Gateway(config, folder, separate=separate) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> openai.OpenAI:
    """Give OpenAI's client."""
    return gateway.openai()


def parsed(client: openai.OpenAI, model: str, *, stream: bool) -> Any:
    """Ask as the SDK has it, and return what it parses."""
    if not stream:
        completion = client.chat.completions.parse(
            model=model, messages=HELLO, response_format=Forecast
        )
        return completion.choices[0].message.parsed
    with client.chat.completions.stream(
        model=model, messages=HELLO, response_format=Forecast
    ) as events:
        return events.get_final_completion().choices[0].message.parsed


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EVERYBODY = pytest.mark.parametrize("model", [*MODELS, "wordy"])


@BOTH
def test_of_answers_that_fit_half_of_the_time_all_that_is_delivered_fits(
    client: openai.OpenAI, coin: CoinTossingProvider, stream: bool
) -> None:
    """Six chances each, so about one in 64 fails, and says so."""
    made = len(coin.given)
    failed = 0
    for _ in range(REQUESTS):
        try:
            assert isinstance(parsed(client, "coin", stream=stream), Forecast)
        except openai.UnprocessableEntityError as error:
            failed += error.code == "structured_output_invalid"

    tosses = coin.given[made:]
    assert tosses.count(True) == REQUESTS - failed
    assert failed <= 4
    assert len(tosses) <= 6 * REQUESTS


def test_an_answers_cost_is_that_of_all_its_attempts(
    client: openai.OpenAI, coin: CoinTossingProvider
) -> None:
    """The caller is told what was spent, not what the last attempt took."""
    of_one = 1_000 * 3e-6 + 100 * 15e-6
    costs = []
    for _ in range(10):
        made = len(coin.given)
        completion = client.chat.completions.create(
            model="coin", messages=HELLO, response_format=FORECAST
        )
        usage = completion.usage
        assert usage is not None
        assert usage.model_extra is not None
        cost = usage.model_extra["cost"]
        assert cost == pytest.approx(of_one * (len(coin.given) - made))
        costs.append(cost)

    assert max(costs) > of_one


@BOTH
@EVERYBODY
def test_every_dialect_is_asked_for_a_schema(
    client: openai.OpenAI, model: str, stream: bool
) -> None:
    """Natively, by a tool or in words: the SDK parses what comes."""
    forecast = parsed(client, model, stream=stream)

    assert forecast.place == "example"


@EVERYBODY
def test_every_dialect_is_asked_for_an_object(
    client: openai.OpenAI, model: str
) -> None:
    """Whatever is in it."""
    completion = client.chat.completions.create(
        model=model, messages=HELLO, response_format={"type": "json_object"}
    )

    assert isinstance(json.loads(completion.choices[0].message.content or ""), dict)


@BOTH
@EVERYBODY
def test_every_dialect_is_asked_for_xml(
    gateway: Gateway, model: str, stream: bool
) -> None:
    """And for JSON by way of it."""
    xml = {"type": "xml", "xml": {"root": "forecast"}}
    by_way = json.loads(json.dumps(FORECAST))
    by_way["json_schema"]["via"] = "xml"

    written = said(gateway, model, xml, stream=stream)
    value = json.loads(said(gateway, model, by_way, stream=stream))

    assert written.startswith("<forecast>")
    assert written.endswith("</forecast>")
    assert value == {"place": "example", "degrees": 0}


@BOTH
def test_the_next_member_of_an_alias_is_asked_when_one_never_fits(
    client: openai.OpenAI,
    shared_sim: SimulatedProviders,
    stubborn: CoinTossingProvider,
    stream: bool,
) -> None:
    """In its own dialect, and with nothing of what the other said."""
    shared_sim.forget()
    made = len(stubborn.given)

    forecast = parsed(client, "either", stream=stream)

    assert isinstance(forecast, Forecast)
    assert len(stubborn.given) - made == 3
    (received,) = shared_sim.received("p-anthropic-messages")
    (turn,) = received.parsed["messages"]
    assert turn["role"] == "user"
    assert "weather" in json.dumps(turn)


@BOTH
def test_when_nobody_fits_the_error_says_where(gateway: Gateway, stream: bool) -> None:
    """Status, code, and places; nothing of what the model said."""
    answer = post(gateway, "stubborn", FORECAST, stream=stream)

    error = answer.json()["error"]
    assert answer.status_code == 422
    assert answer.headers["x-should-retry"] == "false"
    assert error["code"] == "structured_output_invalid"
    assert error["param"] == "response_format"
    assert len(error["attempts"]) == 3
    assert {each["outcome"] for each in error["attempts"]} == {"parse-failed"}
    assert error["validation_errors"]
    assert all(
        each.keys() == {"path", "keyword"} for each in error["validation_errors"]
    )
    assert "secret" not in answer.text
    assert "text" not in error


def test_an_early_stream_that_does_not_fit_ends_in_an_error_event(
    gateway: Gateway,
) -> None:
    """After what came, and without a word that it is whole."""
    answer = post(gateway, "stubborn", FORECAST, stream=True, stream_validation="end")

    *_, last = event_stream.events(answer.text)
    assert answer.status_code in {200, 422}
    if answer.status_code == 200:
        assert json.loads(last)["error"]["code"] == "structured_output_invalid"
        assert event_stream.DONE not in answer.text


def test_a_schema_that_is_none_is_the_callers_fault(gateway: Gateway) -> None:
    """400, with the field."""
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": 1}},
    }

    answer = post(gateway, "wordy", wanted)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "response_format.json_schema.schema"


def test_an_answer_that_is_cut_off_is_told_as_the_sdk_knows_it(
    client: openai.OpenAI,
) -> None:
    """With the caller's own limit, `length` says why."""
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="openai-chat",
            messages=HELLO,
            response_format=Forecast,
            max_tokens=2,
        )


async def test_the_asynchronous_client_parses_too(gateway: Gateway) -> None:
    """The same call, awaited."""
    async with gateway.async_openai() as client:
        completion = await client.chat.completions.parse(
            model="wordy", messages=HELLO, response_format=Forecast
        )

    assert isinstance(completion.choices[0].message.parsed, Forecast)


def post(
    gateway: Gateway,
    model: str,
    wanted: dict[str, Any],
    *,
    stream: bool = False,
    **more: Any,
) -> httpx.Response:
    request = {"model": model, "messages": HELLO, "response_format": wanted, **more}
    return gateway.http.post("/v1/chat/completions", json={**request, "stream": stream})


def said(gateway: Gateway, model: str, wanted: dict[str, Any], *, stream: bool) -> str:
    """Return the content of an answer, whole or put together."""
    answer = post(gateway, model, wanted, stream=stream)
    assert answer.status_code == 200, answer.text
    if not stream:
        content: str = answer.json()["choices"][0]["message"]["content"]
        return content
    *events, done = event_stream.events(answer.text)
    assert done == event_stream.DONE
    return "".join(
        choice["delta"].get("content") or ""
        for event in events
        for choice in json.loads(event)["choices"]
    )
