"""A conversation with tools that moves from one wire format to another and back.

For each two dialects there are two deployments of their own. A conversation
begins with the first, is moved to the second by failures, and back by one more:
each is handed the other's calls, thoughts and ids. The simulated providers are as
strict about those as real ones, and what they were sent is judged once more by
AWS's service model and Google's types.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fakes.aws_model import faults_of
from fakes.chat_requests import PIXEL, WEATHER
from fakes.every_dialect import MODELS, joined
from fakes.gateway import Gateway, configuration
from fakes.google_types import assert_google_accepts
from fakes.provider import SimulatedProviders

pytestmark = pytest.mark.system

PAIRS = list(itertools.combinations(MODELS, 2))
IDS = [f"{one}-and-{other}" for one, other in PAIRS]

_CREDENTIALS = {
    "bedrock-converse": {"access_key_id": "demo", "secret_access_key": "demo"},
    "bedrock-invoke": {"access_key_id": "demo", "secret_access_key": "demo"},
}
_AUTHS = {"anthropic-vertex": "x-goog-api-key"}
"""Where the usual way needs an issuer of tokens, who is no part of this."""


def place(pair: int, dialect: str) -> tuple[str, str]:
    """Name the provider and the deployment of a dialect in a pair."""
    provider = f"p{pair}-{dialect}"
    return provider, f"{provider}/{MODELS[dialect][0]}"


def configured(sim: SimulatedProviders) -> dict[str, Any]:
    models: dict[str, list[dict[str, Any]]] = {}
    dialects: dict[str, str] = {}
    aliases = []
    for number, pair in enumerate(PAIRS):
        for dialect in pair:
            provider, deployment = place(number, dialect)
            dialects[provider] = dialect
            models.setdefault(MODELS[dialect][0], []).append(
                {
                    "id": deployment,
                    "provider": provider,
                    "provider_model": MODELS[dialect][1],
                    "region": "eu-central-1",
                    "max_output_tokens": 64_000,
                }
            )
        members = [place(number, dialect)[1] for dialect in pair]
        aliases.append({"name": IDS[number], "fallback_models": members})
    config = configuration(sim, models, dialects=dialects)
    for provider, dialect in dialects.items():
        said = config["providers"][provider]
        said["credential"] = _CREDENTIALS.get(dialect, said["credential"])
        if dialect in _AUTHS:
            said["auth"] = _AUTHS[dialect]
    config["organizations"][0]["aliases"] = aliases
    return config


@pytest.fixture(scope="module")
def client(
    shared_sim: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[openai.OpenAI]:
    """Give OpenAI's client of a gateway in front of them all."""
    folder = tmp_path_factory.mktemp("moving")
    with Gateway(configured(shared_sim), folder) as gateway:
        yield gateway.openai()


class Talk:
    """One conversation, as an application has it: it hands back what it was given."""

    def __init__(self, client: openai.OpenAI, model: str, *, stream: bool) -> None:
        self._client = client
        self._model = model
        self._stream = stream
        self.messages: list[Any] = [{"role": "system", "content": "Be brief."}]

    def say(self, *content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Say something to the model; return who answers and what."""
        self.messages.append({"role": "user", "content": list(content)})
        return self._ask()

    def result(self) -> tuple[str, dict[str, Any]]:
        """Give the results of the calls that the last message makes."""
        self.messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": '{"sky": "clear"}'}
            for call in self.messages[-1]["tool_calls"]
        ]
        return self._ask()

    def _ask(self) -> tuple[str, dict[str, Any]]:
        answer = self._client.chat.completions.with_raw_response.create(
            model=self._model,
            messages=self.messages,
            tools=[WEATHER],
            reasoning_effort="high",
            stream=self._stream,
            extra_headers={"x-holdfast-session": f"{self._model}-{self._stream}"},
        )
        parsed: Any = answer.parse()
        if self._stream:
            chunks = [chunk.model_dump(exclude_unset=True) for chunk in parsed]
            for chunk in chunks:
                ChatCompletionChunk.model_validate(chunk, strict=True)
            message, reason = joined(chunks)
        else:
            ChatCompletion.model_validate(parsed.model_dump(), strict=True)
            message = parsed.choices[0].message.model_dump(exclude_none=True)
            reason = parsed.choices[0].finish_reason
        assert reason == ("tool_calls" if message.get("tool_calls") else "stop")
        self.messages.append(message)
        return answer.headers["x-holdfast-deployment"], message


USE_IT = {"type": "text", "text": "Look at this, and use the tool."}
SEEN = {"type": "image_url", "image_url": {"url": PIXEL}}


def is_call(message: dict[str, Any]) -> bool:
    """Whether a message is one well-formed call of the tool."""
    [call] = message["tool_calls"]
    json.loads(call["function"]["arguments"])
    return bool(call["id"] and call["function"]["name"] == "weather")


def judge(body: dict[str, Any], path: str) -> None:
    """Have AWS and Google say whether they would have taken a request."""
    if "/converse" in path:
        operation = "ConverseStream" if path.endswith("stream") else "Converse"
        assert faults_of(operation, {"modelId": "m", **body}) == []
    elif "enerateContent" in path:
        assert_google_accepts(body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("number", range(len(PAIRS)), ids=IDS)
def test_a_conversation_moves_there_and_back(
    shared_sim: SimulatedProviders, client: openai.OpenAI, number: int, stream: bool
) -> None:
    """Called here, answered there; then called there and answered here."""
    (one, first), (other, second) = (place(number, each) for each in PAIRS[number])
    talk = Talk(client, IDS[number], stream=stream)
    shared_sim.forget()

    called_here = talk.say(USE_IT, SEEN)
    shared_sim.fail(one, "503", times=2)
    answered_there = talk.result()
    called_there = talk.say({"type": "text", "text": "Use the tool again."})
    answered_here = talk.result()
    told_here = talk.say({"type": "text", "text": "Thank you."})

    assert called_here[0] == first
    assert is_call(called_here[1])
    assert answered_there[0] == second
    assert answered_there[1]["content"].startswith(f"Hello from {other}.")
    assert called_there[0] == second
    assert is_call(called_there[1])
    assert answered_here[0] == told_here[0] == first
    assert answered_here[1]["content"].startswith(f"Hello from {one}.")
    received = shared_sim.received()
    assert len(received) == 7
    for each in received:
        judge(each.parsed, each.path)
