"""What simulated providers answer, as the vendors' own clients read it."""

import json
from typing import Any

import anthropic
import httpx
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from fakes.demo_calls import HI, MODEL, chunks
from fakes.provider import SimulatedProviders
from holdfast_cli.demo.prompt_cache import LIFE_SECONDS, PromptCache

WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 3},
        "days": {"type": "integer", "minimum": 2},
        "unit": {"enum": ["C", "F"]},
        "note": {"type": "string"},
    },
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}
FITTING = {"city": "example", "days": 2, "unit": "C"}


class TestOpenAI:
    def test_the_answer_says_who_answered(self, gpt: openai.OpenAI) -> None:
        """Provider and region are in the text, the model is the one asked for."""
        answer = gpt.chat.completions.create(model=MODEL, messages=HI)

        assert answer.choices[0].message.content is not None
        assert answer.choices[0].message.content.startswith(
            "Hello from aws (eu-north-1)."
        )
        assert (answer.model, answer.choices[0].finish_reason) == (MODEL, "stop")
        ChatCompletion.model_validate(answer.model_dump(), strict=True)

    def test_a_stream_says_the_same(self, gpt: openai.OpenAI) -> None:
        """A stream is the whole answer in valid pieces."""
        whole = gpt.chat.completions.create(model=MODEL, messages=HI)
        stream = chunks(gpt, stream_options={"include_usage": True})

        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
        assert text == whole.choices[0].message.content
        assert stream[-1].choices == []
        assert stream[-1].usage is not None
        for chunk in stream:
            ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)

    def test_several_answers_and_logprobs(self, gpt: openai.OpenAI) -> None:
        """`n` and `logprobs` are answered in both forms."""
        answer = gpt.chat.completions.create(
            model=MODEL, messages=HI, n=2, logprobs=True
        )
        stream = chunks(gpt, n=2, logprobs=True)

        assert [choice.index for choice in answer.choices] == [0, 1]
        assert answer.choices[0].logprobs is not None
        assert {c.choices[0].index for c in stream} == {0, 1}
        assert any(c.choices[0].logprobs for c in stream)

    @pytest.mark.parametrize(
        ("words", "choice"),
        [("use a tool please", "auto"), ("hi", "required")],
    )
    def test_a_tool_is_called(
        self, gpt: openai.OpenAI, words: str, choice: Any
    ) -> None:
        """A tool is called with arguments that fit when one asks for it."""
        tools: Any = [
            {
                "type": "function",
                "function": {"name": "weather", "parameters": WEATHER_SCHEMA},
            }
        ]
        messages: Any = [{"role": "user", "content": words}]
        asked: Any = {
            "model": MODEL,
            "messages": messages,
            "tools": tools,
            "tool_choice": choice,
        }
        answer = gpt.chat.completions.create(**asked)
        with gpt.chat.completions.create(**asked, stream=True) as stream:
            deltas = [c.choices[0].delta for c in stream]

        assert answer.choices[0].finish_reason == "tool_calls"
        (call,) = answer.choices[0].message.tool_calls or ()
        assert call.type == "function"
        assert call.function.name == "weather"
        assert json.loads(call.function.arguments) == FITTING
        streamed = "".join(
            part.function.arguments or ""
            for delta in deltas
            for part in delta.tool_calls or ()
            if part.function
        )
        assert json.loads(streamed) == FITTING

    def test_structured_output_fits(self, gpt: openai.OpenAI) -> None:
        """A schema gets an instance, and JSON mode gets an object."""
        fitting = gpt.chat.completions.create(
            model=MODEL,
            messages=HI,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "w", "schema": WEATHER_SCHEMA},
            },
        )
        free = gpt.chat.completions.create(
            model=MODEL, messages=HI, response_format={"type": "json_object"}
        )

        assert json.loads(fitting.choices[0].message.content or "") == FITTING
        assert isinstance(json.loads(free.choices[0].message.content or ""), dict)

    def test_max_tokens_cuts_short(self, gpt: openai.OpenAI) -> None:
        """An answer is no longer than it may be, and says that it was cut."""
        answer = gpt.chat.completions.create(model=MODEL, messages=HI, max_tokens=2)

        assert answer.choices[0].message.content == "Hello from"
        assert answer.choices[0].finish_reason == "length"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"messages": "hi"}', b"{}"])
    def test_a_malformed_request_is_refused(
        self, sim: SimulatedProviders, body: bytes
    ) -> None:
        """What no provider takes, the simulated ones do not take either."""
        uri = f"{sim.base_uri('aws')}/chat/completions"
        response = httpx.post(uri, content=body)

        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"

    def test_models_are_those_asked_for(self, gpt: openai.OpenAI) -> None:
        """The list has what the provider has been called with."""
        gpt.chat.completions.create(model=MODEL, messages=HI)

        assert [model.id for model in gpt.models.list()] == [MODEL]


class TestAnthropic:
    def test_the_answer_says_who_answered(self, claude: anthropic.Anthropic) -> None:
        """The same words as in the other format, in Anthropic's own."""
        answer = claude.messages.create(model=MODEL, messages=HI, max_tokens=100)

        assert answer.content[0].type == "text"
        assert answer.content[0].text.startswith("Hello from anthropic.")
        assert (answer.model, answer.stop_reason) == (MODEL, "end_turn")

    def test_a_stream_says_the_same(self, claude: anthropic.Anthropic) -> None:
        """Anthropic's client puts the same message together from the events."""
        whole = claude.messages.create(model=MODEL, messages=HI, max_tokens=100)
        with claude.messages.stream(model=MODEL, messages=HI, max_tokens=100) as stream:
            streamed = stream.get_final_message()

        assert streamed.content[0].type == whole.content[0].type == "text"
        assert streamed.content[0].text == whole.content[0].text
        assert streamed.usage.output_tokens == whole.usage.output_tokens
        assert streamed.stop_reason == "end_turn"

    def test_a_tool_is_called(self, claude: anthropic.Anthropic) -> None:
        """A named tool is called, streamed or not, with arguments that fit."""
        asked: Any = {
            "model": MODEL,
            "messages": HI,
            "max_tokens": 100,
            "tools": [{"name": "weather", "input_schema": WEATHER_SCHEMA}],
            "tool_choice": {"type": "tool", "name": "weather"},
        }
        whole = claude.messages.create(**asked)
        with claude.messages.stream(**asked) as stream:
            streamed = stream.get_final_message()

        for message in (whole, streamed):
            assert message.stop_reason == "tool_use"
            assert message.content[0].type == "tool_use"
            assert message.content[0].input == FITTING

    @pytest.mark.parametrize(
        "fields",
        [
            {"max_tokens": None},
            {"messages": []},
            {"messages": [{"role": "system", "content": "be brief"}]},
            {"messages": [{"role": "user", "content": ""}]},
        ],
        ids=["no max_tokens", "no messages", "system role", "empty content"],
    )
    def test_what_anthropic_refuses_is_refused(
        self, sim: SimulatedProviders, fields: dict[str, Any]
    ) -> None:
        """A bad translation is found here and not first in production."""
        body = {"model": MODEL, "messages": HI, "max_tokens": 9, **fields}
        response = httpx.post(
            f"{sim.base_uri('aws', 'anthropic-messages')}/v1/messages",
            json=body,
            headers={"anthropic-version": "2023-06-01"},
        )

        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"


class TestPromptCache:
    def test_a_second_turn_is_read_from_the_cache(self, gpt: openai.OpenAI) -> None:
        """What a deployment has seen before is cached, what is new is not."""
        first = gpt.chat.completions.create(model=MODEL, messages=HI)
        more: Any = [
            *HI,
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "and now?"},
        ]
        second = gpt.chat.completions.create(model=MODEL, messages=more)

        assert first.usage is not None
        assert second.usage is not None
        assert first.usage.prompt_tokens_details is not None
        assert second.usage.prompt_tokens_details is not None
        assert first.usage.prompt_tokens_details.cached_tokens == 0
        cached = second.usage.prompt_tokens_details.cached_tokens
        assert cached == first.usage.prompt_tokens
        assert cached < second.usage.prompt_tokens

    def test_another_deployment_is_cold(
        self, sim: SimulatedProviders, gpt: openai.OpenAI
    ) -> None:
        """A conversation that moves finds nothing where it arrives."""
        gpt.chat.completions.create(model=MODEL, messages=HI)
        response = httpx.post(
            f"{sim.base_uri('gcp', 'anthropic-messages')}/v1/messages",
            json={"model": MODEL, "messages": HI, "max_tokens": 9},
            headers={"anthropic-version": "2023-06-01"},
        )

        assert response.json()["usage"]["cache_read_input_tokens"] == 0
        assert response.json()["usage"]["input_tokens"] > 0

    def test_a_prefix_grows_cold(self) -> None:
        """After five minutes without use, nothing is left; use keeps it warm."""
        now = 0.0
        cache = PromptCache(lambda: now)
        cache.read("aws", [b"system", b"hi"])
        now = LIFE_SECONDS - 1
        warm = cache.read("aws", [b"system", b"hi", b"more"])
        now = 2 * LIFE_SECONDS - 2
        still_warm = cache.read("aws", [b"system", b"hi"])
        now = 4 * LIFE_SECONDS
        cold = cache.read("aws", [b"system", b"hi"])

        assert (warm, still_warm, cold) == (2, 2, 0)
